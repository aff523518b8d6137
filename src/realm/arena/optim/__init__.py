"""Optimizers by name. Importing this package imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from realm.config.schema import Hyperparameters

if TYPE_CHECKING:
    from torch.optim import Optimizer


def build(model: Any, settings: Hyperparameters, *, hidden_matrices: Sequence[str]) -> Optimizer:
    """The optimizer of a campaign over all parameters that require a gradient.

    `hidden_matrices` names the parameters that Muon, GaLore and APOLLO take. Raises TrainingError where the hardware
    cannot run the optimizer, and MissingExtra where its package is not installed.
    """
    return _BUILDERS[settings.optim](model, settings, hidden_matrices)


def kind(optimizer: Optimizer) -> str:
    """Whose state it is: a checkpoint's state fits an optimizer of the same kind alone."""
    within = getattr(optimizer, "within", None)
    return type(optimizer).__name__ + (f" in {kind(within)}" if within is not None else "")


def _adamw(model: Any, settings: Hyperparameters, hidden: Sequence[str]) -> Optimizer:
    from realm.arena.optim.adamw import adamw  # noqa: PLC0415 - torch stays behind the door

    return adamw(_trained(model), settings)


def _eight_bits(*, paged: bool, bits: int = 8) -> Callable[[Any, Hyperparameters, Sequence[str]], Optimizer]:
    def made(model: Any, settings: Hyperparameters, hidden: Sequence[str]) -> Optimizer:
        from realm.arena.optim.adamw import groups  # noqa: PLC0415 - torch stays behind the door
        from realm.arena.optim.eight_bit import adamw_8bit, paged_adamw  # noqa: PLC0415

        parts = groups(_trained(model), settings)
        return (
            paged_adamw(parts, settings, model.device, bits=bits)
            if paged
            else adamw_8bit(parts, settings, model.device)
        )

    return made


def _muon(model: Any, settings: Hyperparameters, hidden: Sequence[str]) -> Optimizer:
    from realm.arena.optim.muon import muon_with_adamw  # noqa: PLC0415 - torch stays behind the door

    return muon_with_adamw(model, settings, hidden_matrices=hidden)


def _low_rank(model: Any, settings: Hyperparameters, hidden: Sequence[str]) -> Optimizer:
    from realm.arena.optim.low_rank import low_rank  # noqa: PLC0415 - torch stays behind the door

    return low_rank(model, settings, hidden_matrices=hidden)


def _trained(model: Any) -> list[Any]:
    return [p for p in model.parameters() if p.requires_grad]


_BUILDERS: dict[str, Callable[[Any, Hyperparameters, Sequence[str]], Optimizer]] = {
    "adamw": _adamw,
    "adamw_8bit": _eight_bits(paged=False),
    "paged_adamw": _eight_bits(paged=True, bits=32),
    "paged_adamw_8bit": _eight_bits(paged=True),
    "muon": _muon,
    "galore": _low_rank,
    "galore_8bit": _low_rank,
    "apollo": _low_rank,
}
