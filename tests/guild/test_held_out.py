"""Questions of examinations are found inside training rows, and practice holds none of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from realm.config.schema import CurriculumSettings
from realm.guild.engine import SkillEngine
from realm.guild.held_out import HeldOut, of_skills

QUESTION = "Which of the two towers is the taller one?"
HELD_OUT = HeldOut({"place one": [QUESTION, "2 + 2"], "place two": ["Name the seven seas of the world"]})


@given(st.text(), st.text())
def test_a_question_is_found_in_any_surroundings(before: str, after: str) -> None:
    for asked in (QUESTION, QUESTION.upper(), QUESTION.replace(" ", "\n  ")):
        row = {"messages": [{"role": "user", "content": f"{before} {asked} {after}"}]}
        assert HELD_OUT.where(row) == "place one"


def test_whole_questions_only() -> None:
    assert HELD_OUT.where({"prompt": "2 + 2", "completion": "4"}) == "place one"
    assert HELD_OUT.where({"prompt": "What is 2 + 2 here", "completion": "4"}) == ""
    assert HELD_OUT.where({"prompt": "Which of the two towers is the", "completion": "taller"}) == ""
    assert HELD_OUT.where({"text": 'He said: "Name the seven seas of the world"'}) == "place two"
    assert HELD_OUT.where({"text": "x", "meta": {"question": QUESTION}}) == ""
    assert len(HELD_OUT) == 3 and HeldOut({}).where({"text": QUESTION}) == ""


def test_examinations_are_known_and_practice_is_not_taken_for_them() -> None:
    held_out, engine = of_skills(["bin"], CurriculumSettings()), SkillEngine()
    for level in (1, 7, 30):
        for problem in engine.generate_eval_batch("bin", level):
            row = {"prompt": problem.prompt, "completion": problem.answer}
            assert held_out.where(row).startswith("the examination of Binary arithmetic, level ")
        practice = engine.generate_batch("bin", level, 200, "practice")
        assert not [p.prompt for p in practice if held_out.where({"prompt": p.prompt, "completion": p.answer})]
