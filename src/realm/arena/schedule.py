"""The learning rate as a pure function of the campaign's step. Knows no optimizer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Shape = Literal["constant_with_warmup", "inverse_sqrt", "linear", "cosine"]


@dataclass(slots=True)
class Schedule:
    """Share of the peak learning rate at a step of the campaign.

    The warmup is counted in campaign steps and so happens once. `inverse_sqrt` falls with the square root of the steps
    since then (the formula of transformers' `get_inverse_sqrt_schedule`), down to `lowest`: it settles the weights
    without knowing when a campaign ends. `linear` and `cosine` fall to zero over the quest in training, from `start`
    to `end` (campaign steps).
    """

    shape: Shape
    warmup_steps: int
    start: int = 0
    end: int = 1
    timescale: int = 1000
    """Steps that set the pace of `inverse_sqrt`: after three times as many the rate is at half."""
    lowest: float = 0.0
    """`inverse_sqrt` falls no further than to this share."""
    share: float = 1.0
    """What the method of the quest in training takes of the rate."""

    def factor(self, step: int) -> float:
        """0..1 for the update that follows `step` finished ones."""
        return self.share * self._warmup(step) * self._decay(step)

    def _warmup(self, step: int) -> float:
        return 1.0 if step >= self.warmup_steps else (step + 1) / (self.warmup_steps + 1)

    def _decay(self, step: int) -> float:
        if self.shape == "constant_with_warmup":
            return 1.0
        if self.shape == "inverse_sqrt":
            beyond = max(step - self.warmup_steps, 0)
            return max(self.lowest, math.sqrt(self.timescale / (self.timescale + beyond)))
        done = min(max((step - self.start) / max(self.end - self.start, 1), 0.0), 1.0)
        return 1.0 - done if self.shape == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))
