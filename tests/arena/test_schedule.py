from __future__ import annotations

import math
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.arena.schedule import Schedule, Shape

SHAPES = get_args(Shape)


def test_constant_warms_up_once_in_a_campaign() -> None:
    schedule = Schedule("constant_with_warmup", 4)
    assert [schedule.factor(s) for s in range(6)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    schedule.start, schedule.end = 100, 200
    assert schedule.factor(100) == schedule.factor(199) == 1.0


@pytest.mark.parametrize("shape", ["linear", "cosine"])
def test_decaying_shapes_fall_over_the_quest(shape: Shape) -> None:
    schedule = Schedule(shape, 0, start=100, end=200)
    factors = [schedule.factor(s) for s in range(100, 201)]
    assert factors[0] == 1.0
    assert factors[50] == pytest.approx(0.5)
    assert factors[100] == pytest.approx(0.0)
    assert factors == sorted(factors, reverse=True)


def test_inverse_sqrt_falls_over_the_campaign_and_not_below_its_floor() -> None:
    schedule = Schedule("inverse_sqrt", 10, timescale=100, lowest=0.25)
    schedule.start, schedule.end = 300, 310  # quests make no difference
    assert schedule.factor(4) == pytest.approx(5 / 11)
    assert schedule.factor(10) == 1.0
    assert schedule.factor(310) == pytest.approx(0.5)
    assert schedule.factor(10**6) == 0.25


def test_wsd_falls_over_the_last_share_of_each_quest() -> None:
    schedule = Schedule("wsd", 0, start=100, end=200, lowest=0.1, decay_share=0.2)
    assert {schedule.factor(s) for s in range(100, 181)} == {1.0}
    assert schedule.factor(190) == pytest.approx(0.55)
    assert schedule.factor(200) == pytest.approx(0.1)
    schedule.start, schedule.end = 200, 300  # the next quest begins at the full rate
    assert schedule.factor(200) == 1.0


def test_wsd_falls_once_from_a_step_of_the_campaign() -> None:
    schedule = Schedule("wsd", 10, start=100, end=110, lowest=0.2, decay_from=150, decay_steps=50)
    assert schedule.factor(109) == schedule.factor(150) == 1.0  # ends of quests make no difference
    assert schedule.factor(175) == pytest.approx(0.6)
    assert schedule.factor(200) == schedule.factor(10_000) == pytest.approx(0.2)


schedules = st.builds(
    Schedule,
    shape=st.sampled_from(SHAPES),
    warmup_steps=st.integers(0, 50),
    start=st.integers(0, 500),
    end=st.integers(501, 1000),
    timescale=st.integers(1, 1000),
    lowest=st.floats(0, 1),
    decay_share=st.floats(0.01, 1),
    decay_from=st.integers(0, 800),
    decay_steps=st.integers(1, 300),
)


@given(schedules, st.integers(0, 2000))
def test_a_factor_is_a_share(schedule: Schedule, step: int) -> None:
    assert 0.0 <= schedule.factor(step) <= 1.0


@given(schedules)
def test_after_the_warmup_no_shape_rises_within_a_quest(schedule: Schedule) -> None:
    first = max(schedule.start, schedule.warmup_steps)
    factors = [schedule.factor(step) for step in range(first, schedule.end + 1)]
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(factors))


@given(schedules, st.integers(0, 1000), st.integers(501, 3000))
def test_where_quests_begin_matters_to_those_that_fall_over_them_only(schedule: Schedule, step: int, end: int) -> None:
    before = schedule.factor(step)
    over_quests = schedule.shape in {"linear", "cosine"} or (schedule.shape == "wsd" and not schedule.decay_from)
    schedule.end = end
    assert over_quests or math.isclose(schedule.factor(step), before)


@given(schedules)
def test_the_warmup_rises_evenly_and_happens_once(schedule: Schedule) -> None:
    schedule.shape = "constant_with_warmup"
    steps = [schedule.factor(step) for step in range(schedule.warmup_steps + 1)]
    assert steps[-1] == 1.0 and steps[0] == 1 / (schedule.warmup_steps + 1)
    assert all(math.isclose(b - a, steps[0]) for a, b in pairwise(steps))
