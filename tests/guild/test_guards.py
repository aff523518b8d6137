from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.config.schema import CurriculumSettings, GuardSettings
from realm.guild.curriculum import Mix
from realm.guild.engine import SkillEngine
from realm.guild.guards import JUDGED_ROWS, Trip, Variety, by_cell, collapsed, falling, overloaded, variety
from realm.guild.practice import draw
from realm.guild.progression import Examination
from realm.guild.strain import Advice
from realm.records import CampaignKey

RULE = GuardSettings()
CELL = ("bin", 1)
KEY = CampaignKey("hatchling", "test")


def numbers(count: int, different: int) -> list[str]:
    return [f"{i % different * 7919} and {i % different * 104729}" for i in range(count)]


def judged(drawn: Sequence[str], reference: Sequence[str], rule: GuardSettings = RULE) -> Trip | None:
    return collapsed(CELL, variety(drawn), variety(reference), rule)


@given(st.lists(st.text(max_size=12), max_size=60))
def test_variety_is_a_share_and_an_entropy(texts: list[str]) -> None:
    measured = variety(texts)
    assert 0 <= measured.unique <= 1 and measured.entropy_bits >= 0
    assert (measured.unique > 0) == bool(texts)
    again = variety(texts * 2)
    assert again.entropy_bits == pytest.approx(measured.entropy_bits), "entropy is that of the frequencies"
    assert again.unique == pytest.approx(measured.unique / 2)


def test_entropy_of_known_texts() -> None:
    assert variety(["aaaaaa"] * 3).entropy_bits == 0
    assert variety(["abc", "def", "ghi", "jkl"]).entropy_bits == pytest.approx(2)
    assert variety(["ab", ""]) == Variety(2, 2, 0.0)


def test_one_problem_over_and_over_trips() -> None:
    trip = judged(numbers(200, 1), numbers(200, 1))
    assert trip is not None and "200 problems for practice of bin level 1 held 1 different ones" in trip.why
    assert "realm skill sample bin --level 1" in trip.fix and trip.fix.endswith("realm practice resume")
    assert judged(numbers(200, 7), numbers(200, 7)) is not None
    assert judged(numbers(31, 1), numbers(31, 1)) is None, "too few rows to say"


def test_a_small_space_is_no_collapse_and_a_sudden_narrowing_is() -> None:
    small = numbers(256, 12)
    assert judged(small, small) is None
    assert judged(numbers(256, 60), numbers(256, 250)) is not None
    assert judged(numbers(256, 120), numbers(256, 250)) is None


def test_texts_of_few_pieces_trip_though_all_differ() -> None:
    flat = ["a" * (40 + i) for i in range(100)]
    trip = judged(flat, numbers(100, 100))
    assert trip is not None and "bits of entropy" in trip.why


@pytest.mark.parametrize("level", [1, 2, 8, 30])
def test_bin_never_trips_though_a_single_primitive_fails_always(level: int) -> None:
    engine, weights = SkillEngine(), CurriculumSettings().kind_weights
    reference = variety(
        [f"{p.prompt}\n{p.answer}" for p in engine.generate_batch("bin", level, JUDGED_ROWS, "reference")]
    )
    for primitive in engine.get("bin").spec.primitives:
        errors = dict.fromkeys(engine.get("bin").spec.primitives, 0.0) | {primitive: 1.0}
        mix = Mix({("bin", level): 1.0}, "", {"bin": errors}, CurriculumSettings().error_floor, weights)
        texts = [f"{p.prompt}\n{p.answer}" for p in draw(mix, engine, JUDGED_ROWS, "s")]
        assert collapsed(("bin", level), variety(texts), reference, RULE) is None


def test_only_so_many_texts_are_kept_for_a_level() -> None:
    texts = by_cell((("bin", i % 2), str(i)) for i in range(1000))
    assert {cell: len(held) for cell, held in texts.items()} == {("bin", 0): JUDGED_ROWS, ("bin", 1): JUDGED_ROWS}


def told(*advice: Advice) -> list[dict[str, Advice]]:
    return [{"bin": word, "sy": "continue"} for word in advice]


def test_overload_that_does_not_fall_trips_after_enough_quests() -> None:
    rule = GuardSettings(overload_quests=3)
    trip = overloaded(told(*["back_off"] * 4), rule)
    assert trip is not None and "Strain of bin" in trip.why and "3 practice quests" in trip.why
    assert overloaded(told(*["back_off"] * 3), rule) is None
    assert overloaded(told("continue", *["back_off"] * 9), rule) is None, "it falls now"
    assert overloaded(told("back_off", "back_off", "continue", "back_off", "back_off"), rule) is None
    assert overloaded([], rule) is None


def exams(*accuracies: int) -> list[Examination]:
    """Examinations of 100 problems, newest first."""
    return [
        Examination(key=KEY, step=1000 - i, skill="bin", level=1, role="frontier", n=100, correct=a)
        for i, a in enumerate(accuracies)
    ]


def test_no_loss_and_falling_accuracy_trip() -> None:
    trip = falling("bin", exams(40, 55, 70, 65), 0.001, RULE)
    assert trip is not None and "fell from 70% to 40%" in trip.why and "bin level 1" in trip.why
    assert falling("bin", exams(40, 55, 70), 0.2, RULE) is None, "there is something to learn yet"
    assert falling("bin", exams(62, 55, 70), 0.001, RULE) is None, "within what luck does"
    assert falling("bin", exams(70, 40), 0.001, RULE) is None, "it rises"
    assert falling("bin", exams(40), 0.001, RULE) is None and falling("bin", [], None, RULE) is None
    old = exams(40, *[45] * 10, 90)
    assert falling("bin", old, 0.0, RULE) is None, "the fall lies further back than is looked at"
