"""Loss spikes: steps whose loss stands far above those before. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from realm.records import StepMetrics

WINDOW_STEPS = 32
FEWEST_STEPS = 8
"""So many steps must stand before one can be told from."""
DEVIATIONS = 8.0
LEAST_RATIO = 1.5
"""And it is this many times the median: on a flat line a small bump is many deviations."""
_TO_SIGMA = 1.4826  # median absolute deviation of a normal distribution -> its standard deviation


@dataclass(frozen=True, slots=True)
class Spike:
    """One step that stands out. `times` is how many deviations it is above the median of the steps before."""

    step: int
    quest_step: int
    loss: float
    usual: float
    times: float


def spikes(steps: Sequence[StepMetrics]) -> list[Spike]:
    """The spikes of a run, in order. Those already found do not count as usual for the next."""
    usual: list[float] = []
    found: list[Spike] = []
    for step in steps:
        if not math.isfinite(step.loss):
            continue
        spike = _spike(step, usual[-WINDOW_STEPS:])
        if spike is None:
            usual.append(step.loss)
        else:
            found.append(spike)
    return found


def _spike(step: StepMetrics, before: Sequence[float]) -> Spike | None:
    if len(before) < FEWEST_STEPS:
        return None
    middle = median(before)
    spread = max(_TO_SIGMA * median(abs(loss - middle) for loss in before), 0.02 * middle, 1e-3)
    times = (step.loss - middle) / spread
    if times < DEVIATIONS or step.loss < LEAST_RATIO * middle:
        return None
    return Spike(step.step, step.quest_step, step.loss, middle, times)
