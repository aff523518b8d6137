"""The gate: paired problems, harm before gain, and proof that chance cannot give."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.guild.progression import Examination
from realm.records import CampaignKey
from realm.temple.gate import Case, Comparison, decide, proof

KEY = CampaignKey("h", "c")
marks = st.integers(1, 60).flatmap(lambda n: st.tuples(*[st.text("01", min_size=n, max_size=n)] * 2))


def taken(marks: str, step: int = 1, skill: str = "bin", seed: str = "exam") -> Examination:
    return Examination(key=KEY, step=step, skill=skill, level=1, role="frontier", n=len(marks),
                       correct=marks.count("1"), marks=marks, seed=seed)  # fmt: skip


def counted(correct: int, n: int) -> Examination:
    return Examination(key=KEY, step=1, skill="bin", level=1, role="frontier", n=n, correct=correct)


def compare(before: str | None, after: str, skill: str = "bin") -> Comparison:
    return Comparison(skill, 1, taken(before, 1, skill) if before is not None else None, taken(after, 2, skill))


def test_pairs_are_counted_problem_by_problem() -> None:
    seen = compare("1100", "1010")
    assert (seen.gained, seen.lost, seen.change) == (1, 1, 0.0) and seen.is_paired


def test_other_problems_are_no_pairs() -> None:
    before, after = taken("1" * 10, seed="a"), taken("1" * 10, seed="b")
    assert not Comparison("bin", 1, before, after).is_paired
    assert not compare("11", "111").is_paired and not compare(None, "1").is_paired
    assert not Comparison("bin", 1, counted(1, 2), counted(1, 2)).is_paired


def test_ten_won_problems_are_more_than_chance_and_three_are_not() -> None:
    assert compare("0" * 100, "1" * 10 + "0" * 90).is_better(0.05)
    assert not compare("0" * 100, "1" * 3 + "0" * 97).is_better(0.05)
    assert compare("1" * 10 + "0" * 90, "0" * 100).is_worse(0.05)
    eight_to_five = compare("1" * 5 + "0" * 95, "0" * 5 + "1" * 8 + "0" * 87)
    assert not eight_to_five.is_better(0.05) and not eight_to_five.is_worse(0.05)


def test_unpaired_sides_need_intervals_that_do_not_meet() -> None:
    assert Comparison("bin", 1, counted(10, 100), counted(60, 100)).is_better(0.05)
    assert not Comparison("bin", 1, counted(40, 100), counted(50, 100)).is_better(0.05)
    assert Comparison("bin", 1, counted(60, 100), counted(10, 100)).is_worse(0.05)


@given(marks)
def test_the_interval_holds_the_change(pair: tuple[str, str]) -> None:
    seen = compare(*pair)
    assert seen.change is not None and seen.interval.low - 1e-9 <= seen.change <= seen.interval.high + 1e-9
    assert not (seen.is_better(0.05) and seen.is_worse(0.05))
    assert 0.0 <= proof([seen], 0) <= 1.0


@given(marks)
def test_turning_time_round_turns_gain_into_loss(pair: tuple[str, str]) -> None:
    forth, back = compare(*pair), compare(*reversed(pair))
    assert forth.is_better(0.05) == back.is_worse(0.05)


# -- decisions ----------------------------------------------------------------------------------------------------
better, same, worse = (
    compare("0" * 100, "1" * 30 + "0" * 70),
    compare("01" * 50, "01" * 50),
    compare("1" * 50, "0" * 50),
)


@pytest.mark.parametrize(("case", "recommendation"), [
    (Case([better]), "promote"), (Case([same]), "keep"), (Case([worse]), "roll_back"), (Case([]), "keep"),
    (Case([better, compare("1" * 50, "0" * 50, "sy")]), "roll_back"),
    (Case([better], harms=["The canaries fell."]), "roll_back"),
    (Case([same], levels_before=1, levels_after=2), "promote"), (Case([better], 2, 1), "roll_back"),
    (Case([compare(None, "10")], is_first=True), "promote"), (Case([compare(None, "00")], is_first=True), "keep"),
    (Case([compare(None, "10")], is_first=True, harms=["x"]), "roll_back"),
])  # fmt: skip
def test_decisions(case: Case, recommendation: str) -> None:
    decision = decide(case, 0.05)
    assert decision.recommendation == recommendation and decision.reasons
    assert decision.gate_met == (recommendation == "promote")


def test_reasons_name_skill_level_and_chance() -> None:
    (reason,) = decide(Case([better]), 0.05).reasons
    assert reason == "bin level 1 rose from 0% to 30% (30 problems won, 0 lost, chance 9.3e-10)."


# -- proof --------------------------------------------------------------------------------------------------------
def test_proof() -> None:
    assert proof([], 0) == 0.0 and proof([], 1) == 1.0 and proof([same], 0) == 0.0 and proof([worse], 0) == 0.0
    assert proof([compare("0" * 100, "1" * 50 + "0" * 50)], 0) == 1.0
    some = proof([compare("0" * 100, "1" * 8 + "0" * 92)], 0)
    assert 0.0 < some < 0.2
    assert proof([compare(None, "1" * 100)], 0) == 0.0, "nothing to compare with proves nothing"


def test_guessing_proves_almost_nothing() -> None:
    """A hero that answers right by luck, more or less often from one examination to the next."""
    draw = random.Random("luck")

    def guesses() -> str:
        return "".join("01"[draw.random() < 0.3] for _ in range(100))

    found = [proof([compare(guesses(), guesses())], 0) for _ in range(400)]
    assert sum(found) / len(found) < 0.02 and sum(value > 0 for value in found) / len(found) < 0.05
