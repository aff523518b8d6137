"""Rows of files that the hero completed: a person's as real data to stand on, all of them to know them again.

Reads the queue, changes nothing.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from heapq import merge
from itertools import islice
from typing import Any

from realm.errors import QuestError
from realm.quests import sidecar
from realm.quests.checks import content_digest
from realm.quests.folders import companions
from realm.quests.queue import Quest, QuestQueue
from realm.records import PastRow, Row

ROWS_PER_FILE = 2000
"""First rows of a file that are read: a file of many gigabytes must not keep an idle hero waiting."""

KNOWN_ROWS = 1_000_000
"""Rows of the newest files that are known again: 8 bytes each, twice."""
_NUMBER_BITS = 16


def real_rows(queue: QuestQueue, files: int) -> Iterator[PastRow]:
    """The first rows of the newest `files` of those quests, one after the other. A file that is gone is passed over."""
    for quest in islice(filter(_is_real, queue.list("recently_completed")), files):
        try:
            for number, row in enumerate(islice(queue.rows(quest), ROWS_PER_FILE), 1):
                yield PastRow(quest.id, quest.name, quest.sha256, number, row)
        except QuestError:
            continue  # moved away by hand between the list and the reading


def generated(meta: Mapping[str, Any]) -> bool:
    """Whether a sidecar is that of data that a program of this house made, or that belongs to a skill."""
    return str(meta.get("made_by", "")).startswith("realm") or bool(meta.get("skill"))


def _is_real(quest: Quest) -> bool:
    trained = quest.source == "person" and quest.outcome == "completed"
    return trained and not generated(sidecar.read(companions(quest.path)[0]).values)


class TrainedRows:
    """Knows the rows of completed quests again, by their content. Each file is read once."""

    def __init__(self, queue: QuestQueue, known_rows: int = KNOWN_ROWS) -> None:
        self._queue = queue
        self._known_rows = known_rows
        self._quests: list[str] = []
        self._files: dict[str, array[int]] = {}

    def lookup(self) -> TrainedBefore:
        """Who knows the rows that were trained up to now, the newest files first as far as there is room."""
        known, room = [], self._known_rows
        for quest in self._queue.list("recently_completed"):
            if quest.outcome != "completed" or room <= 0:
                continue
            if quest.id not in self._files:
                self._files[quest.id] = self._read(quest, room)
            room -= len(self._files[quest.id])
            known.append(self._files[quest.id])
        return TrainedBefore(array("Q", merge(*known)), self._quests)

    def _read(self, quest: Quest, most: int) -> array[int]:
        self._quests.append(f"quest {quest.id} ({quest.name})")
        number = (len(self._quests) - 1) % (1 << _NUMBER_BITS)
        try:
            return array("Q", sorted(_key(row) | number for row in islice(self._queue.rows(quest), most)))
        except QuestError:
            return array("Q")  # moved away by hand between the list and the reading


class TrainedBefore:
    """A sorted table of rows: 48 bits of each row's digest, and 16 that name its quest."""

    def __init__(self, table: array[int], quests: list[str]) -> None:
        self._table, self._quests = table, quests

    def where(self, row: Row) -> str:
        """The quest that trained the row, in words; empty when none did. With a million rows known, one strange row
        in 3e8 is taken for known."""
        key = _key(row)
        at = bisect_left(self._table, key)
        if at == len(self._table) or self._table[at] >> _NUMBER_BITS != key >> _NUMBER_BITS:
            return ""
        return self._quests[self._table[at] & ((1 << _NUMBER_BITS) - 1)]


def _key(row: Row) -> int:
    return int.from_bytes(content_digest(row)[:6]) << _NUMBER_BITS
