"""When a watched quantity is out of bounds, and what to say then. Pure: no clock, no database.

The loss and gradient bounds are the project's own; a healthy language model starts near ln(vocabulary) <= 12 and is
below 10 after its first steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

from realm.events import AlertRaised
from realm.records import CampaignKey, StepMetrics

Severity = Literal["critical", "warning"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """From where on a quantity is worth a word."""

    loss: float = 10.0
    grad_norm: float = 100.0
    plateau_steps: int = 500
    plateau_gain: float = 0.01
    """Share by which the loss must fall within `plateau_steps`."""
    plateau_loss: float = 0.05
    """Below this loss there is nothing left to fall."""
    disk_free_bytes: int = 2_000_000_000
    disk_critical_bytes: int = 500_000_000
    silent_seconds: float = 120.0
    """A run that shows no step for this long, and for 20 of its own steps, is stuck."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What is looked at: the newest steps (oldest first) and the machine. `now` is Unix seconds."""

    key: CampaignKey
    now: float
    recent: Sequence[StepMetrics]
    training: bool
    disk_free_bytes: int


def check(observed: Observed, bounds: Bounds | None = None) -> list[AlertRaised]:
    """Everything that is out of bounds now."""
    return [alert for rule in RULES for alert in rule(observed, bounds or Bounds())]


def newly(found: Iterable[AlertRaised], standing: Iterable[str]) -> list[AlertRaised]:
    """The alerts that were not standing already: each is told once, until it is over."""
    known = set(standing)
    return [alert for alert in found if alert.alert not in known]


def not_finite(observed: Observed, _bounds: Bounds) -> Iterator[AlertRaised]:
    for step in observed.recent[-1:]:
        if not (math.isfinite(step.loss) and math.isfinite(step.grad_norm)):
            yield _alert(
                observed, "not_finite", "critical",
                f"Loss or gradient norm is not a number at step {step.step}.",
                "Weights after such a step are worthless; nothing is saved from here on.",
                "Training goes back to the last good checkpoint. If it happens again, lower learning_rate "
                "or look for broken rows: realm validate FILE",
            )  # fmt: skip


def loss_high(observed: Observed, bounds: Bounds) -> Iterator[AlertRaised]:
    for step in observed.recent[-1:]:
        if math.isfinite(step.loss) and step.loss > bounds.loss:
            yield _alert(
                observed, "loss_high", "critical",
                f"The loss is {step.loss:.2f} at step {step.step}, above {bounds.loss:g}.",
                "Guessing at random among all tokens would hardly be worse: the weights are being spoiled.",
                "Skip the quest if it is to blame (realm skip), or lower learning_rate.",
            )  # fmt: skip


def gradient_high(observed: Observed, bounds: Bounds) -> Iterator[AlertRaised]:
    for step in observed.recent[-1:]:
        if math.isfinite(step.grad_norm) and step.grad_norm > bounds.grad_norm:
            yield _alert(
                observed, "gradient_high", "warning",
                f"The gradient norm is {step.grad_norm:.0f} at step {step.step}, above {bounds.grad_norm:g}.",
                "Clipping keeps the step small, but such gradients point anywhere.",
                "Watch the loss. If it rises too, lower learning_rate or lengthen warmup_steps.",
            )  # fmt: skip


def plateau(observed: Observed, bounds: Bounds) -> Iterator[AlertRaised]:
    window = observed.recent[-bounds.plateau_steps :]
    if len(window) < bounds.plateau_steps:
        return
    part = max(1, bounds.plateau_steps // 5)
    before, after = (fmean(step.loss for step in steps) for steps in (window[:part], window[-part:]))
    if after > bounds.plateau_loss and after > before * (1 - bounds.plateau_gain):
        yield _alert(
            observed, "plateau", "warning",
            f"The loss has not fallen for {bounds.plateau_steps} steps: {before:.3f} before, {after:.3f} now.",
            "The hero learns nothing from what it is given, or the data have become harder.",
            "Compare with the examinations: if they stand still too, change the data or the learning rate.",
        )  # fmt: skip


def disk_low(observed: Observed, bounds: Bounds) -> Iterator[AlertRaised]:
    if observed.disk_free_bytes < bounds.disk_free_bytes:
        yield _alert(
            observed, "disk_low", "critical" if observed.disk_free_bytes < bounds.disk_critical_bytes else "warning",
            f"{observed.disk_free_bytes / 1e9:.1f} GB are free on the workspace's disk.",
            "When it is full no checkpoint can be saved, and training halts.",
            "See what may go: realm vault retain --dry-run",
        )  # fmt: skip


def no_progress(observed: Observed, bounds: Bounds) -> Iterator[AlertRaised]:
    if not observed.training or not observed.recent:
        return
    silent = observed.now - observed.recent[-1].time
    patience = max(bounds.silent_seconds, 20 * median(step.step_seconds for step in observed.recent))
    if silent > patience:
        yield _alert(
            observed, "no_progress", "critical",
            f"No step for {silent:.0f} seconds; the last was step {observed.recent[-1].step}.",
            "The process hangs, or the machine is short of memory and swaps.",
            "Look at logs/hero.log. To start it anew: realm stop-all, then realm start-all",
        )  # fmt: skip


RULES: tuple[Callable[[Observed, Bounds], Iterator[AlertRaised]], ...] = (
    not_finite,
    loss_high,
    gradient_high,
    plateau,
    disk_low,
    no_progress,
)


def _alert(observed: Observed, name: str, severity: Severity, what: str, why: str, todo: str) -> AlertRaised:
    return AlertRaised(
        hero=observed.key.hero, campaign=observed.key.campaign, alert=name, severity=severity, what=what, why=why,
        todo=todo,
    )  # fmt: skip
