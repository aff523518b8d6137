"""Pairs of a hero's own answers: graded by the skill, of one problem each, from the training side, with a lineage."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from realm.config.schema import SparringSettings
from realm.errors import SkillError, UsageError
from realm.guild.pairs import PER_PROBLEM, PairBout, hold_as, hold_pairs
from realm.guild.skill import side_of
from realm.guild.sparring import file_name
from realm.guild.strain import meter_of
from tests.guild.sloppy import Sloppy
from tests.guild.test_sparring import Watched
from tests.guild.tiny_skills import tiny_engine


def bout(level: int = 2, seed: str = "s", count: int = 80, samples: int = 4) -> tuple[PairBout, Watched]:
    def sample(prompts: Sequence[str]) -> list[list[str]]:
        each = [Sloppy((p for p, _ in engine.made), f"{seed}{i}")(prompts) for i in range(samples)]
        return [list(answers) for answers in zip(*each, strict=True)]

    engine = Watched()
    drawn = {"samples": samples, "temperature": 1.0}
    return hold_pairs(engine, "bin", level, count, seed, sample, drawn=drawn), engine


@pytest.mark.parametrize("level", [1, 4, 9])
def test_a_pair_is_a_right_and_a_wrong_answer_to_one_problem(level: int) -> None:
    found, engine = bout(level)
    score = engine.get("bin").score
    assert found.asked == 80 and len(found.examples) > 40
    for pair in found.examples:
        assert score(pair.problem, pair.chosen).correct and not score(pair.problem, pair.rejected).correct  # type: ignore[attr-defined]
    each = Counter(pair.problem.prompt for pair in found.examples)  # type: ignore[attr-defined]
    assert max(each.values()) <= PER_PROBLEM
    assert len(each) == found.asked - sum(found.left_out.values())


def test_nothing_of_the_examination_side_is_asked() -> None:
    found, engine = bout()
    assert {side for _, side in engine.made} == {"train"}
    assert all(side_of(pair.problem.content) == "train" for pair in found.examples)  # type: ignore[attr-defined]


def test_the_wrong_answer_nearest_in_length_is_taken() -> None:
    problems: dict[str, str] = {}

    def sample(prompts: Sequence[str]) -> list[list[str]]:
        right = [str(2 * int(prompt.split()[-1])) for prompt in prompts]
        problems.update(zip(prompts, right, strict=True))
        return [[text, "x" * 90, "y" * len(text), "", "z" * 5000] for text in right]

    found = hold_pairs(tiny_engine(), "double", 1, 20, "s", sample, drawn={})
    assert len(found.examples) == 20
    for pair in found.examples:
        row = pair.as_row()
        assert row["chosen"] == problems[row["prompt"]] and row["rejected"] == "y" * len(row["chosen"])


@pytest.mark.parametrize(
    ("answers", "left"),
    [
        (["{}", "{}"], "all right"),
        (["no", "nay"], "all wrong"),
        (["{}", ""], "unreadable"),
        (["{}", "x" * 999], "unreadable"),
    ],
)
def test_where_nothing_can_be_compared_no_pair_is_made(answers: list[str], left: str) -> None:
    def sample(prompts: Sequence[str]) -> list[list[str]]:
        return [[text.format(2 * int(prompt.split()[-1])) for text in answers] for prompt in prompts]

    found = hold_pairs(tiny_engine(), "double", 1, 10, "s", sample, drawn={})
    assert not found.examples and found.left_out == {**dict.fromkeys(found.left_out, 0), left: 10}
    assert file_name(found, 3) == "" and "0 pairs. Left out: 10" in found.words()


def test_the_same_seed_gives_the_same_bytes() -> None:
    one, two = (b"".join(bout(3, "x")[0].lines()) for _ in range(2))
    assert one == two != b"".join(bout(3, "y")[0].lines())
    row = json.loads(one.splitlines()[0])
    assert set(row) == {"prompt", "chosen", "rejected", "skill", "level", "meta"} and row["level"] == 3


def test_the_sidecar_names_its_checkpoint_and_how_answers_were_drawn() -> None:
    found, _ = bout()
    about = found.sidecar("h:c@120")
    assert (about["source"], about["method"], about["checkpoint"]) == ("sparring", "dpo", "h:c@120")
    assert (about["hero"], about["campaign"], about["skill"], about["level"]) == ("h", "c", "bin", 2)
    assert about["parameters"] | {"samples": 4, "temperature": 1.0, "seed": "s"} == about["parameters"]
    assert about["reason"].startswith(f"320 answers to 80 problems, {found.right} right. {len(found.examples)} pairs.")
    assert file_name(found, 120) == "pairs-bin-00000120.jsonl"


def test_the_rule_says_which_kind_it_is() -> None:
    asked: list[dict[str, Any]] = []

    def sample(prompts: Sequence[str], **how: Any) -> list[list[str]]:
        asked.append(how)
        return [[str(2 * int(prompt.split()[-1])), "1"] for prompt in prompts]

    def answer(prompts: Sequence[str]) -> list[str]:
        return [str(2 * int(prompt.split()[-1]) + int(prompt[-1]) % 2) for prompt in prompts]

    engine, rule = tiny_engine(), SparringSettings(kind="pairs", samples=7, temperature=0.8)
    made = hold_as(rule, engine, "double", 1, 12, "s", answer, sample, method="orpo")
    assert asked == [{"count": 7, "temperature": 0.8, "top_p": 1.0, "seed": "s"}] and made.method == "orpo"
    assert hold_as(rule, engine, "double", 1, 12, "s", answer, sample, method="sft").method == "dpo"
    reviews = hold_as(SparringSettings(), engine, "double", 1, 60, "s", answer, sample)
    assert reviews.method == "sparring" and len(asked) == 2 and not isinstance(reviews, PairBout)


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(UsageError, match="10 problems were asked and 0 lists"):
        hold_pairs(tiny_engine(), "double", 1, 10, "s", lambda prompts: [], drawn={})
    with pytest.raises(SkillError, match="no level 31"):
        hold_pairs(tiny_engine(), "double", 31, 10, "s", lambda prompts: [], drawn={})


def test_losses_of_preferences_are_no_strain_of_a_skill() -> None:
    assert (meter_of("bin", "dpo"), meter_of("bin", "sft"), meter_of("bin", ""), meter_of("", "kto")) == (
        "dpo",
        "bin",
        "bin",
        "kto",
    )
