from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.records import CampaignKey, StepMetrics
from realm.watchtower.alerts import Bounds, Observed, check, newly

from .watchtower_support import step


def steps(*losses: float, grad_norm: float = 1.0, seconds: float = 0.1) -> list[StepMetrics]:
    return [
        step(n, time=n * seconds, loss=loss, grad_norm=grad_norm, tokens=1, input_tokens=1, step_seconds=seconds)
        for n, loss in enumerate(losses, 1)
    ]


def observed(recent: list[StepMetrics], **change: object) -> Observed:
    now = recent[-1].time if recent else 0.0
    base = Observed(CampaignKey("h", "c"), now, recent, training=True, disk_free_bytes=10**12)
    return replace(base, **change)  # type: ignore[arg-type]


def names(seen: Observed) -> list[str]:
    return [alert.alert for alert in check(seen)]


def test_all_is_well() -> None:
    assert names(observed([])) == []
    assert names(observed(steps(*(1000 / n for n in range(200, 1000))))) == []


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_not_finite(loss: float) -> None:
    assert names(observed(steps(1.0, loss))) == ["not_finite"]


def test_loss_above_ten() -> None:
    assert names(observed(steps(10.0))) == []
    assert names(observed(steps(10.1))) == ["loss_high"]


def test_gradient_above_hundred() -> None:
    assert names(observed(steps(1.0, grad_norm=100.0))) == []
    assert names(observed(steps(1.0, grad_norm=101.0))) == ["gradient_high"]


def test_plateau_needs_all_its_steps() -> None:
    assert names(observed(steps(*[2.0] * 499))) == []
    assert names(observed(steps(*[2.0] * 500))) == ["plateau"]
    assert names(observed(steps(*[0.01] * 500))) == []  # learnt: nothing left to fall


def test_disk() -> None:
    found = check(observed([], disk_free_bytes=10**9))
    assert [(a.alert, a.severity) for a in found] == [("disk_low", "warning")]
    assert check(observed([], disk_free_bytes=10**8))[0].severity == "critical"


def test_no_progress_only_while_training() -> None:
    assert names(observed(steps(1.0), now=1000.0)) == ["no_progress"]
    assert names(observed(steps(1.0), now=1000.0, training=False)) == []
    assert names(observed(steps(1.0, seconds=60.0), now=1000.0)) == []  # slow is not stuck


def test_each_is_told_once() -> None:
    found = check(observed(steps(11.0, grad_norm=500.0)))
    assert [a.alert for a in newly(found, ["loss_high"])] == ["gradient_high"]


@given(
    losses=st.lists(st.floats(allow_nan=True), max_size=30),
    grad_norm=st.floats(allow_nan=True),
    free=st.integers(0, 10**13),
    now=st.floats(0, 1e10),
)
def test_every_alert_says_what_why_and_what_to_do(losses: list[float], grad_norm: float, free: int, now: float) -> None:
    bounds = Bounds(plateau_steps=10)
    for alert in check(observed(steps(*losses, grad_norm=grad_norm), disk_free_bytes=free, now=now), bounds):
        assert alert.severity in {"critical", "warning"}
        assert all(len(words) > 20 for words in (alert.what, alert.why, alert.todo))
