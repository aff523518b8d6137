"""Rows of files that a person made and the hero completed: real data to stand on. Reads the queue, changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from realm.errors import QuestError
from realm.quests import sidecar
from realm.quests.folders import companions
from realm.quests.queue import Quest, QuestQueue
from realm.records import PastRow

ROWS_PER_FILE = 2000
"""First rows of a file that are read: a file of many gigabytes must not keep an idle hero waiting."""


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
