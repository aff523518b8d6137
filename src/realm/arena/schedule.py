"""The learning rate as a pure function of the campaign's step. Knows no optimizer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Shape = Literal["constant_with_warmup", "inverse_sqrt", "linear", "cosine", "wsd"]


@dataclass(slots=True)
class Schedule:
    """Share of the peak learning rate at a step of the campaign.

    The warmup is counted in campaign steps and so happens once. `inverse_sqrt` falls with the square root of the steps
    since then (the formula of transformers' `get_inverse_sqrt_schedule`), down to `lowest`: it settles the weights
    without knowing when a campaign ends. `linear` and `cosine` fall to zero over the quest in training, from `start`
    to `end` (campaign steps). `wsd` (warmup, stable, decay; Hu et al. 2024, https://arxiv.org/abs/2404.06395) falls in
    a straight line to `lowest`: over the last `decay_share` of the quest, or once, from the campaign's step
    `decay_from` over `decay_steps`.
    """

    shape: Shape
    warmup_steps: int
    start: int = 0
    end: int = 1
    timescale: int = 1000
    """Steps that set the pace of `inverse_sqrt`: after three times as many the rate is at half."""
    lowest: float = 0.0
    """`inverse_sqrt` and `wsd` fall no further than to this share."""
    share: float = 1.0
    """What the method of the quest in training takes of the rate."""
    decay_share: float = 0.2
    decay_from: int = 0
    """0: `wsd` falls at the end of each quest."""
    decay_steps: int = 1000

    def factor(self, step: int) -> float:
        """0..1 for the update that follows `step` finished ones."""
        return self.share * self._warmup(step) * self._decay(step)

    def _warmup(self, step: int) -> float:
        return 1.0 if step >= self.warmup_steps else (step + 1) / (self.warmup_steps + 1)

    def _decay(self, step: int) -> float:
        match self.shape:
            case "constant_with_warmup":
                return 1.0
            case "inverse_sqrt":
                beyond = max(step - self.warmup_steps, 0)
                return max(self.lowest, math.sqrt(self.timescale / (self.timescale + beyond)))
            case "wsd":
                return 1.0 - (1.0 - self.lowest) * self._fallen(step)
            case "linear":
                return 1.0 - _share(step, self.start, self.end)
            case "cosine":
                return 0.5 * (1.0 + math.cos(math.pi * _share(step, self.start, self.end)))

    def _fallen(self, step: int) -> float:
        """How much of its fall `wsd` has behind it."""
        if self.decay_from:
            return _share(step, self.decay_from, self.decay_from + self.decay_steps)
        return _share(step, self.end - self.decay_share * (self.end - self.start), self.end)


def _share(step: int, start: float, end: float) -> float:
    """How far a step is from `start` to `end`, 0 to 1; a stretch shorter than a step counts as one."""
    return min(max((step - start) / max(end - start, 1), 0.0), 1.0)
