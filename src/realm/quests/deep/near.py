"""Rows that are nearly the same as an earlier one: MinHash signatures (rensa) in a table of fixed size (LSH).

Broder 1997; banding after Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, chapter 3. Memory does not grow:
of more rows than `KEPT` the oldest are forgotten, so a copy is found among the KEPT rows before it.
"""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Iterator, Sequence

from rensa import RMinHash

HASHES = 64
BANDS, BAND_BYTES = 16, 16
"""16 bands of four hashes: two rows of which 80 % is the same meet in one of them with p = 0.9998."""
ALIKE = 0.8
"""Share of equal runs of words (Jaccard) from which on two rows are near-duplicates."""
KEPT = 1 << 18
"""Rows that are remembered: 72 bytes each, and a table of 34 MB."""
SLOTS = (1 << 19) - 1
"""A prime: the rest of a division by it is as good as a hash."""
FEWEST = 10
"""Runs of words; of shorter rows only exact copies are told."""
AT_ONCE = 256
"""Rows whose signatures are made in one call, fewer where they are long."""
RUNS_AT_ONCE = 50_000
_SEED = 42


class NearDuplicates:
    """Remembers rows by their runs of words and tells of each the earlier row that it is nearly the same as."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        # row + 1; 0: nothing. Pages of an anonymous mapping take memory when they are written first.
        self._table = memoryview(mmap.mmap(-1, 4 * SLOTS * BANDS)).cast("I")
        self._signatures = bytearray()
        self._lines = array("Q")
        self._seen = 0
        self._waiting: list[tuple[int, Sequence[str]]] = []
        self._runs_waiting = 0

    @property
    def forgot(self) -> bool:
        """Whether there were more rows than are remembered."""
        return self._seen > self._kept

    def add(self, line: int, runs: Sequence[str]) -> Iterator[tuple[int, int]]:
        """Take in the row of a line; pairs (line, earlier line) of rows that turned out nearly the same, late."""
        if len(runs) < FEWEST:
            return
        self._waiting.append((line, runs))
        self._runs_waiting += len(runs)
        if len(self._waiting) >= AT_ONCE or self._runs_waiting >= RUNS_AT_ONCE:
            yield from self.flush()

    def flush(self) -> Iterator[tuple[int, int]]:
        """The pairs among the rows that wait."""
        waiting, self._waiting, self._runs_waiting = self._waiting, [], 0
        digests = RMinHash.digests_from_token_sets([runs for _, runs in waiting], HASHES, _SEED) if waiting else []
        for (line, _), digest in zip(waiting, digests, strict=True):
            earlier = self._place(line, array("I", digest))
            if earlier:
                yield line, earlier

    def _place(self, line: int, digest: array[int]) -> int:
        """Remember a row. Returns the line of one that it is nearly the same as, or 0."""
        whole, tried = digest.tobytes(), set[int]()
        signature = whole[::4]  # b-bit minwise hashing, Li and König 2010: one byte of each
        mine, table, twin = self._remember(line, signature), self._table, 0
        for band in range(BANDS):
            key = int.from_bytes(whole[band * BAND_BYTES : (band + 1) * BAND_BYTES], "little")
            slot = band * SLOTS + key % SLOTS
            other = table[slot] - 1
            if not twin and other >= 0 and other != mine and other not in tried:
                tried.add(other)
                twin = self._lines[other] if self._alike(other, signature) else 0
            table[slot] = mine + 1
        return twin

    def _remember(self, line: int, signature: bytes) -> int:
        at = self._seen % self._kept
        self._seen += 1
        if at == len(self._lines):
            self._lines.append(line)
            self._signatures += signature
        else:
            self._lines[at] = line
            self._signatures[at * HASHES : (at + 1) * HASHES] = signature
        return at

    def _alike(self, other: int, signature: bytes) -> bool:
        theirs = self._signatures[other * HASHES : (other + 1) * HASHES]
        same = sum(map(int.__eq__, theirs, signature))
        # of hashes that differ, one in 256 agrees in that byte
        return (same / HASHES - 1 / 256) / (1 - 1 / 256) >= ALIKE
