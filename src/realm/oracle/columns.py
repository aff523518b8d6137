"""Keys and values of rows that come and go while the others are written on. Knows no token and no stopping.

All rows end at the same column, so one step writes one column for all of them; a row that joins is laid down with its
end there. Positions are turned into the keys before they are kept, so that a column means no position.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

FIRST_COLUMNS = 128


def takes_company(model: Any) -> bool:
    """Whether rows may join and leave while others are written: not where a layer remembers more than keys, values."""
    plain = (DynamicLayer, DynamicSlidingWindowLayer)
    return all(type(layer) in plain for layer in DynamicCache(config=model.config).layers)


def bytes_per_token(model: Any) -> int:
    """What one token of one row takes in the cache."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * width * model.dtype.itemsize)


def prompt_cache(model: Any) -> DynamicCache:
    """A cache for reading prompts whole; every layer keeps all columns, and its mask says how far it looks back."""
    cache = DynamicCache(config=model.config)
    cache.layers = [DynamicLayer() for _ in cache.layers]
    return cache


class Columns:
    """The rows in hand. Row `i` of every tensor is `lengths[i]` tokens long and ends at column `end`."""

    def __init__(self, layers: int) -> None:
        self.cache = DynamicCache()
        self.cache.layers = [_Layer(self) for _ in range(layers)]
        self.lengths: list[int] = []
        self.end = 0

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def longest(self) -> int:
        return max(self.lengths, default=0)

    def join(self, prompts: DynamicCache, at: int, length: int, copies: int = 1) -> None:
        """Take over row `at` of a prompt's cache, `length` tokens long, as so many rows."""
        before = len(self)
        self._make_room(before + copies, length)
        for layer, read in zip(self._layers, prompts.layers, strict=True):
            keys, values = read.keys[at, :, -length:], read.values[at, :, -length:]
            layer.lay(slice(before, before + copies), self.end, keys, values)
        self.lengths += [length] * copies

    def leave(self, gone: Sequence[int]) -> list[int]:
        """Let rows go. Returns which old row each row that stays was: the last ones move into the gaps."""
        stays = list(range(len(self)))
        for row in sorted(gone, reverse=True):
            last = len(stays) - 1
            if row != last:
                for layer in self._layers:
                    layer.move(last, row, self.end - self.lengths[last], self.end)
                stays[row], self.lengths[row] = stays[last], self.lengths[last]
            stays.pop()
            self.lengths.pop()
        return stays

    def next_inputs(self, device: Any) -> tuple[Tensor, Tensor]:
        """Attention mask (R, L + 1) and position ids (R, 1) of the step that writes the next column."""
        self._make_room(len(self), 0)
        lengths = torch.tensor(self.lengths, device=device)[:, None]
        width = self.longest + 1
        return torch.arange(width, device=device) >= width - 1 - lengths, lengths

    def advance(self) -> None:
        """The step was made: every row is one token longer."""
        self.end += 1
        self.lengths = [length + 1 for length in self.lengths]

    @property
    def _layers(self) -> list[_Layer]:
        return self.cache.layers  # type: ignore[no-any-return]

    def _make_room(self, rows: int, length: int) -> None:
        """Room for so many rows, for a row of that length, and for one column more; moves all columns where needed."""
        if not self.lengths:
            self.end = length
        room = self._layers[0].room
        if room is not None and rows <= room[0] and length <= self.end < room[1]:
            return
        wide = max(length, self.longest)
        held = room[0] if room else 0
        most_rows = max(rows, 2 * held, 4) if rows > held else held
        columns = max(FIRST_COLUMNS, 2 * wide)
        for layer in self._layers:
            layer.widen(most_rows, columns, len(self), self.longest, self.end, wide)
        self.end = wide


class _Layer(DynamicLayer):  # type: ignore[misc]  # transformers carries no types
    """One layer's keys and values (rows, heads, columns, head_dim); only `Columns` knows which of them count."""

    def __init__(self, shared: Columns) -> None:
        super().__init__()
        self._shared = shared
        self._kept: tuple[Tensor, Tensor] | None = None
        self._fresh: tuple[int, int, int] | None = None

    @property
    def room(self) -> tuple[int, int] | None:
        """Rows and columns that there is memory for."""
        if self._kept is None:
            return self._fresh[:2] if self._fresh else None
        return self._kept[0].shape[0], self._kept[0].shape[2]

    def lay(self, rows: slice, end: int, keys: Tensor, values: Tensor) -> None:
        """Write (heads, T, head_dim) into these rows, ending at column `end`."""
        if self._kept is None:
            assert self._fresh is not None
            count, columns, _ = self._fresh
            self._kept = (
                keys.new_zeros(count, keys.shape[0], columns, keys.shape[-1]),
                values.new_zeros(count, values.shape[0], columns, values.shape[-1]),
            )
        start = end - keys.shape[-2]
        self._kept[0][rows, :, start:end], self._kept[1][rows, :, start:end] = keys, values

    def move(self, source: int, target: int, start: int, end: int) -> None:
        assert self._kept is not None
        for kept in self._kept:
            kept[target, :, start:end] = kept[source, :, start:end]

    def widen(self, rows: int, columns: int, used: int, longest: int, end: int, new_end: int) -> None:
        """New memory, with what counts of the old moved so that it ends at column `new_end`."""
        if self._kept is None:
            self._fresh = rows, columns, new_end
            return
        wider = []
        for kept in self._kept:
            made = kept.new_zeros(rows, kept.shape[1], columns, kept.shape[3])
            made[:used, :, new_end - longest : new_end] = kept[:used, :, end - longest : end]
            wider.append(made)
        self._kept = wider[0], wider[1]

    # -- what transformers asks of a layer -------------------------------------------------------------------
    def get_seq_length(self) -> int:
        return self._shared.longest

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self._shared.longest + query_length, 0

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Write the next column of all rows (R, heads, 1, head_dim) and return all that they may look at."""
        assert self._kept is not None
        shared, (keys, values) = self._shared, self._kept
        rows, start, end = len(shared), shared.end - shared.longest, shared.end
        keys[:rows, :, end : end + 1], values[:rows, :, end : end + 1] = key_states, value_states
        return keys[:rows, :, start : end + 1], values[:rows, :, start : end + 1]
