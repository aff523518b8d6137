"""The fixed sets of canaries: complete, the same everywhere, held out, and refused by whatever makes training data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.errors import UsageError
from realm.guild import practice
from realm.guild.curriculum import Mix
from realm.guild.engine import SkillEngine, skills
from realm.guild.passives.guard import SIGN, holds_canary, is_canary
from realm.guild.passives.sets import MODULES, digest, joint, modules, problems
from realm.guild.primitives.atoms import MAKERS, batch, score
from realm.guild.skill import Problem, Side, Skill, side_of
from realm.registry import Registry
from tests.guild.tiny_skills import NumberSkill, double

DIGESTS = {
    "arithmetic": "dd631909a59ed0cc",
    "logic": "bf1845d557a0abb9",
    "binary_arithmetic": "910ae6268e8b8e6a",
    "word_puzzles": "5759836966ce0e0a",
    "counting": "14dcb6da71f5e32c",
    "string_craft": "52124d8687b00388",
    "sequence": "e6907a9ddee9fafa",
    "memory": "5757b16fb9a4504d",
    "code_trace": "22b0a9638144cce6",
    "combinatorics": "315abdf797fb713f",
    "language_basics": "e16a71b77da6e244",
}
ALL = [problem for name in MODULES for problem in problems(name)]


def test_eleven_modules_four_of_them_core() -> None:
    assert [(m.name, m.kind, len(problems(m.name))) for m in modules()] == [
        ("arithmetic", "core", 5),
        ("logic", "core", 5),
        ("binary_arithmetic", "core", 5),
        ("word_puzzles", "core", 5),
        ("counting", "extended", 30),
        ("string_craft", "extended", 30),
        ("sequence", "extended", 30),
        ("memory", "extended", 30),
        ("code_trace", "extended", 30),
        ("combinatorics", "extended", 30),
        ("language_basics", "extended", 30),
    ]
    with pytest.raises(UsageError, match="no canary module named 'logics'"):
        problems("logics")


def test_the_sets_are_those_that_earlier_checkpoints_were_asked() -> None:
    """A changed set begins its history anew: whoever changes one does it knowingly, and here."""
    assert {name: digest(name) for name in MODULES} == DIGESTS


def test_each_canary_is_held_out_and_asked_once() -> None:
    assert {side_of(problem.content) for problem in ALL} == {"exam"}
    assert len({problem.prompt for problem in ALL}) == len(ALL) == 230


def test_each_is_graded_exactly() -> None:
    for problem in ALL:
        assert score(problem, problem.answer).value == 1.0
        for wrong in ("", problem.prompt, problem.prompt + problem.answer, problem.answer * 2 + "!", "\0" * 1_000_000):
            assert score(problem, wrong).value == 0.0
        others = {other.answer for other in ALL} - {problem.answer}
        assert not any(score(problem, other).correct for other in others), problem


def test_sets_differ_and_their_union_has_a_name_of_its_own() -> None:
    assert len({digest(name) for name in MODULES}) == len(MODULES)
    assert joint(["logic", "arithmetic"]) != joint(["arithmetic", "logic"]) != joint(["arithmetic"])


@pytest.mark.parametrize("around", ["{}", "Q: {}\nA: 7", '"{}"', "({})", "  {}\n", "{} {}"])
def test_a_canary_is_recognised_in_any_dress(around: str) -> None:
    for problem in ALL:
        for said in (problem.prompt, problem.prompt.upper(), problem.prompt.replace(" ", "\n ")):
            assert is_canary(around.replace("{}", said)), said


def test_what_only_looks_like_one_is_none() -> None:
    assert is_canary("9 + 6 = ? Answer with the number only.")
    for near in (
        "19 + 6 = ? Answer with the number only.",
        "9 + 7 = ? Answer with the number only.",
        "9 + 6 = ?",
        "9 + 6 = ? Answer with the number onlyx",
        "Answer with the number only.",
        "",
    ):
        assert not is_canary(near), near


@given(st.text(max_size=400))
def test_any_text_can_be_looked_at(text: str) -> None:
    assert not is_canary(text)


def test_rows_of_any_shape_are_looked_at_and_meta_is_not() -> None:
    asked = ALL[0].prompt
    rows: list[dict[str, Any]] = [
        {"prompt": asked, "completion": "15"},
        {"prompt": "x", "completion": asked},
        {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": f"say: {asked}"}]},
        {"text": f"before {asked} after"},
    ]
    assert all(map(holds_canary, rows))
    assert not holds_canary({"prompt": "x", "completion": "y", "meta": {"from": asked}})


@pytest.mark.parametrize("name", skills().names())
def test_no_skill_generates_one(name: str) -> None:
    engine = SkillEngine()
    for level in range(1, engine.get(name).levels + 1):
        for problem in engine.generate_batch(name, level, 100, "leak"):
            assert not is_canary(f"{problem.prompt}\n{problem.answer}")


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_atomic_problems_of_the_training_side_are_none(name: str) -> None:
    assert not any(is_canary(problem.prompt) for problem in batch(name, 100, "leak"))


def test_each_question_holds_the_sign_by_which_other_texts_are_passed_over_quickly() -> None:
    assert all(SIGN in problem.prompt.casefold() for problem in ALL)


def test_practice_trains_on_none_that_a_skill_makes() -> None:
    class Leaking(NumberSkill):
        def generate(self, level: int, seed: str, *, side: Side = "train", kind: Any = None) -> Problem:
            made = super().generate(level, seed, side=side, kind=kind)
            return replace(made, prompt=ALL[0].prompt) if int(made.content) % 2 else made

    registry: Registry[Skill] = Registry("skill")
    registry.register("double", lambda: Leaking("double", double))
    drawn = practice.draw(Mix({("double", 1): 1.0}, "test"), SkillEngine(registry), 200, "x")
    assert 50 < len(drawn) < 150 and all(int(problem.content) % 2 == 0 for problem in drawn)
