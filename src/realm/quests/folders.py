"""The folders of the queue: where a quest's file lies is its state. Moves files, knows no database.

A move is one atomic rename of the quest's file; its companions (sidecar, report, rejected rows) follow and are
gathered again if something cut in between.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from realm.errors import QuestError
from realm.quests import sidecar
from realm.quests.lineage import is_quest_file, stored_id
from realm.workspace import PRIORITIES, QUEUE_STATES, Workspace

Effect = Callable[[str], None]
"""Called before and after each change of the disk or the database; a test stops the world there."""
UNFINISHED = ".part"
REPORT_SUFFIX = ".report.txt"
REJECTED_SUFFIX = ".rejected.jsonl"


@dataclass(frozen=True, slots=True)
class Place:
    """A quest's file in the queue. `id` is None when a person put the file there under a name of their own."""

    state: str
    path: Path
    id: str | None


def companions(file: Path) -> tuple[Path, Path, Path]:
    """Where a quest file's sidecar, report and rejected rows belong."""
    return (
        sidecar.path_of(file),
        file.with_name(file.name + REPORT_SUFFIX),
        file.with_name(file.name.removesuffix(".jsonl") + REJECTED_SUFFIX),
    )


class Folders:
    """The queue's folders of one workspace."""

    def __init__(self, workspace: Workspace, effect: Effect) -> None:
        self._workspace = workspace
        self._effect = effect

    def path(self, state: str, stored: str) -> Path:
        return self._workspace.queue(state) / stored

    def places(self, *states: str) -> Iterator[Place]:
        """Quest files in these folders (all when none is named)."""
        for state in states or QUEUE_STATES:
            folder = self._workspace.queue(state)
            for name in _names(folder):
                if is_quest_file(name):
                    yield Place(state, folder / name, stored_id(name))

    def find(self, stored: str) -> Place | None:
        """Where the file of that name lies now."""
        for state in ("active", *PRIORITIES, "recently_completed", "failed"):
            path = self.path(state, stored)
            if os.path.lexists(path):
                return Place(state, path, stored_id(stored))
        return None

    def count(self, state: str) -> int:
        return sum(map(is_quest_file, _names(self._workspace.queue(state))))

    def move(self, source: Path, target: Path) -> None:
        """Rename a quest's file, then its companions. Raises FileNotFoundError when somebody was faster."""
        if source == target:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        self._rename(source, target)
        for old, new in zip(companions(source), companions(target), strict=True):
            if os.path.lexists(old):
                self._rename(old, new)

    def bring(self, source: Path, target: Path) -> None:
        """Rename a quest's file alone: its companions are at the target already. Raises QuestError if it is gone."""
        if source != target:
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._rename(source, target)
            except FileNotFoundError as error:
                raise QuestError(f"There is no file {source.name!r} any more.", hint="Somebody moved it.") from error

    def write(self, path: Path, chunks: Iterable[bytes]) -> None:
        """Put a whole file in place at once."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}{UNFINISHED}")
        self._effect(f"write {path.name}")
        with open(temporary, "wb") as file:
            file.writelines(chunks)
        os.replace(temporary, path)
        self._effect(f"wrote {path.name}")

    def discard(self, written: Iterable[Path]) -> None:
        """Remove files that the queue itself wrote and can write again."""
        for path in written:
            self._effect(f"remove {path.name}")
            path.unlink(missing_ok=True)

    def take_sidecar(self, source: Path, target: Path) -> None:
        """Bring a dropped file's sidecar to the queue ahead of the file itself."""
        if source != target and os.path.lexists(source) and not source.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
            self._rename(source, target)

    def holds(self, path: Path) -> bool:
        """Whether a path lies in a folder of the queue."""
        return any(path.parent == self._workspace.queue(state) for state in QUEUE_STATES)

    def stray_sidecar(self, digits: str, known: Callable[[str], bool]) -> Path | None:
        """A sidecar in the queue for content that begins with these digits, whose file has not arrived."""
        for path, owner in self._companions():
            quest = stored_id(owner) or ""
            if quest.startswith(digits) and path.name.endswith(sidecar.SUFFIX) and not known(quest):
                return path if self.find(owner) is None else None
        return None

    def gather(self, keeps: Callable[[str], bool | None]) -> None:
        """Bring companions to their file; remove leftovers of those that have none.

        `keeps` says of a quest id whether its companions stay without it; None for an id that it never heard of:
        then only the sidecar stays, for its file may still be on its way.
        """
        for state in QUEUE_STATES:
            for name in _names(folder := self._workspace.queue(state)):
                if name.startswith(".") and name.endswith(UNFINISHED):
                    (folder / name).unlink(missing_ok=True)
        for path, owner in list(self._companions()):
            place = self.find(owner)
            if place is not None and place.path.parent != path.parent:
                self._rename(path, place.path.with_name(path.name))
            elif place is None:
                keep = keeps(stored_id(owner) or "")
                if keep is False or (keep is None and not path.name.endswith(sidecar.SUFFIX)):
                    self.discard([path])

    def _companions(self) -> Iterator[tuple[Path, str]]:
        """Companion files that the queue wrote, with the name of the quest file that they belong to."""
        for state in QUEUE_STATES:
            folder = self._workspace.queue(state)
            for name in _names(folder):
                if (owner := _owner(name)) is not None and stored_id(owner):
                    yield folder / name, owner

    def _rename(self, source: Path, target: Path) -> None:
        self._effect(f"rename {source.name}")
        os.rename(source, target)
        self._effect(f"renamed {source.name}")


def _owner(name: str) -> str | None:
    if name.endswith(REJECTED_SUFFIX):
        return name.removesuffix(REJECTED_SUFFIX) + ".jsonl"
    for suffix in (sidecar.SUFFIX, REPORT_SUFFIX):
        if name.endswith(".jsonl" + suffix):
            return name.removesuffix(suffix)
    return None


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
