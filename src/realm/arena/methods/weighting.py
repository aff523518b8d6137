"""The weights of an optimizer step's tokens, taken before its first gradient. Knows the scores' rule by name only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from realm.arena import surprise
from realm.arena.batches import Part
from realm.config.schema import Hyperparameters

LogitsAt = Callable[[Part], Tensor]
"""Logits (N, V) at the trained places of a part."""


class TokenWeighting:
    """Gives each part of a step its `weights` (N,); the standardisation runs over all trained tokens of the step."""

    def __init__(self, settings: Hyperparameters) -> None:
        self._settings = settings
        self.told: dict[str, float] = {}
        """Of the newest step: mean, least and largest weight, mean entropy in nats, and the loss without weights."""

    @torch.no_grad()
    def weigh(self, parts: Sequence[Part], logits_at: LogitsAt) -> None:
        """One more forward pass over the step: no part can be weighed before the last one has been seen."""
        seen = [self._seen(logits_at(part), part["targets"]) for part in parts]
        scores, entropy, losses = (torch.cat(column) for column in zip(*seen, strict=True))
        weights = self._weights(scores, entropy, losses)
        first = 0
        for part in parts:
            part["weights"] = weights[first : first + len(part["targets"])]
            first += len(part["targets"])

    @torch.no_grad()
    def of_one(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The weights (N,) of a step that is one part: its own logits (N, V) tell all."""
        return self._weights(*self._seen(logits, targets))

    def _seen(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        targets = targets.to(logits.device)
        scores = surprise.scores(logits, targets, self._settings.token_weighting)
        return scores, surprise.entropy(logits), F.cross_entropy(logits.float(), targets, reduction="none")

    def _weights(self, scores: Tensor, entropy: Tensor, losses: Tensor) -> Tensor:
        weights = surprise.weights_by(self._settings, scores)
        self.told = {
            "weight_mean": float(weights.mean()),
            "weight_min": float(weights.min()),
            "weight_max": float(weights.max()),
            "entropy": float(entropy.mean()),
            "plain_loss": float(losses.mean()),
        }
        return weights


def weighting_of(settings: Hyperparameters) -> TokenWeighting | None:
    """None where every token counts alike."""
    return None if settings.token_weighting == "none" else TokenWeighting(settings)
