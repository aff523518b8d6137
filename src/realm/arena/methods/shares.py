"""How the ranks of a crew share a batch: each computes some of its parts, and the gradients are averaged once.

Knows no loss. Every rank lays out the whole batch, so all know how many tokens it trains; none needs to be told.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from realm.arena.batches import Part
from realm.errors import TrainingError


def ranks() -> int:
    """Processes that train together; 1 for one alone."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def own(parts: list[Part]) -> list[Part]:
    """The parts that this rank computes: every n-th one, and where there is none for it, a row without a target."""
    mine = parts[dist.get_rank() :: ranks()]
    return mine or [_idle(parts[0])]


def passes(model: Any, parts: list[Part]) -> Iterator[tuple[Part, Any]]:
    """Each part with the context it is computed in: gradients travel with the last one only.

    Raises TrainingError when the model is not wrapped for it: launchers exist that start one process in silence.
    """
    if not isinstance(model, DistributedDataParallel):
        raise TrainingError(
            f"{ranks()} processes were started, but the model is wrapped as {type(model).__name__}: each would train "
            "on its own.",
            hint="Start them as realm train --print-launch says.",
        )
    for part in parts[:-1]:
        yield part, model.no_sync()
    yield parts[-1], nullcontext()


def total(value: torch.Tensor) -> torch.Tensor:
    """The sum over all ranks."""
    summed = value.detach().clone()
    dist.all_reduce(summed)
    return summed


def _idle(part: Part) -> Part:
    nothing = part["trained_at"][:0]
    row = {"input_ids": part["input_ids"][:1], "position_ids": part["position_ids"][:1]}
    empty = {"trained_at": nothing, "targets": nothing, "weights": torch.zeros(0)}
    return {**row, **empty, "useful": torch.tensor(0)}
