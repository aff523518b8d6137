"""Learning-rate autopsy: whether the loss diverged, oscillated or stood still, and which way to turn. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, pstdev

from realm.records import StepMetrics
from realm.temple.diagnosis.advice import Diagnosis

FEWEST_STEPS = 20
DIVERGED = 1.3
"""The end is this many times the best stretch."""
FLAT = 0.02
"""The loss fell by less than this share."""
SWINGING = 0.25
"""Standard deviation of the loss around its own trend, as a share of it."""
TURNING = 0.6
"""Share of steps at which the loss changes direction; two in three of pure noise do."""
LEARNED = 0.05
"""Below this loss there is nothing left to fall."""
NAME = "learning rate"


def autopsy(steps: Sequence[StepMetrics]) -> Diagnosis:
    """What the losses of a run (oldest first) say about its learning rate."""
    losses = [step.loss for step in steps if math.isfinite(step.loss)]
    if len(losses) < len(steps):
        return Diagnosis(NAME, "bad", f"{len(steps) - len(losses)} steps had a loss that is no number.", _LOWER)
    if len(losses) < FEWEST_STEPS:
        return Diagnosis(NAME, "fine", f"{len(losses)} steps say nothing about it; {FEWEST_STEPS} would.")
    means = _stretches(losses)
    first, last, best = means[0], means[-1], min(means)
    rate = max(step.learning_rate for step in steps)
    words = f"The loss went from {first:.3g} to {last:.3g} (best stretch {best:.3g}) at up to {rate:.2g}."
    if last > DIVERGED * best and last - best > LEARNED:
        return Diagnosis(NAME, "bad", f"{words} It diverged.", _LOWER)
    if last < LEARNED:
        return Diagnosis(NAME, "fine", f"{words} There is nothing left to fall.")
    if _swing(losses) > SWINGING and _turns(losses) > TURNING:
        return Diagnosis(NAME, "note", f"{words} It oscillates by {_swing(losses):.0%} around its trend.", _CALMER)
    if first - last < FLAT * first:
        return Diagnosis(NAME, "note", f"{words} It stands still.", _HIGHER)
    return Diagnosis(NAME, "fine", f"{words} It falls.")


_LOWER = (
    "Halve it: realm config set training.learning_rate VALUE. Lengthen warmup_steps if it happened at the start; "
    "look at the rows if it happened at once at one step."
)
_CALMER = "Larger batches (training.gradient_accumulation_steps) or half the learning rate calm it."
_HIGHER = (
    "If the examinations stand still too: try twice the learning rate for one quest, or other data. "
    "Rows that contradict each other (shuffled answers, noise) look the same: realm validate FILE."
)


def _stretches(losses: Sequence[float], count: int = 5) -> list[float]:
    """Mean losses of equal parts, oldest first."""
    size = len(losses) / count
    return [fmean(losses[round(i * size) : round((i + 1) * size)]) for i in range(count)]


def _swing(losses: Sequence[float]) -> float:
    """How far losses lie from the mean of their neighbourhood, as a share of the mean loss."""
    around = [fmean(losses[max(0, i - 4) : i + 5]) for i in range(len(losses))]
    return pstdev([loss - near for loss, near in zip(losses, around, strict=True)]) / max(fmean(losses), 1e-9)


def _turns(losses: Sequence[float]) -> float:
    """Share of inner steps at which a rise turns into a fall or a fall into a rise."""
    moves = [after - before for before, after in pairwise(losses)]
    return sum(a * b < 0 for a, b in pairwise(moves)) / max(1, len(moves) - 1)
