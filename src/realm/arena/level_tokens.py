"""Which level of which skill the tokens of a batch train: counted from the rows themselves. Knows no ledger."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from realm.records import UNNAMED, LevelCell, Row


def cell_of(row: Row) -> LevelCell:
    """The skill and level that a row names for itself in its `meta`; UNNAMED where it names none."""
    about = row.get("meta")
    if not isinstance(about, Mapping):
        return UNNAMED
    skill, level = about.get("skill"), about.get("level")
    named = isinstance(skill, str) and 0 < len(skill) <= 40
    whole = isinstance(level, int) and not isinstance(level, bool) and level > 0
    return (skill, level) if named and whole else UNNAMED  # type: ignore[return-value]


class LevelTokens:
    """For each example of a quest its cell and the number of its tokens that carry loss."""

    def __init__(self) -> None:
        self._names: dict[LevelCell, int] = {}
        self._cells = array("i")
        self._counts = array("q")

    def add(self, cell: LevelCell, tokens: int) -> None:
        self._cells.append(self._names.setdefault(cell, len(self._names)))
        self._counts.append(tokens)

    def of(self, members: NDArray[np.int64]) -> Counter[LevelCell]:
        """The trained tokens of these examples by cell."""
        cells = np.frombuffer(self._cells, dtype=np.int32)[members]
        counts = np.frombuffer(self._counts, dtype=np.int64)[members]
        sums = np.bincount(cells, weights=counts, minlength=len(self._names))
        return Counter({cell: int(sums[at]) for cell, at in self._names.items() if sums[at]})
