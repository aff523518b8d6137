from __future__ import annotations

import pytest

from realm.arena.schedule import Schedule, Shape


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
