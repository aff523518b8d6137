"""Optimizers by name. Importing this package imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from realm.config.schema import Hyperparameters

if TYPE_CHECKING:
    from torch.optim import Optimizer


def build(model: Any, settings: Hyperparameters, *, hidden_matrices: Sequence[str]) -> Optimizer:
    """The optimizer of a campaign over all parameters that require a gradient.

    `hidden_matrices` names the parameters that Muon takes when `settings.optim` is `muon`.
    """
    if settings.optim == "muon":
        from realm.arena.optim.muon import muon_with_adamw  # noqa: PLC0415 - torch stays behind the door

        return muon_with_adamw(model, settings, hidden_matrices=hidden_matrices)
    from realm.arena.optim.adamw import adamw  # noqa: PLC0415

    return adamw([p for p in model.parameters() if p.requires_grad], settings)
