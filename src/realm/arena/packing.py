"""Which examples share a row, which rows a batch, in which order: pure arithmetic on lengths. Knows no token.

The batches of a quest are a function of lengths, settings and a named seed alone; going on at batch k after an
interruption therefore needs no memory of what was drawn before.
"""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict, deque
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
_WAITING = 32  # examples that may wait for the next batch; more fill the rows no better
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


def mixed_batches(lengths: Indices, *, batch_rows: int, width: int) -> list[Rows]:
    """Fill batches of at most `batch_rows` rows of `width` tokens with examples in the order given, about evenly.

    Packing a whole pass at once, longest first, would put examples of one length side by side: a batch would then be
    all of one kind and its gradient noisy. So a batch takes examples as they come; only one that fits no
    row waits for the next batch, which it opens.
    """
    filled = _fill(lengths, batch_rows, width, count=1)
    even = _fill(lengths, batch_rows, width, count=len(filled))
    return even if len(even) == len(filled) else filled


def _fill(lengths: Indices, batch_rows: int, width: int, *, count: int) -> list[Rows]:
    """Close a batch when it holds its share of what is left, for `count` batches, or when too many fitted nowhere."""
    batches: list[Rows] = []
    coming, left = deque(enumerate(lengths.tolist())), int(lengths.sum())
    while coming:
        target = -(-left // max(1, count - len(batches)))
        rows: list[list[int]] = [[] for _ in range(batch_rows)]
        free = [(width, row) for row in range(batch_rows)]
        waiting: list[tuple[int, int]] = []
        held = 0
        while coming and held < target and len(waiting) < _WAITING:
            example, length = coming.popleft()
            at = bisect_left(free, (length, -1))  # the fullest row that still holds it
            if at == len(free):
                waiting.append((example, length))
                continue
            space, row = free.pop(at)
            insort(free, (space - length, row))
            rows[row].append(example)
            held += length
        coming.extendleft(reversed(waiting))
        left -= held
        used = [row for row in rows if row]
        batches.append(Rows(np.array([e for row in used for e in row]), _offsets(np.array([len(row) for row in used]))))
    return batches


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


def slices(rows: Rows, lengths: Indices, *, part_tokens: int) -> list[Rows]:
    """Rows of a batch in their order, so many in a part that they and their padding are `part_tokens` at most."""
    filled = np.add.reduceat(lengths, rows.starts[:-1])  # (R,)
    count = -(-len(rows) // max(part_tokens // int(filled.max()), 1))
    return [rows.take(chunk) for chunk in np.array_split(np.arange(len(rows)), count)]


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
    """The batches of one quest, those of a pass computed when the first of them is asked for."""

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
        self._accumulation = accumulation
        self.batch_tokens = batch_rows * max_length
        """Tokens that a batch holds at most."""
        self._pass: tuple[int, list[Rows]] | None = None
        most = max_steps * accumulation if max_steps > 0 else sys.maxsize
        self._ends = self._counted(epochs, most)
        self.batches = min(self._ends[-1], most)
        self.steps = -(-self.batches // accumulation)

    def first_batch(self, step: int) -> int:
        """The batch that begins an optimizer step of the quest."""
        return step * self._accumulation

    def batch(self, index: int) -> Rows:
        """The examples of a batch, by row."""
        epoch = bisect_right(self._ends, index)
        within = index - (self._ends[epoch - 1] if epoch else 0)
        return self._batches(epoch)[within]

    def _counted(self, epochs: float, most: int) -> list[int]:
        """The batches until the end of each pass, up to `most`; the last pass may be a part of one."""
        ends, before = [], 0
        for epoch in range(int(np.ceil(epochs))):
            before += int(np.ceil(len(self._batches(epoch)) * min(1.0, epochs - epoch)))
            ends.append(before)
            if before >= most:
                break
        return ends

    def _batches(self, epoch: int) -> list[Rows]:
        if self._pass is None or self._pass[0] != epoch:
            self._pass = (epoch, self._packed(epoch) if self._packing else self._grouped(epoch))
        return self._pass[1]

    def _packed(self, epoch: int) -> list[Rows]:
        order = self._random(epoch, "examples").permutation(len(self._lengths))
        batches = mixed_batches(self._lengths[order], batch_rows=self._batch_rows, width=self._width)
        return [Rows(order[batch.members], batch.starts) for batch in batches]

    def _grouped(self, epoch: int) -> list[Rows]:
        """Examples of like length share a batch, and the batches are shuffled."""
        order = self._random(epoch, "examples").permutation(len(self._lengths))
        group = np.arange(len(order)) // (_MEGABATCH * self._batch_rows)
        members = order[np.lexsort((-self._lengths[order], group))]
        # Batches differ by one example at most: a last batch of three would be a noisy step.
        alike = np.array_split(members, -(-len(members) // self._batch_rows))
        shuffled = self._random(epoch, "batches").permutation(len(alike))
        return [Rows(alike[i], np.arange(len(alike[i]) + 1, dtype=np.int64)) for i in shuffled]

    def _random(self, epoch: int, what: str) -> np.random.Generator:
        return np.random.default_rng(number(self._seed, "epoch", epoch, what))


def _offsets(sizes: Indices) -> Indices:
    starts = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(sizes, out=starts[1:])
    return starts
