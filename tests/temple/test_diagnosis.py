"""Diagnoses: each is given what it looks for and what it must leave alone."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import pytest

from realm.records import StepMetrics
from realm.temple.diagnosis import gradients, hang, learning_rate
from realm.temple.diagnosis.memory import Sample, forecast, growth
from realm.temple.diagnosis.spikes import spikes

draw = random.Random("steps")
GB = 1e9


def steps(losses: Sequence[float], norms: Sequence[float] = (), seconds: float = 0.1) -> list[StepMetrics]:
    return [
        StepMetrics(step=100 + i, time=1000.0 + i * seconds, loss=loss, grad_norm=norms[i] if norms else 1.0,
                    learning_rate=2e-3, tokens=10, input_tokens=10, step_seconds=seconds, quest_step=i + 1,
                    quest_steps=len(losses))
        for i, loss in enumerate(losses)
    ]  # fmt: skip


def noisy(of: Callable[[int], float], count: int = 200, share: float = 0.05) -> list[float]:
    return [of(i) * (1 + draw.gauss(0, share)) for i in range(count)]


FALLING = noisy(lambda i: 0.3 + 2 * math.exp(-i / 40))


def test_a_falling_loss_has_no_spike_and_one_that_jumps_has_it() -> None:
    assert spikes(steps(FALLING)) == []
    jumped = [*FALLING]
    jumped[150] = 4.0
    (found,) = spikes(steps(jumped))
    assert (found.step, found.quest_step, found.loss) == (250, 151, 4.0) and found.times > 8 and found.usual < 1


def test_spikes_do_not_hide_each_other() -> None:
    losses = [0.5] * 20 + [9.0] * 3 + [0.5] * 20
    assert [spike.quest_step for spike in spikes(steps(losses))] == [21, 22, 23]


def test_few_steps_and_numbers_that_are_none_are_no_spikes() -> None:
    assert spikes(steps([0.1, 9.0])) == [] and spikes(steps([0.5] * 20 + [math.nan] * 3)) == []


@pytest.mark.parametrize(("losses", "severity", "word"), [
    (FALLING, "fine", "It falls"), (noisy(lambda i: 0.5 + 0.02 * i), "bad", "diverged"),
    (noisy(lambda _: 2.0, share=0.002), "note", "stands still"), (noisy(lambda _: 0.01), "fine", "nothing left"),
    (noisy(lambda _: 2.0, share=0.5), "note", "oscillates"), ([2.0] * 5, "fine", "say nothing"),
    ([2.0] * 30 + [math.nan], "bad", "no number"),
])  # fmt: skip
def test_learning_rate(losses: list[float], severity: str, word: str) -> None:
    found = learning_rate.autopsy(steps(losses))
    assert (found.severity, word in found.seen) == (severity, True), found
    assert found.severity == "fine" or len(found.advice) > 20


@pytest.mark.parametrize(("norms", "severity", "word"), [
    ([0.8] * 9, "fine", "0.8"), ([0.8] * 8 + [400.0], "bad", "explodes"), ([1e-9] * 9, "bad", "vanishes"),
    ([0.8] * 8 + [math.inf], "bad", "no number"), ([], "fine", "No gradient"),
])  # fmt: skip
def test_gradients_over_steps(norms: list[float], severity: str, word: str) -> None:
    found = gradients.over_steps(steps([1.0] * len(norms), norms))
    assert (found.severity, word in found.seen) == (severity, True), found


@pytest.mark.parametrize(("layers", "severity", "word"), [
    ({"a": 1e-3, "b": 2e-3}, "fine", "factor of 2"), ({"a": 1e-3, "b": 0.0}, "bad", "Nothing arrives in b"),
    ({"a": math.nan, "b": 1.0}, "bad", "Not a number in a"), ({"a": 1e-6, "b": 1.0}, "note", "a factor of 1e+06"),
    ({}, "fine", "frozen"),
])  # fmt: skip
def test_gradients_by_layer(layers: dict[str, float], severity: str, word: str) -> None:
    found = gradients.by_layer(layers)
    assert (found.severity, word in found.seen) == (severity, True), found


def test_memory_that_grows_is_forecast() -> None:
    leak = [Sample(60.0 * i, GB + 1e7 * i + draw.gauss(0, 1e6)) for i in range(30)]
    found = forecast(leak, 2 * GB)
    assert found.severity == "bad" and "MB an hour" in found.seen and "full in" in found.seen
    rate = growth(leak)
    assert rate is not None and rate.low < 1e7 / 60 < rate.high
    still = [Sample(60.0 * i, GB + draw.gauss(0, 1e7)) for i in range(30)]
    assert forecast(still, 2 * GB).severity == "fine"
    assert forecast(leak[:3], 2 * GB).severity == "fine"
    slow = [Sample(60.0 * i, GB + 10.0 * i) for i in range(30)]
    assert forecast(slow, 2 * GB).severity == "note"


def test_the_forecast_of_a_steady_leak_is_right() -> None:
    leak = [Sample(3600.0 * i, 1e8 * i) for i in range(10)]  # 0.1 GB an hour, 0.9 GB used
    assert "full in 31 h to 31 h" in forecast(leak, 4 * GB).seen


def test_hang() -> None:
    run = steps([1.0] * 30)
    last = run[-1].time
    assert hang.hang(run, last + 60, last, alive=True).severity == "fine"
    assert hang.hang(run, last + 500, last + 490, alive=True).severity == "note", "it examines"
    assert hang.hang(run, last + 500, last, alive=True).severity == "bad"
    assert hang.hang(run, last + 500, last, alive=False).severity == "note"
    slow = steps([1.0] * 30, seconds=60.0)
    assert hang.hang(slow, slow[-1].time + 1000, None, alive=True).severity == "fine", "its own pace counts"
    assert hang.hang([], 0.0, None, alive=True).severity == "fine"
