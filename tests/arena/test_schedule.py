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
