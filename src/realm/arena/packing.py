"""Which examples share a row, which rows a batch, in which order: pure arithmetic on lengths. Knows no token.

The batches of a quest are a function of lengths, settings and a named seed alone; going on at batch k after an
interruption therefore needs no memory of what was drawn before.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realm.arena.seeds import number

Indices = NDArray[np.int64]

# A batch is computed in parts that stay in a core's cache: on the CPU 2,048 tokens at a time ran 1.25 times as fast as
# 8,192, and rows of 128 tokens 1.4 times as fast as rows of 512 (hatchling; docs/arena.md).
CPU_PART_TOKENS = 2048
_NARROW = 128
_ATTENTION_WIDTH = 1024  # a row of this width costs twice what its tokens cost without attention (hatchling)
_MEGABATCH = 50  # batches sorted by length together, as in the Trainer's length-grouped sampler


@dataclass(frozen=True, slots=True)
class Rows:
    """Examples grouped into rows: row r holds `members[starts[r]:starts[r + 1]]`."""

    members: Indices
    starts: Indices

    def __len__(self) -> int:
        return len(self.starts) - 1

    def take(self, rows: Indices) -> Rows:
        """These rows, in this order."""
        sizes = np.diff(self.starts)[rows]
        return Rows(self.members[spread(self.starts[rows], sizes)], _offsets(sizes))


def spread(starts: Indices, sizes: Indices) -> Indices:
    """Concatenate `starts[i] .. starts[i] + sizes[i]`."""
    ends = np.cumsum(sizes)
    indices: Indices = np.arange(ends[-1] if len(ends) else 0, dtype=np.int64) + np.repeat(
        starts - (ends - sizes), sizes
    )
    return indices


def best_fit(lengths: Indices, width: int) -> Rows:
    """Best-fit decreasing: each example, longest first, goes to the fullest row that still holds it.

    Ties keep the order given. The number of rows depends on the lengths alone, not on their order.
    """
    row_of, widths = _fit(lengths, np.full(len(lengths), width))
    return _rows_of(row_of, len(widths))


def parts(lengths: Indices, *, max_width: int, part_tokens: int) -> list[Rows]:
    """Lay out the examples of one batch for computing: rows of unlike width, parts of rows of one width.

    Long examples open wide rows, which short ones fill up; the others share narrow rows, because attention over a row
    costs its width squared. Since examples never attend to each other, the sums are those of any other layout.
    """
    best: tuple[float, Indices, Indices] | None = None
    narrow = _NARROW
    while True:
        opened = np.minimum(np.maximum(2 ** np.ceil(np.log2(lengths)).astype(np.int64), narrow), max_width)
        row_of, widths = _fit(lengths, opened)
        cost = float((widths * (1 + widths / _ATTENTION_WIDTH)).sum())
        if best is None or cost < best[0]:
            best = cost, row_of, widths
        if narrow >= min(max_width, int(lengths.max())):
            break
        narrow *= 2
    _, row_of, widths = best
    rows, made = _rows_of(row_of, len(widths)), []
    for width in np.unique(widths)[::-1]:
        alike = np.flatnonzero(widths == width)
        count = -(-len(alike) // max(part_tokens // int(width), 1))
        made += [rows.take(chunk) for chunk in np.array_split(alike, count)]
    return made


def _fit(lengths: Indices, opened: Indices) -> tuple[Indices, Indices]:
    """Row of each example and width of each row; `opened` is the width of the row that an example would open."""
    row_of = np.empty(len(lengths), dtype=np.int64)
    widths: list[int] = []
    smallest = int(lengths.min()) if len(lengths) else 0
    open_rows: dict[int, list[int]] = defaultdict(list)  # free tokens -> rows
    free: list[int] = []
    order = np.argsort(-lengths, kind="stable")
    for example, length in zip(order.tolist(), lengths[order].tolist(), strict=True):
        at = bisect_left(free, length)
        if at == len(free):
            row, space = len(widths), int(opened[example])
            widths.append(space)
        else:
            space = free[at]
            row = open_rows[space].pop()
            if not open_rows[space]:
                del free[at]
        row_of[example] = row
        left = space - length
        if left >= smallest:
            if not open_rows[left]:
                insort(free, left)
            open_rows[left].append(row)
    return row_of, np.array(widths, dtype=np.int64)


def _rows_of(row_of: Indices, count: int) -> Rows:
    return Rows(np.argsort(row_of, kind="stable"), _offsets(np.bincount(row_of, minlength=count)))


class Plan:
    """The batches of one quest, each computed when asked for."""

    def __init__(
        self,
        lengths: Indices,
        *,
        seed: str,
        batch_rows: int,
        max_length: int,
        packing: bool,
        accumulation: int = 1,
        epochs: float = 1.0,
        max_steps: int = -1,
    ) -> None:
        self._lengths = lengths
        self._seed = seed
        self._packing = packing
        self._width = max_length
        self._batch_rows = batch_rows
        rows = len(best_fit(lengths, max_length)) if packing else len(lengths)
        self._batches_per_epoch = -(-rows // self._batch_rows)
        batches = int(np.ceil(self._batches_per_epoch * epochs))
        self._accumulation = accumulation
        self.steps = -(-batches // accumulation)
        self.batches = batches
        if 0 < max_steps < self.steps:
            self.steps, self.batches = max_steps, max_steps * accumulation
        self._epoch: tuple[int, Rows] | None = None

    def first_batch(self, step: int) -> int:
        """The batch that begins an optimizer step of the quest."""
        return step * self._accumulation

    def batch(self, index: int) -> Rows:
        """The examples of a batch, by row."""
        epoch, within = divmod(index, self._batches_per_epoch)
        rows = self._rows(epoch)
        # Batches of an epoch differ by one row at most: a last batch of three examples would be a noisy step.
        bounds = np.arange(self._batches_per_epoch + 1) * len(rows) // self._batches_per_epoch
        if not self._packing:  # rows lie sorted by length; the batches are shuffled instead
            within = int(self._random(epoch, "batches").permutation(self._batches_per_epoch)[within])
        return rows.take(np.arange(bounds[within], bounds[within + 1]))

    def _rows(self, epoch: int) -> Rows:
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = (epoch, self._packed(epoch) if self._packing else self._grouped(epoch))
        return self._epoch[1]

    def _packed(self, epoch: int) -> Rows:
        order = self._random(epoch, "examples").permutation(len(self._lengths))
        rows = best_fit(self._lengths[order], self._width)
        named = Rows(order[rows.members], rows.starts)
        return named.take(self._random(epoch, "rows").permutation(len(rows)))

    def _grouped(self, epoch: int) -> Rows:
        order = self._random(epoch, "examples").permutation(len(self._lengths))
        group = np.arange(len(order)) // (_MEGABATCH * self._batch_rows)
        members = order[np.lexsort((-self._lengths[order], group))]
        return Rows(members, np.arange(len(members) + 1, dtype=np.int64))

    def _random(self, epoch: int, what: str) -> np.random.Generator:
        return np.random.default_rng(number(self._seed, "epoch", epoch, what))


def _offsets(sizes: Indices) -> Indices:
    starts = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(sizes, out=starts[1:])
    return starts
