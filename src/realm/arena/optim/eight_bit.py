"""AdamW whose moments take a byte a value, or lie in pages that the driver moves to the host. Knows no model.

On an NVIDIA GPU these are bitsandbytes' kernels; elsewhere FlashAdamW of pytorch-optimizer, in plain torch: moments in
groups of 32 values with a scale in float16. Neither reads the other's state.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import Optimizer

from realm.config.schema import Hyperparameters
from realm.errors import TrainingError
from realm.heroes.weights import require_extra


def adamw_8bit(groups: list[dict[str, Any]], settings: Hyperparameters, device: torch.device) -> Optimizer:
    """AdamW with moments in 8 bits. Raises MissingExtra on a GPU without bitsandbytes."""
    if device.type == "cuda":
        return _bitsandbytes(groups, settings, bits=8, paged=False)
    from pytorch_optimizer.optimizer.flash_adamw import FlashAdamW  # noqa: PLC0415 - it brings a hundred modules

    return FlashAdamW(groups, **_common(settings))  # type: ignore[no-any-return]


def paged_adamw(
    groups: list[dict[str, Any]], settings: Hyperparameters, device: torch.device, *, bits: int
) -> Optimizer:
    """AdamW with moments in unified memory. Raises TrainingError without a GPU, MissingExtra without bitsandbytes."""
    if device.type != "cuda":
        raise TrainingError(
            f"optim = '{settings.optim}' moves pages between a GPU and the host; this machine trains on {device.type}.",
            hint="Use optim = 'adamw_8bit', which works here, or an NVIDIA GPU.",
        )
    return _bitsandbytes(groups, settings, bits=bits, paged=True)


def _bitsandbytes(groups: list[dict[str, Any]], settings: Hyperparameters, *, bits: int, paged: bool) -> Optimizer:
    require_extra("bitsandbytes", "gpu", f"optim = '{settings.optim}' on an NVIDIA GPU")
    from bitsandbytes.optim import AdamW  # noqa: PLC0415

    return AdamW(groups, optim_bits=bits, is_paged=paged, **_common(settings))  # type: ignore[no-any-return]


def _common(settings: Hyperparameters) -> dict[str, Any]:
    betas = (settings.adam_beta1, settings.adam_beta2)
    return {"lr": settings.learning_rate, "betas": betas, "eps": 1e-8, "weight_decay": settings.weight_decay}
