"""A quest as the rest of the house sees it: one file of training examples and what is known about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from realm.quests.folders import Place, companions

Source = Literal["person", "practice", "sparring"]


@dataclass(frozen=True, slots=True)
class Quest:
    """`state` is the folder that the file lies in (`missing` when it lies in none). Times are Unix seconds."""

    id: str
    name: str
    """The file's name as it was dropped, made printable."""
    path: Path
    sha256: str
    priority: str
    state: str
    source: Source
    rows: int
    """Examples that are trained."""
    set_aside: int
    """Bad rows that are passed over."""
    size_bytes: int
    retries: int
    added: float
    changed: float
    """When its state changed last."""
    method: str
    skill: str
    level: int | None
    outcome: str
    """Its end: completed, skipped, expired, failed, rejected, duplicate, removed; empty while it has none."""
    reason: str
    """Why, in one sentence."""
    report_path: Path
    hero: str = ""
    campaign: str = ""
    """The campaign that it belongs to; empty while anybody may train it."""

    @property
    def rejected_path(self) -> Path:
        """Where its bad rows were set aside; there may be no such file."""
        return companions(self.path)[2]


def from_row(row: Mapping[str, Any], place: Place | None, path: Path) -> Quest:
    """What the ledger remembers, at the place where the file lies now."""
    return Quest(
        id=row["id"],
        name=row["name"],
        path=path,
        sha256=row["sha256"],
        priority=row["priority"],
        state=place.state if place else "missing",
        source=row["source"],
        rows=row["rows"],
        set_aside=row["set_aside"],
        size_bytes=row["size_bytes"],
        retries=row["retries"],
        added=row["added"],
        changed=row["changed"],
        method=row["method"],
        skill=row["skill"],
        level=row["level"],
        outcome=row["outcome"],
        reason=row["reason"],
        report_path=companions(path)[1],
        hero=row["hero"],
        campaign=row["campaign"],
    )


def unchecked(place: Place) -> Quest:
    """A file that a person just put into the queue's folder: nothing is known about it yet."""
    status = place.path.lstat()
    return Quest(
        id=place.id or place.path.name,
        name=place.path.name,
        path=place.path,
        sha256="",
        priority=place.state,
        state=place.state,
        source="person",
        rows=0,
        set_aside=0,
        size_bytes=status.st_size,
        retries=0,
        added=status.st_mtime,
        changed=status.st_mtime,
        method="",
        skill="",
        level=None,
        outcome="",
        reason="Not checked yet.",
        report_path=companions(place.path)[1],
    )
