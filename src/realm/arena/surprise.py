"""How much each trained token weighs in the loss, by how the model stands there. Pure; knows no batch and no trainer.

Scores of all trained tokens of an optimizer step are standardised together, divided by a temperature, sent through a
sigmoid into [lowest, highest] and divided by their mean. So the weights of a step are the same however its
examples are laid out in rows, and the loss keeps its scale: a mean weight of 5 would be a learning rate times 5.
"""

from __future__ import annotations

import torch
from torch import Tensor

from realm.config.schema import Hyperparameters
from realm.registry import unknown

KINDS = ("entropy", "surprise", "margin")
_EVEN = 1e-4
"""A spread of scores below this is rounding; there is then nothing to tell the tokens apart by."""


@torch.no_grad()
def scores(logits: Tensor, targets: Tensor, kind: str) -> Tensor:
    """What stands out at each place, (N,): the higher, the less sure the model. `logits` (N, V) predict `targets` (N,).

    `entropy`: of the prediction, in nats. `surprise`: 1 - p(target). `margin`: 1 - (p(best) - p(second best)).
    Raises UsageError for another kind.
    """
    if kind == "entropy":
        return entropy(logits)
    probabilities = logits.float().softmax(-1)  # (N, V)
    if kind == "surprise":
        return 1.0 - probabilities.gather(-1, targets[:, None])[:, 0]
    if kind == "margin":
        best = probabilities.topk(2, dim=-1).values  # (N, 2)
        return 1.0 - (best[:, 0] - best[:, 1])
    raise unknown("token weighting", kind, KINDS)


@torch.no_grad()
def entropy(logits: Tensor) -> Tensor:
    """Entropy of each prediction in nats, (N,) from logits (N, V)."""
    log_p = logits.float().log_softmax(-1)
    return -(log_p.exp() * log_p).sum(-1)


@torch.no_grad()
def weights(scores: Tensor, *, temperature: float, lowest: float, highest: float) -> Tensor:
    """A weight for each score, (N,), without gradient and with mean 1.

    The largest is at most highest / lowest times the smallest. Where all scores are alike every weight is 1.
    """
    wide = scores.double()  # sums of many places must not depend on their order by more than float32 shows
    spread = wide.std(unbiased=False) if len(wide) else wide.sum()
    if spread <= _EVEN:
        return torch.ones_like(scores, dtype=torch.float32)
    standard = (wide - wide.mean()) / spread
    raw = lowest + (highest - lowest) * torch.sigmoid(standard / temperature)
    return (raw / raw.mean()).float()


def weights_by(settings: Hyperparameters, scores: Tensor) -> Tensor:
    """`weights` with the bounds and the temperature of the settings."""
    return weights(
        scores,
        temperature=settings.token_weighting_temperature,
        lowest=settings.token_weighting_min,
        highest=settings.token_weighting_max,
    )
