from __future__ import annotations

import json
import random
from dataclasses import replace
from functools import cache
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realm.guild.mastery import Rule
from realm.guild.progression import (
    Change,
    Examination,
    SkillState,
    apply,
    damage,
    fold,
    hero_level,
    passes,
    wilson,
)
from realm.records import CampaignKey

RULE = Rule()
KEY = CampaignKey("hatchling", "test")


def exam(level: int, step: int, percent: int, n: int = 100) -> Examination:
    return Examination(
        key=KEY, step=step, skill="bin", level=level, role="frontier", n=n, correct=round(n * percent / 100)
    )


def play(*sittings: dict[int, int], rule: Rule = RULE) -> tuple[SkillState, list[tuple[str, int, int]]]:
    """Sittings {level: percent} at steps 1, 2, ...; what they lead to and (kind, level, step) of each change."""
    state, log = SkillState(), list[tuple[str, int, int]]()
    for step, sitting in enumerate(sittings, 1):
        state, changes = apply(state, [exam(level, step, percent) for level, percent in sitting.items()], rule)
        log += [(c.kind, c.level, c.examination.step) for c in changes]
    return state, log


# -- the interval ----------------------------------------------------------------------------------------------
def test_wilson_agrees_with_the_published_example() -> None:
    low, high = wilson(81, 263)  # Newcombe 1998, table I, method 3: 0.2553 to 0.3662
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 2000), st.data())
def test_wilson_holds_the_share_and_stays_within_bounds(n: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, n))
    low, high = wilson(correct, n)
    assert 0 <= low <= correct / n <= high <= 1
    assert wilson(correct * 4, n * 4).high - wilson(correct * 4, n * 4).low <= high - low + 1e-12


def test_gap_is_training_side_minus_held_out() -> None:
    asked = replace(exam(1, 1, 60), training_n=50, training_correct=45)
    assert asked.gap == pytest.approx(0.3)
    assert exam(1, 1, 60).gap is None
    assert exam(1, 1, 60).checkpoint == "hatchling:test@1"


# -- level up ----------------------------------------------------------------------------------------------------
def test_three_passes_at_three_checkpoints_master_a_level() -> None:
    assert play({1: 80}, {1: 80})[1] == []
    state, log = play({1: 80}, {1: 80}, {1: 80})
    assert log == [("gained", 1, 3)]
    assert (state.level, state.frontier, state.passes) == (1, 2, ())


def test_a_miss_in_between_starts_the_row_anew() -> None:
    assert play({1: 80}, {1: 80}, {1: 79}, {1: 99}, {1: 99})[1] == []


def test_the_same_checkpoint_never_counts_twice() -> None:
    state = SkillState()
    for _ in range(10):
        state, changes = apply(state, [exam(1, 7, 100)], RULE)
        assert changes == []
    assert state.passes == (7,)


def test_an_examination_of_nothing_passes_nothing() -> None:
    assert not passes(exam(1, 1, 100, n=0), RULE)


def test_levels_beyond_the_frontier_count_for_nothing() -> None:
    assert play({2: 100, 3: 100}, {2: 100, 3: 100}, {2: 100, 3: 100})[0] == SkillState()


def test_a_regressing_level_holds_the_frontier_back_until_it_is_back() -> None:
    first = [{1: 90}] * 3
    assert play(*first, {2: 90, 1: 75}, {2: 90, 1: 75}, {2: 90, 1: 75})[1][-1] == ("gained", 2, 6)
    state, log = play(*first, {2: 90, 1: 90}, {2: 90, 1: 90}, {2: 90, 1: 74})
    assert log == [("gained", 1, 3)]
    assert state.regressing == {1}
    assert play(*first, {2: 90}, {2: 90}, {2: 90, 1: 74}, {2: 90, 1: 76})[1][-1] == ("gained", 2, 7)


# -- regression --------------------------------------------------------------------------------------------------
def test_five_lost_examinations_unmaster_a_level() -> None:
    first = [{1: 90}] * 3
    state, log = play(*first, *[{1: 60, 2: 50}] * 4)
    assert (log, state.below, state.level) == ([("gained", 1, 3)], {1: 4}, 1)
    state, log = play(*first, *[{1: 60, 2: 50}] * 5)
    assert log[-1] == ("lost", 1, 8)
    assert (state.level, state.frontier, state.regressing) == (0, 1, frozenset())


def test_one_good_examination_ends_a_regression() -> None:
    first = [{1: 90}] * 3
    state, log = play(*first, *[{1: 60}] * 4, {1: 75}, *[{1: 60}] * 4)
    assert log == [("gained", 1, 3)]
    assert state.below == {1: 4}


def test_a_lost_level_below_others_is_earned_again_alone() -> None:
    climb = [{1: 90}] * 3 + [{1: 90, 2: 90}] * 3
    state, _ = play(*climb, *[{1: 50, 2: 90}] * 5)
    assert (state.level, state.frontier, state.mastered) == (0, 1, {2})
    state, log = play(*climb, *[{1: 50, 2: 90}] * 5, *[{1: 90, 2: 90}] * 3)
    assert (state.level, log[-1]) == (2, ("gained", 1, 14))


# -- any history -------------------------------------------------------------------------------------------------
percents = st.integers(0, 20).map(lambda v: v * 5)
histories = st.lists(st.dictionaries(st.integers(1, 4), percents, max_size=4), max_size=40)
lenient = st.lists(st.dictionaries(st.integers(1, 4), st.sampled_from([60, 75, 80, 95]), max_size=4), max_size=40)


@given(histories | lenient)
def test_each_gain_rests_on_three_examinations_of_its_own(history: list[dict[int, int]]) -> None:
    _, log = play(*history)
    gained = [(level, step) for kind, level, step in log if kind == "gained"]
    since: dict[int, int] = {}
    for kind, level, step in log:
        if kind == "gained":
            sittings = history[since.get(level, 0) : step]
            counted = [sitting[level] for sitting in sittings if level in sitting]
            assert len(counted) >= 3 and min(counted[-3:]) >= 80
        since[level] = step
    for place, (_, step) in enumerate(gained):
        assert step >= 3 + 2 * place  # the next level's first examination may be of the same checkpoint


@given(histories | lenient, st.randoms(use_true_random=False))
def test_the_order_of_facts_within_a_sitting_does_not_matter(
    history: list[dict[int, int]], order: random.Random
) -> None:
    rows = [exam(level, step, p) for step, sitting in enumerate(history, 1) for level, p in sitting.items()]
    shuffled = order.sample(rows, len(rows))
    assert fold(rows, RULE) == fold(shuffled, RULE)
    assert play(*history)[0] == fold(shuffled, RULE)[0]


@given(histories | lenient)
def test_changes_explain_the_state(history: list[dict[int, int]]) -> None:
    state, log = play(*history)
    mastered: set[int] = set()
    for kind, level, _ in log:
        assert (level in mastered) == (kind == "lost")
        mastered ^= {level}
    assert mastered == state.mastered
    assert state.regressing <= state.mastered
    assert SkillState.from_json(json.loads(json.dumps(state.as_json()))) == state


@given(histories | lenient)
def test_counting_a_sitting_again_changes_nothing_that_was_counted(history: list[dict[int, int]]) -> None:
    state, _ = play(*history)
    for step, sitting in enumerate(history, 1):
        for level, percent in sitting.items():
            if step <= state.seen.get(level, -1):
                assert apply(state, [exam(level, step, percent)], RULE) == (state, [])


# -- random control ----------------------------------------------------------------------------------------------
@cache
def pass_chance(p: float, n: int) -> float:
    need = -(-n * 8 // 10)
    return sum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(need, n + 1))


def level_up_chance(q: float, examinations: int, row: int = 3) -> float:
    """The chance of `row` passes in a row within so many independent examinations, each passed with chance q."""
    at = [1.0] + [0.0] * row  # at[k]: k passes in a row so far; at[row]: mastered
    for _ in range(examinations):
        at = [sum(at[:row]) * (1 - q), *(at[k] * q for k in range(row - 1)), at[row] + at[row - 1] * q]
    return at[row]


def test_a_coin_and_a_better_coin_do_not_level_up() -> None:
    assert pass_chance(0.5, 100) < 1e-9 and pass_chance(0.6, 100) < 3e-5
    assert level_up_chance(pass_chance(0.5, 100), 10_000) < 1e-22
    assert level_up_chance(pass_chance(0.6, 100), 10_000) < 1e-9
    assert pass_chance(0.6, 5) > 0.3  # why 100 problems: of five, one passes four in a third of tries
    assert level_up_chance(pass_chance(0.6, 5), 30) > 0.5


@settings(deadline=None, max_examples=1)
@given(st.just(11))
def test_simulation_agrees_with_the_chance(seed: int) -> None:
    draw, tries, n, p, exams = random.Random(seed), 3000, 20, 0.72, 12
    gained = 0
    for _ in range(tries):
        state = SkillState()
        for step in range(1, exams + 1):
            right = sum(draw.random() < p for _ in range(n))
            one = replace(exam(1, step, 0, n), correct=right)
            state, changes = apply(state, [one] if 1 not in state.mastered else [], RULE)
            gained += len([c for c in changes if c.kind == "gained"])
    low, high = wilson(gained, tries)
    assert low - 0.01 <= level_up_chance(pass_chance(p, n), exams) <= high + 0.01


@pytest.mark.parametrize("p", [0.5, 0.6])
def test_random_answerers_stay_at_level_zero(p: float) -> None:
    draw = random.Random(f"control/{p}")
    rows = [replace(exam(1, s, 0), correct=sum(draw.random() < p for _ in range(100))) for s in range(1, 500)]
    state, changes = fold(rows, RULE)
    assert (state.level, changes) == (0, list[Change]())


# -- numbers of the hero -----------------------------------------------------------------------------------------
def test_damage_and_level() -> None:
    assert damage(0.01) == pytest.approx(100)
    assert damage(0.0) == pytest.approx(1e6)
    assert [hero_level(s) for s in (0, 999, 1000, 25_300)] == [0, 0, 1, 25]
