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

# Narrower rows cost less attention (a row pays for its width squared), but waste more of their end.
MIN_FILL = 0.97
MIN_WIDTH_TOKENS = 64
_SAMPLE = 4000
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
    row_of = np.empty(len(lengths), dtype=np.int64)
    smallest = int(lengths.min()) if len(lengths) else 0
    open_rows: dict[int, list[int]] = defaultdict(list)  # free tokens -> rows
    free: list[int] = []
    count = 0
    order = np.argsort(-lengths, kind="stable")
    for example, length in zip(order.tolist(), lengths[order].tolist(), strict=True):
        at = bisect_left(free, length)
        if at == len(free):
            row, left, count = count, width - length, count + 1
        else:
            space = free[at]
            row, left = open_rows[space].pop(), space - length
            if not open_rows[space]:
                del free[at]
        row_of[example] = row
        if left >= smallest:
            if not open_rows[left]:
                insort(free, left)
            open_rows[left].append(row)
    return Rows(np.argsort(row_of, kind="stable"), _offsets(np.bincount(row_of, minlength=count)))


def narrowest(lengths: Indices, max_length: int) -> tuple[int, int]:
    """Width of the rows to compute in, and how many of them make one row of `max_length`.

    Halves the width as long as the longest example fits and the rows stay full.
    """
    sample, parts = lengths[:_SAMPLE], 1
    longest = int(lengths.max())
    best = 1
    while max_length % (parts * 2) == 0:
        parts *= 2
        width = max_length // parts
        if width < max(longest, MIN_WIDTH_TOKENS):
            break
        if sample.sum() >= MIN_FILL * width * len(best_fit(sample, width)):
            best = parts
    return max_length // best, best


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
        self.width, parts = narrowest(lengths, max_length) if packing else (0, 1)
        self._batch_rows = batch_rows * parts
        rows = len(best_fit(lengths, self.width)) if packing else len(lengths)
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
        rows = best_fit(self._lengths[order], self.width)
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
