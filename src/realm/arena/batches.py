"""Rows of examples as tensors for one forward pass. Knows no order and no model.

Positions restart at each example. Given those and no attention mask, transformers keeps the examples of a row from
attending to each other (`masking_utils.find_packed_sequence_indices`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from realm.arena.data import Examples
from realm.arena.packing import Plan, Rows, parts, slices, spread
from realm.records import LevelCell

Part = dict[str, torch.Tensor]
Batch = list[Part]
"""What one forward and backward pass takes, as often as it takes to make a batch."""


def collate(examples: Examples, rows: Rows, *, pad_id: int) -> Part:
    """One part of a batch.

    `input_ids`, `position_ids` (R, W) with W the fullest row; `trained_at` (N,) are the places in the flattened part
    whose prediction carries loss, `targets` (N,) the tokens to predict there. The first token of an example is
    nobody's target.
    """
    lengths = examples.offsets[rows.members + 1] - examples.offsets[rows.members]
    filled = np.add.reduceat(lengths, rows.starts[:-1])  # (R,) tokens in each row
    width = int(filled.max())
    row = np.repeat(np.arange(len(rows)), np.diff(rows.starts))  # (E,)
    begins = np.cumsum(lengths) - lengths  # (E,) if the rows had no padding
    begins += (row * width) - (np.cumsum(filled) - filled)[row]
    source = spread(examples.offsets[rows.members], lengths)
    target = spread(begins, lengths)
    input_ids = np.full(len(rows) * width, pad_id, dtype=np.int64)
    input_ids[target] = examples.tokens[source]
    # Padding goes on counting from the last example: no further segment, and a row of one example stays plain causal.
    position_ids = (np.arange(len(rows) * width) - np.repeat(begins[rows.starts[1:] - 1], width)).astype(np.int64)
    position_ids[target] = target - np.repeat(begins, lengths)
    learned = target[examples.trained[source] & (position_ids[target] > 0)]
    return {
        "input_ids": torch.from_numpy(input_ids.reshape(len(rows), width)),
        "position_ids": torch.from_numpy(position_ids.reshape(len(rows), width)),
        "trained_at": torch.from_numpy(learned - 1),
        "targets": torch.from_numpy(input_ids[learned]),
        "useful": torch.tensor(int(lengths.sum())),
    }


@dataclass(frozen=True, slots=True)
class Loader:
    """The batches of a plan from one on, as the Trainer wants them: with a length.

    `part_tokens` divides a batch; None leaves it whole. Examples that are packed may change rows then.
    """

    examples: Examples
    plan: Plan
    pad_id: int
    max_length: int
    part_tokens: int | None = None
    first: int = 0
    packing: bool = True

    def __len__(self) -> int:
        return self.plan.batches - self.first

    def __iter__(self) -> Iterator[Batch]:
        for index in range(self.first, self.plan.batches):
            yield [collate(self.examples, rows, pad_id=self.pad_id) for rows in self._divided(self.plan.batch(index))]

    @property
    def longest(self) -> int:
        """Tokens of the longest example: no part can be smaller."""
        return int(self.examples.lengths.max())

    def level_tokens(self, index: int) -> Counter[LevelCell]:
        """The trained tokens of a batch by skill and level."""
        return self.examples.level_tokens.of(self.plan.batch(index).members)

    def _divided(self, batch: Rows) -> list[Rows]:
        if self.part_tokens is None:
            return [batch]
        lengths = self.examples.offsets[batch.members + 1] - self.examples.offsets[batch.members]
        if not self.packing:
            return slices(batch, lengths, part_tokens=self.part_tokens)
        width = min(self.max_length, max(self.part_tokens, self.longest))
        laid_out = parts(lengths, max_width=width, part_tokens=self.part_tokens)
        return [Rows(batch.members[rows.members], rows.starts) for rows in laid_out]
