"""Statistics of a checkpoint's layers, and how far each moved from another checkpoint. Loads no model.

Everything is summed in float64, a piece at a time: a tensor of any size takes a few tens of megabytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from realm.errors import CheckpointError
from realm.vault.tensors import Tensor, numpy, weights

VALUES_AT_ONCE = 1 << 20
_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.")


@dataclass(frozen=True, slots=True)
class LayerStats:
    """What one tensor holds."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    count: int
    mean: float
    std: float
    rms: float
    """Root of the mean square."""
    largest: float
    """Largest absolute value."""
    zeros: float
    """Share of values that are exactly zero."""
    not_finite: int
    """NaN and infinite values; the other figures are of the finite ones."""


@dataclass(frozen=True, slots=True)
class LayerDrift:
    """How far one tensor moved: `distance` is |after - before|, `relative` that over |before|, Frobenius norms."""

    name: str
    count: int
    distance: float
    relative: float | None
    """None where the tensor was all zero."""
    cosine: float | None
    largest: float
    """Largest absolute change of one value."""
    before_norm: float


@dataclass(frozen=True, slots=True)
class Drift:
    """How two checkpoints' weights differ. `only_before` and `only_after` exist on one side, or have another shape."""

    tensors: Sequence[LayerDrift]
    only_before: Sequence[str]
    only_after: Sequence[str]

    @property
    def whole(self) -> LayerDrift:
        """All tensors as one."""
        return together("all", self.tensors)

    def by_layer(self) -> list[LayerDrift]:
        """Tensors of one layer together, in order; those outside of layers by their first names."""
        groups: dict[str, list[LayerDrift]] = {}
        for each in self.tensors:
            groups.setdefault(layer_of(each.name), []).append(each)
        return [together(name, groups[name]) for name in sorted(groups, key=_natural)]


def layer_stats(folder: Path) -> list[LayerStats]:
    """Statistics of every weight of a checkpoint. Raises CheckpointError and MissingExtra."""
    return [_stats(tensor) for tensor in weights(folder).values()]


def layer_drift(before: Path, after: Path) -> Drift:
    """How far every weight moved from one checkpoint to another. Raises CheckpointError and MissingExtra."""
    a, b = weights(before), weights(after)
    shared = [name for name in a if name in b and a[name].shape == b[name].shape]
    if not shared:
        raise CheckpointError(
            f"{before.name} and {after.name} have no weight in common: they are of different models.",
            hint="Compare checkpoints of one hero.",
        )
    return Drift(
        [_drift(a[name], b[name]) for name in shared],
        [name for name in a if name not in shared],
        [name for name in b if name not in shared],
    )


def layer_of(name: str) -> str:
    """`layer 3` for a tensor of the fourth layer, else the first two parts of its name."""
    found = _LAYER.search(name)
    return f"layer {found[1]}" if found else ".".join(name.split(".")[:2])


def together(name: str, parts: Iterable[LayerDrift]) -> LayerDrift:
    """Several tensors seen as one. Their cosine is not known from their sums and stays out."""
    each = list(parts)
    distance = math.sqrt(sum(one.distance**2 for one in each))
    norm = math.sqrt(sum(one.before_norm**2 for one in each))
    return LayerDrift(
        name, sum(one.count for one in each), distance, distance / norm if norm else None, None,
        max((one.largest for one in each), default=0.0), norm,
    )  # fmt: skip


def _stats(tensor: Tensor) -> LayerStats:
    np = numpy()
    count = zeros = 0
    total = squares = largest = 0.0
    for values in tensor.chunks(VALUES_AT_ONCE):
        finite = values[np.isfinite(values)]
        count += finite.size
        zeros += int((finite == 0).sum())
        total += float(finite.sum())
        squares += float(np.dot(finite, finite))
        largest = max(largest, float(np.abs(finite).max(initial=0.0)))
    mean = total / count if count else 0.0
    mean_square = squares / count if count else 0.0
    return LayerStats(
        tensor.name, tensor.shape, tensor.dtype, tensor.count, mean, math.sqrt(max(0.0, mean_square - mean**2)),
        math.sqrt(mean_square), largest, zeros / count if count else 0.0, tensor.count - count,
    )  # fmt: skip


def _drift(before: Tensor, after: Tensor) -> LayerDrift:
    np = numpy()
    moved = norm_a = norm_b = inner = largest = 0.0
    for a, b in zip(before.chunks(VALUES_AT_ONCE), after.chunks(VALUES_AT_ONCE), strict=True):
        apart = b - a
        moved += float(np.dot(apart, apart))
        norm_a += float(np.dot(a, a))
        norm_b += float(np.dot(b, b))
        inner += float(np.dot(a, b))
        largest = max(largest, float(np.abs(apart).max(initial=0.0)))
    both = math.sqrt(norm_a * norm_b)
    return LayerDrift(
        before.name, before.count, math.sqrt(moved), math.sqrt(moved / norm_a) if norm_a else None,
        inner / both if both else None, largest, math.sqrt(norm_a),
    )  # fmt: skip


def _natural(name: str) -> tuple[int, int, str]:
    found = re.fullmatch(r"layer (\d+)", name)
    return (1, int(found[1]), name) if found else (0 if "embed" in name else 2, 0, name)
