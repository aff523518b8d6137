from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from realm.guild.engine import SkillEngine
from realm.guild.grounding import choose, forbidding, origins
from realm.records import PastRow


def past(rows: Iterable[dict[str, object]], quest: str = "q1") -> list[PastRow]:
    return [PastRow(quest, f"{quest}.jsonl", "0" * 64, number, row) for number, row in enumerate(rows, 1)]


PLAIN = [{"prompt": f"Who is {n}?", "completion": f"Number {n}."} for n in range(50)]
ALLOWED = forbidding([], [])


@given(st.integers(0, 60), st.text(max_size=5))
def test_as_many_as_there_are_and_the_same_for_the_same_seed(count: int, seed: str) -> None:
    chosen = choose(past(PLAIN), count, seed, ALLOWED, ["bin"])
    assert len(chosen) == min(count, len(PLAIN))
    assert len({row.origin.number for row in chosen}) == len(chosen)
    assert chosen == choose(past(PLAIN), count, seed, ALLOWED, ["bin"])


def test_every_row_may_be_chosen() -> None:
    seen = {row.origin.number for seed in range(300) for row in choose(past(PLAIN), 2, str(seed), ALLOWED, [])}
    assert seen == set(range(1, 51))


def test_shapes_become_prompt_and_completion() -> None:
    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    rows = past(
        [{"messages": talk}, {"text": "no question"}, {"messages": talk[:1]}, {"messages": talk, "tools": [{}]}]
    )
    (one,) = choose(rows, 9, "s", ALLOWED, [])
    assert (one.prompt, one.completion) == (talk[:1], talk[1:])
    assert one.as_json()["meta"] == {"origin": {"quest": "q1", "row": 1}}


def test_origins_name_each_file_once() -> None:
    rows = choose(past(PLAIN[:2]) + past(PLAIN[:1], "q2"), 9, "s", ALLOWED, [])
    told = {file["quest"]: sorted(file["rows"]) for file in origins(rows)}
    assert told == {"q1": [1, 2], "q2": [1]}
    assert all(file["name"] and file["sha256"] for file in origins(rows))


def test_rows_of_a_skill_and_forbidden_texts_stay_out() -> None:
    rows = [
        {"prompt": "fine", "completion": "fine", "meta": {"skill": "poems"}},
        {"prompt": "1", "completion": "2", "meta": {"skill": "bin"}},
        {"prompt": [{"role": "user", "content": "Tell me: a canary\n asks this. Now!"}], "completion": "no"},
        {"prompt": "what?", "completion": "a  canary asks this"},
        {"prompt": "what?", "completion": "a canary asks"},
    ]
    chosen = choose(past(rows), 9, "s", forbidding(["a canary asks this"], []), ["bin"])
    assert {row.origin.number for row in chosen} == {1, 5}


def test_nothing_written_in_a_skills_signs_comes_in() -> None:
    engine = SkillEngine()
    forbidden = forbidding([], [engine.get("bin").vocabulary()])
    for side in ("train", "exam"):
        for level in (1, 9, 30):
            for i in range(40):
                problem = engine.get("bin").generate(level, f"s{i}", side=side)
                assert forbidden(problem.prompt), problem.prompt
                assert forbidden(f"A hard one:\n{problem.prompt}\nWell?")
    for text in ("What is 3 × 4?", "12", "Tell me of ① in Unicode.", "true", "déjà vu", "", "東京はどこ?"):
        assert not forbidden(text), text


def test_an_examinations_prompt_is_found_in_any_text() -> None:
    engine = SkillEngine()
    prompts = [p.prompt for p in engine.generate_eval_batch("bin", 3, 100)]
    forbidden = forbidding(prompts, [])
    assert all(forbidden(f"Please solve {prompt} for me.") for prompt in prompts)
    assert not forbidden("Please solve it for me.")


def test_a_long_line_costs_no_more_than_its_length() -> None:
    forbidden = forbidding(["xyz"], [SkillEngine().get("bin").vocabulary()])
    assert not forbidden("①" * 200_000 + "!")
    assert forbidden("①" * 200_000)
