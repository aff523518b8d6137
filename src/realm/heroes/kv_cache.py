"""A key-value cache that grows by doubling, so that a new token copies no old ones. Knows no batch and no stopping."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

FIRST_ROOM_TOKENS = 64
CACHE_BYTES = 512 * 1024**2
"""What the cache of a batch of answers may take."""


class GrowingLayer(DynamicLayer):  # type: ignore[misc]  # transformers carries no types
    """One layer's keys and values (B, heads, T, head_dim) as the filled part of a larger buffer.

    transformers' own layer concatenates at every token: 84 % of the time of a tiny model's loop (docs/log.md).
    """

    _room: tuple[Tensor, Tensor] | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Append the new positions and return all of them, as transformers' layer does."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        before = self.get_seq_length()
        after = before + key_states.shape[-2]
        if self._room is None or self._room[0].shape[-2] < after:
            self._room = self._wider(key_states, before, after), self._wider(value_states, before, after, values=True)
        keys, values = self._room
        keys[:, :, before:after], values[:, :, before:after] = key_states, value_states
        self.keys, self.values = keys[:, :, :after], values[:, :, :after]
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep only these rows of the batch."""
        if self._room is not None:
            length = self.get_seq_length()
            self._room = self._room[0][indices], self._room[1][indices]
            self.keys, self.values = self._room[0][:, :, :length], self._room[1][:, :, :length]

    def _wider(self, states: Tensor, before: int, after: int, *, values: bool = False) -> Tensor:
        room = states.new_empty(*states.shape[:2], max(FIRST_ROOM_TOKENS, 2 * after), states.shape[-1])
        if before:
            room[:, :, :before] = self.values if values else self.keys
        return room


def growing_cache(model: Any) -> Any:
    """A fresh cache for `model`; layers that attend to everything grow, all others stay as transformers makes them."""
    cache = DynamicCache(config=model.config)
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def rows_at_once(model: Any, tokens: int) -> int:
    """Rows of so many tokens whose keys and values take `CACHE_BYTES`, at least one.

    A tiny model takes nearly as long for one row as for ten: all that fits is answered together.
    """
    config = model.config
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    bytes_per_row = 2 * config.num_hidden_layers * heads * width * model.dtype.itemsize * tokens
    return max(1, int(CACHE_BYTES // bytes_per_row))
