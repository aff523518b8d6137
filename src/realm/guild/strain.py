"""Strain: how hard the hero finds what it trains on, and what to do about it. Knows losses, no skill and no clock.

One meter serves one skill or one run. Definitions: docs/progression.md.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any, Literal

from realm.config.schema import StrainSettings
from realm.errors import NonFinite

Zone = Literal["recovery", "productive", "stretch", "overload"]
Advice = Literal["wait", "back_off", "continue", "level_up"]

RATE_ALPHA = 0.1
LEARNING_RATE_BELOW = -0.001
"""Strain that changes by less than this per step (EMA) is falling: the hero learns."""
ADVICE_SAMPLES = 10
OTHER_LOSSES = frozenset({"dpo", "orpo", "kto", "grpo", "rloo", "distill"})
"""Methods whose loss is not nats per token of the right answer."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one loss says. All values are in nats, but for `efficiency` (nats gained per nat of effort)."""

    strain: float
    effort: float
    rate: float
    zone: Zone
    advice: Advice
    plastic_gain: float
    efficiency: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def zone_of(strain: float, settings: StrainSettings) -> Zone:
    """The zone of a strain: recovery, productive, stretch or overload, each up to its bound."""
    if strain < settings.recovery_below:
        return "recovery"
    if strain < settings.productive_below:
        return "productive"
    return "stretch" if strain < settings.stretch_below else "overload"


def advise(zone: Zone, rate: float) -> Advice:
    """What to do in a zone while strain changes by `rate` per step."""
    if zone == "overload" and rate >= LEARNING_RATE_BELOW:
        return "back_off"
    if zone == "recovery" and abs(rate) <= -LEARNING_RATE_BELOW:
        return "level_up"
    return "continue"


class StrainMeter:
    """Follows the loss of one skill, or of one run, from step to step."""

    def __init__(self, settings: StrainSettings, *, floor: float = 0.0, effort: float = 0.0) -> None:
        self._settings = settings
        self._floor = floor
        self._effort = effort
        self._rate = 0.0
        self._start_loss: float | None = None
        self._start_effort = effort
        self._loss: float | None = None
        self._strains: deque[float] = deque(maxlen=ADVICE_SAMPLES)
        self._rates: deque[float] = deque(maxlen=ADVICE_SAMPLES)

    @property
    def floor(self) -> float:
        return self._settings.floor if self._settings.floor is not None else self._floor

    @property
    def effort(self) -> float:
        return self._effort

    def advice(self) -> Advice:
        """The advice of the last ten samples; `wait` until there are ten."""
        if len(self._strains) < ADVICE_SAMPLES:
            return "wait"
        return advise(zone_of(fmean(self._strains), self._settings), fmean(self._rates))

    def update(self, loss: float) -> Reading:
        """Take the loss (mean nats per trained token) of one optimizer step. Raises NonFinite."""
        if not math.isfinite(loss):
            raise NonFinite(f"The loss is {loss}; strain is not defined for it.", hint="Lower the learning rate.")
        strain = max(0.0, loss - self.floor)
        if self._loss is not None:
            self._rate += RATE_ALPHA * (strain - max(0.0, self._loss - self.floor) - self._rate)
        if self._start_loss is None:
            self._start_loss, self._start_effort = loss, self._effort
        self._loss = loss
        self._effort += strain
        self._strains.append(strain)
        self._rates.append(self._rate)
        return self._reading(strain)

    def begin_level(self, floor: float | None = None) -> None:
        """A new level (or run) starts at the next loss; a mastered level may also have lowered or set the floor."""
        self._start_loss = None
        if floor is not None:
            self._floor = floor
        self._strains.clear()
        self._rates.clear()

    def _reading(self, strain: float) -> Reading:
        assert self._start_loss is not None and self._loss is not None
        gain, spent = self._start_loss - self._loss, self._effort - self._start_effort
        return Reading(
            strain,
            self._effort,
            self._rate,
            zone_of(strain, self._settings),
            self.advice(),
            gain,
            gain / spent if spent > 0 else 0.0,
        )

    def state(self) -> dict[str, Any]:
        """The whole state in plain values; `restore` makes the same meter of it."""
        return {
            "floor": self._floor,
            "effort": self._effort,
            "rate": self._rate,
            "start_loss": self._start_loss,
            "start_effort": self._start_effort,
            "loss": self._loss,
            "strains": list(self._strains),
            "rates": list(self._rates),
        }

    @classmethod
    def restore(cls, settings: StrainSettings, state: Mapping[str, Any] | None) -> StrainMeter:
        """The meter of a saved state; a new one where there is none."""
        if state is None:
            return cls(settings)
        meter = cls(settings, floor=state["floor"], effort=state["effort"])
        meter._rate = state["rate"]
        meter._start_loss = state["start_loss"]
        meter._start_effort = state["start_effort"]
        meter._loss = state["loss"]
        meter._strains.extend(state["strains"])
        meter._rates.extend(state["rates"])
        return meter


def meter_of(skill: str, method: str) -> str:
    """Whose strain the loss of a run tells: a skill's in nats per token; other losses have meters of their own."""
    return method if method in OTHER_LOSSES else skill
