"""A quest's rows as token ids in flat arrays, with a slice held out for validation. Knows no batch and no model."""

from __future__ import annotations

import json
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from realm.arena.level_tokens import LevelTokens, cell_of
from realm.records import LevelCell, Row

# Beyond this a quest's tokens lie in a temporary file and are read through the page cache: 64 MiB of int32.
TOKENS_IN_MEMORY = 16 * 1024 * 1024
RENDERED_AT_ONCE = 256
"""Rows: a tokenizer is faster on many texts than on each."""


class Rendered(Protocol):
    """Token ids of a row, and for each whether the loss falls on it."""

    @property
    def token_ids(self) -> Sequence[int]: ...
    @property
    def trained(self) -> Sequence[bool]: ...


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples end to end. `tokens` and `trained` have one entry per token; `offsets` one more than examples."""

    tokens: NDArray[np.int32]
    trained: NDArray[np.bool_]
    offsets: NDArray[np.int64]
    level_tokens: LevelTokens = field(default_factory=LevelTokens)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.offsets)


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of a quest's rows."""

    train: Examples
    held_out: Examples
    truncated: int
    """Rows that were longer than `max_length`."""
    untrained: int
    """Rows without a token that carries loss; they are left out."""


def read(
    rows: Iterable[Row],
    render: Callable[[Sequence[Row]], Sequence[Rendered]],
    *,
    max_length: int,
    eval_fraction: float = 0.0,
    held_out_tokens: int = 1 << 16,
) -> Reading:
    """Render and store each row once, some at a time.

    Rows marked as validation are held out, all of them; other held-out rows beyond `held_out_tokens` are neither
    trained nor measured.
    """
    train, held_out = Store(), Store()
    truncated = untrained = marked = 0
    for row, rendered in _rendered(rows, render):
        ids, trained = rendered.token_ids[:max_length], rendered.trained[:max_length]
        truncated += len(rendered.token_ids) > max_length
        if not any(trained[1:]):  # the first token has no predecessor, so nothing can be learned from it
            untrained += 1
        elif is_validation(row):
            held_out.add(ids, trained, cell_of(row))
            marked += 1
        elif is_held_out(row, eval_fraction):
            if held_out.tokens < held_out_tokens:
                held_out.add(ids, trained, cell_of(row))
        else:
            train.add(ids, trained, cell_of(row))
    # a handful of rows that all fell into the slice: train on them rather than on nothing
    if not train.tokens and not marked:
        train, held_out = held_out, train
    return Reading(train.examples(), held_out.examples(), truncated, untrained)


def _rendered(
    rows: Iterable[Row], render: Callable[[Sequence[Row]], Sequence[Rendered]]
) -> Iterator[tuple[Row, Rendered]]:
    rows = iter(rows)
    while some := list(islice(rows, RENDERED_AT_ONCE)):
        yield from zip(some, render(some), strict=True)


def is_validation(row: Row) -> bool:
    """Whether a row says of itself that it is for validation: it comes from a dataset's own split. All are measured."""
    meta = row.get("meta")
    return isinstance(meta, Mapping) and meta.get("split") == "validation"


def only_measured(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows marked as validation, behind one to train on: no method reads a quest without any."""
    for number, row in enumerate(rows):
        if not number:
            yield row
        yield {**row, "meta": {**(row.get("meta") or {}), "split": "validation"}}


def is_held_out(row: Row, fraction: float) -> bool:
    """Whether a row belongs to the validation slice: by its content alone, so in every quest that holds it."""
    if fraction <= 0:
        return False
    content = json.dumps({k: v for k, v in row.items() if k != "meta"}, sort_keys=True, default=str)
    digest = blake2b(content.encode("utf-8", "surrogatepass"), digest_size=8, person=b"realm-val").digest()
    return int.from_bytes(digest) < fraction * 2**64


class Store:
    """Grows by examples; moves to a temporary file when it gets large."""

    def __init__(self) -> None:
        self.tokens = 0
        self._lengths = array("q")
        self._ids = _Spill("i")
        self._trained = _Spill("b")
        self._level_tokens = LevelTokens()

    def add(self, ids: Sequence[int], trained: Sequence[bool], cell: LevelCell) -> None:
        self._ids.add(ids)
        self._trained.add(trained)
        self._lengths.append(len(ids))
        self._level_tokens.add(cell, sum(trained[1:]))
        self.tokens += len(ids)

    def examples(self) -> Examples:
        offsets = np.zeros(len(self._lengths) + 1, dtype=np.int64)
        np.cumsum(np.frombuffer(self._lengths, dtype=np.int64), out=offsets[1:])
        return Examples(self._ids.read(np.int32), self._trained.read(np.bool_), offsets, self._level_tokens)


class _Spill:
    def __init__(self, kind: str) -> None:
        self._memory: array[Any] = array(kind)
        self._file: IO[bytes] | None = None

    def add(self, values: Sequence[int]) -> None:
        self._memory.extend(values)
        if len(self._memory) > TOKENS_IN_MEMORY:
            self._flush()

    def read(self, dtype: Any) -> NDArray[Any]:
        if self._file is None:
            return np.frombuffer(self._memory, dtype=dtype) if self._memory else np.zeros(0, dtype=dtype)
        self._flush()
        with self._file as file:  # the mapping outlives the handle, and the space is free again after both
            file.flush()
            return np.memmap(file, dtype=dtype, mode="r")

    def _flush(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="realm-quest-")  # noqa: SIM115 - lives as long as the quest
        self._memory.tofile(self._file)
        del self._memory[:]
