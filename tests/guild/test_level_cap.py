"""What a level costs and when a campaign is maxed out, against slower ways to say the same."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.config.schema import LevelCapSettings
from realm.guild.level_cap import (
    Attempt,
    LevelChange,
    Spent,
    attempts,
    frontier_of,
    is_maxed_out,
    slope,
    student_t,
    token_limit,
    verdict,
)
from realm.guild.progression import Examination
from realm.records import CampaignKey

KEY = CampaignKey("hatchling", "test")
RULE = LevelCapSettings(minimum_tokens=1000)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[LevelChange], list[Spent]]:
    """A skill's life: tokens at each checkpoint, and now and then a level gained at the frontier or one lost."""
    mastered: set[int] = set()
    changes: list[LevelChange] = []
    spent: list[Spent] = []
    for step in range(1, draw(st.integers(1, 25))):
        for level in draw(st.lists(st.integers(1, 5), max_size=4, unique=True)):
            spent.append(Spent(step, level, draw(st.integers(0, 500))))
        move = draw(st.sampled_from(["none", "none", "gain", "lose"]))
        if move == "gain":
            level = frontier_of(mastered)
            mastered.add(level)
            changes.append(LevelChange(step, level, "gained", step * 100))
        elif move == "lose" and mastered:
            level = draw(st.sampled_from(sorted(mastered)))
            mastered.discard(level)
            changes.append(LevelChange(step, level, "lost"))
    return changes, spent


def mastered_before(changes: list[LevelChange], step: int) -> set[int]:
    """The levels that were mastered while the tokens told at a step were trained."""
    held: set[int] = set()
    for change in changes:
        if change.step < step:
            (held.add if change.kind == "gained" else held.discard)(change.level)
    return held


@given(histories())
def test_every_token_is_frontier_maintenance_or_neither_and_counted_once(
    life: tuple[list[LevelChange], list[Spent]],
) -> None:
    changes, spent = life
    frontier = maintenance = 0
    for s in spent:
        held = mastered_before(changes, s.step)
        frontier += s.tokens * (s.level == frontier_of(held))
        maintenance += s.tokens * (s.level in held)
    tried = attempts(changes, spent)
    interrupted = {a.level for a in tried}
    assert sum(a.frontier_tokens for a in tried) <= frontier
    assert sum(a.maintenance_tokens for a in tried) <= maintenance
    if not any(change.kind == "lost" for change in changes):
        assert sum(a.frontier_tokens for a in tried) == frontier
        assert sum(a.maintenance_tokens for a in tried) == maintenance
        assert len(interrupted) == len(tried)


@given(histories())
def test_one_attempt_ends_with_each_level_gained_and_one_goes_on(life: tuple[list[LevelChange], list[Spent]]) -> None:
    changes, spent = life
    *done, running = attempts(changes, spent)
    assert [(a.level, a.ended_step) for a in done] == [(c.level, c.step) for c in changes if c.kind == "gained"]
    assert running.ended_step is None
    held = mastered_before(changes, 10**9)
    assert running.level == frontier_of(held)
    assert all(a.began_step < (a.ended_step or 10**9) for a in done)


@given(histories(), st.randoms())
def test_the_order_in_which_tokens_are_told_does_not_matter(
    life: tuple[list[LevelChange], list[Spent]], draw: random.Random
) -> None:
    changes, spent = life
    shuffled = list(spent)
    draw.shuffle(shuffled)
    assert attempts(changes, shuffled) == attempts(changes, spent)


def test_what_a_level_costs_by_hand() -> None:
    changes = [LevelChange(10, 1, "gained", 1000), LevelChange(30, 2, "gained", 5000)]
    told = ((5, 1, 300), (5, 2, 100), (10, 1, 200), (20, 1, 50), (20, 2, 400), (30, 2, 600), (40, 1, 10), (40, 2, 20))
    spent = [*(Spent(*each) for each in told), Spent(40, 3, 10)]
    one, two, three = attempts(changes, spent)
    assert (one.level, one.frontier_tokens, one.maintenance_tokens, one.multiplier) == (1, 500, 0, 0.0)
    assert (two.level, two.frontier_tokens, two.maintenance_tokens, two.multiplier) == (2, 1000, 50, 0.05)
    assert (three.level, three.frontier_tokens, three.maintenance_tokens, three.multiplier) == (3, 10, 30, 3.0)
    assert (three.began_step, three.ended_step) == (30, None)


def test_an_attempt_that_a_lost_level_interrupts_goes_on_when_it_is_back() -> None:
    changes = [LevelChange(10, 1, "gained"), LevelChange(20, 1, "lost"), LevelChange(30, 1, "gained")]
    spent = [Spent(10, 1, 1), Spent(20, 2, 100), Spent(30, 1, 5), Spent(30, 2, 7), Spent(40, 2, 100), Spent(40, 1, 3)]
    first, again, running = attempts(changes, spent)
    assert (first.frontier_tokens, again.level, again.frontier_tokens) == (1, 1, 5)
    assert (running.level, running.frontier_tokens, running.maintenance_tokens) == (2, 200, 3)


def test_nothing_trained_on_a_level_has_no_multiplier() -> None:
    (running,) = attempts([], [])
    assert running == Attempt(1, -1, None, 0, 0)
    assert running.multiplier is None


# -- the slope -----------------------------------------------------------------------------------------------
def test_quantiles_of_students_t_agree_with_published_ones() -> None:
    for freedom, known in (
        (1, 12.7062),
        (2, 4.3027),
        (8, 2.3060),
        (30, 2.0423),
        (40, 2.0211),
        (60, 2.0003),
        (120, 1.9799),
    ):
        assert student_t(freedom) == pytest.approx(known, abs=1e-4)
    assert all(student_t(n) > student_t(n + 1) > 1.9599 for n in range(1, 300))


@given(st.floats(-0.05, 0.05), st.floats(0, 1), st.integers(3, 40))
def test_a_straight_line_has_its_own_slope_and_no_width(step: float, start: float, n: int) -> None:
    line = slope([start + step * i for i in range(n)])
    assert line is not None
    assert line.value == pytest.approx(step, abs=1e-9)
    assert line.interval.high - line.interval.low < 1e-6


def test_too_few_points_have_no_slope() -> None:
    assert slope([]) is None and slope([0.1, 0.9]) is None


def test_equal_accuracies_are_flat_and_a_clear_rise_is_not() -> None:
    assert slope([0.3] * 10).is_flat  # type: ignore[union-attr]
    assert not slope([0.05 * i for i in range(10)]).is_flat  # type: ignore[union-attr]
    noisy = slope([0.70, 0.74, 0.69, 0.73, 0.71, 0.72, 0.70, 0.75, 0.70, 0.72])
    assert noisy is not None and noisy.is_flat and noisy.interval.low < noisy.value < noisy.interval.high


def test_the_interval_by_hand() -> None:
    """y = 0, 1, 1, 2: slope 0.6, residual sum 0.2, standard error sqrt(0.1 / 5), t(2) = 4.3027."""
    line = slope([0.0, 1.0, 1.0, 2.0])
    assert line is not None
    assert line.value == pytest.approx(0.6)
    assert line.interval.high - line.value == pytest.approx(4.302653 * math.sqrt(0.1 / 5), rel=1e-6)


# -- maxed out -----------------------------------------------------------------------------------------------
def examined(level: int, accuracies: list[float], after: int = 0) -> list[Examination]:
    made = Examination(key=KEY, step=0, skill="bin", level=level, role="frontier", n=100, correct=0)
    return [replace(made, step=after + 1 + i, correct=round(100 * a)) for i, a in enumerate(accuracies)]


FLAT = [0.70, 0.74, 0.69, 0.73, 0.71, 0.72, 0.70, 0.75, 0.70, 0.72]
RISING = [0.50, 0.53, 0.55, 0.58, 0.61, 0.63, 0.66, 0.68, 0.71, 0.74]


def test_it_takes_a_high_cost_and_a_flat_accuracy() -> None:
    cheap, dear = [Spent(5, 1, 1000)], [Spent(5, 1, 1001)]
    assert not verdict("bin", 30, [], cheap, examined(1, FLAT), RULE).is_capped
    assert not verdict("bin", 30, [], dear, examined(1, RISING), RULE).is_capped
    assert not verdict("bin", 30, [], dear, examined(1, FLAT[:9]), RULE).is_capped
    found = verdict("bin", 30, [], dear, examined(1, FLAT), RULE)
    assert found.is_capped and found.cap == 0
    assert "1,001 tokens" in found.reason and "does not rise" in found.reason
    assert found.as_json()["accuracies"] == FLAT


def test_only_the_last_examinations_of_the_attempt_count() -> None:
    dear = [Spent(30, 1, 5000)]
    assert verdict("bin", 30, [], dear, examined(1, [*RISING, *FLAT]), RULE).is_capped
    changes = [LevelChange(20, 1, "gained")]
    late = verdict("bin", 30, changes, [Spent(30, 2, 5000)], examined(2, [*FLAT, *FLAT[:5]], after=14), RULE)
    assert not late.is_capped and late.examined == 9


def test_keeping_the_others_may_cost_too_much() -> None:
    changes = [LevelChange(10, 1, "gained")]
    spent = [Spent(10, 1, 800), Spent(20, 2, 100), Spent(20, 1, 400)]
    asked = examined(2, FLAT, after=10)
    assert not verdict("bin", 30, changes, spent, asked, RULE).is_capped  # M is 4, and must exceed it
    found = verdict("bin", 30, changes, [*spent, Spent(21, 1, 1)], asked, RULE)
    assert found.is_capped and found.cap == 1 and "4.0 times" in found.reason


def test_long_is_measured_by_the_median_of_the_last_levels_and_the_minimum() -> None:
    done = [Attempt(n, 0, 1, cost, 0) for n, cost in enumerate((9999, 300, 500, 400), start=1)]
    assert token_limit(done, RULE) == 5 * 400
    assert token_limit(done[:1], RULE) == 5 * 9999
    assert token_limit([], RULE) == 1000
    assert token_limit([replace(done[0], frontier_tokens=10)], RULE) == 1000


def test_a_skill_that_is_mastered_whole_goes_no_further() -> None:
    found = verdict("bin", 2, [LevelChange(1, 1, "gained"), LevelChange(2, 2, "gained")], [], [], RULE)
    assert found.is_capped and found.cap == 2 and found.attempt is None


def test_every_skill_in_focus_must_be_capped() -> None:
    capped = verdict("bin", 30, [], [Spent(5, 1, 2000)], examined(1, FLAT), RULE)
    open_ = verdict("sy", 30, [], [], [], RULE)
    assert is_maxed_out([capped]) and not is_maxed_out([capped, open_]) and not is_maxed_out([])


def test_a_continued_campaign_gets_as_much_again() -> None:
    spent, asked = [Spent(10, 1, 5000)], examined(1, FLAT)
    assert verdict("bin", 30, [], spent, asked, RULE).is_capped
    again = verdict("bin", 30, [], spent, asked, RULE, since_step=10)
    assert not again.is_capped and again.attempt is not None and again.attempt.frontier_tokens == 0
    later = verdict(
        "bin", 30, [], [*spent, Spent(30, 1, 1500)], [*asked, *examined(1, FLAT, after=20)], RULE, since_step=10
    )
    assert later.is_capped and later.attempt is not None and later.attempt.frontier_tokens == 1500


@given(histories(), st.lists(st.integers(0, 100), max_size=15), st.integers(-1, 30))
def test_a_verdict_keeps_its_promises(
    life: tuple[list[LevelChange], list[Spent]], right: list[int], since: int
) -> None:
    changes, spent = life
    level = attempts(changes, spent)[-1].level
    found = verdict("bin", 4, changes, spent, examined(level, [r / 100 for r in right]), RULE, since_step=since)
    assert found.cap == min(level - 1, 4)
    if not found.is_capped or found.attempt is None:
        return
    m = found.attempt.multiplier
    assert found.attempt.frontier_tokens > found.token_limit or (m is not None and m > 4)
    assert len(found.accuracies) == 10 and found.slope is not None and found.slope.is_flat
