"""Who knows rows that a quest should not hold. Knows none itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from realm.records import Row

Lookup = Callable[[Row], str]
"""Where a row is known from, in words; empty where it is not."""


def nowhere(_row: Row) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Handed to deep validation by who has the skills and the queue."""

    held_out: Lookup = nowhere
    """The examination that asks a question of the row."""
    trained: Lookup = nowhere
    """The quest in which the row was trained."""
