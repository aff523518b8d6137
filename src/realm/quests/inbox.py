"""The inbox: files that people and heroes drop, taken once they stand still. Knows no shape and no training.

watchfiles only wakes a look (it never says that a file was closed); looking again from time to time finds what it
missed, e.g. on network mounts.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any

import watchfiles

from realm.config.schema import QuestSettings
from realm.errors import QuestError, RealmError
from realm.quests import lineage, sidecar
from realm.quests.queue import Quest, QuestQueue
from realm.workspace import Workspace

log = logging.getLogger(__name__)
TEMPORARY_SUFFIXES = (".tmp", ".part", ".partial", ".crdownload", ".download", ".swp", "~")
OLD_SECONDS = 1.0
"""A file that was written to its end in one go may lack the last newline; then it must be this old."""
FOLDERS = {"": None, "high": "high", "low": "low"}
"""Folders of the inbox and the priority that each gives."""


@dataclass(frozen=True, slots=True)
class _Look:
    """How an entry looked, and since when it has looked so (monotonic seconds)."""

    stamp: tuple[int, int, int]
    since: float
    refused: bool = False


class Inbox:
    """The inbox of one workspace. Safe for several threads of one process."""

    def __init__(
        self,
        workspace: Workspace,
        queue: QuestQueue,
        settings: QuestSettings,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workspace = workspace
        self._queue = queue
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic
        self._looks: dict[Path, _Look] = {}
        self._taking: set[Path] = set()
        self._free = threading.Condition()

    @property
    def expects(self) -> bool:
        """Whether something lies there that is not yet still."""
        return any(not look.refused for look in self._looks.values())

    def scan(self) -> list[Quest]:
        """Look once; take what has settled. A file needs two looks unless its sidecar proves it whole."""
        entries = dict(self._entries())
        with self._free:
            self._looks = {path: look for path, look in self._looks.items() if path in entries}
        return [quest for path, priority in entries.items() if (quest := self._try(path, priority)) is not None]

    def take(self, path: Path) -> Quest | None:
        """Take a file that is known to be whole, now. None when another thread took it."""
        with self._hold(path, wait=True):
            return self._queue.add(path, _folder_priority(path.parent.name)) if os.path.lexists(path) else None

    def watch(self, stop: threading.Event, on_quest: Callable[[], object] | None = None) -> None:
        """Look whenever something changes, and every rescan_seconds, until `stop` is set. Blocks: give it a thread."""
        wake = threading.Event()
        watcher = threading.Thread(target=self._listen, args=(stop, wake), name="inbox-listener", daemon=True)
        watcher.start()
        while not stop.is_set():
            wake.clear()
            if self.scan() and on_quest is not None:
                on_quest()
            self._sleep(stop, wake)
        watcher.join()

    # -- one entry -----------------------------------------------------------------------------------------------
    def _entries(self) -> Iterator[tuple[Path, str | None]]:
        for name, priority in FOLDERS.items():
            folder = self._workspace.inbox / name
            with suppress(FileNotFoundError):
                for entry in sorted(os.listdir(folder)):
                    if not (is_temporary(entry) or entry.endswith(sidecar.SUFFIX) or (not name and entry in FOLDERS)):
                        yield folder / entry, priority

    def _try(self, path: Path, priority: str | None) -> Quest | None:
        with self._hold(path, wait=False) as free:
            if not free or not self._is_whole(path):
                return None
            try:
                quest = self._queue.add(path, priority)
            except Exception as error:  # the quest boundary: one file that cannot be taken must not close the inbox
                unforeseen = not isinstance(error, RealmError | OSError)
                log.warning("%r in the inbox was not taken: %s", path.name, error, exc_info=unforeseen)
                self._refuse(path)
                return None
            with self._free:
                self._looks.pop(path, None)
            return quest

    def _is_whole(self, path: Path) -> bool:
        try:
            status = path.lstat()
        except FileNotFoundError:
            return False
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
        now = self._monotonic()
        with self._free:
            look = self._looks.get(path)
            if look is None or look.stamp != stamp:
                look = self._looks[path] = _Look(stamp, now)
                first = True
            else:
                first = False
        if look.refused:
            return False
        if first:
            return stat.S_ISREG(status.st_mode) and _proved_whole(path)
        return now - look.since >= self._settings.settle_seconds and self._looks_ended(path, status)

    def _looks_ended(self, path: Path, status: os.stat_result) -> bool:
        old = self._clock() - status.st_mtime >= OLD_SECONDS
        return old or (stat.S_ISREG(status.st_mode) and _ends_in_newline(path))

    def _refuse(self, path: Path) -> None:
        """Leave a file alone until it changes or the next rescan."""
        with self._free:
            if look := self._looks.get(path):
                self._looks[path] = _Look(look.stamp, self._monotonic(), refused=True)

    @contextmanager
    def _hold(self, path: Path, *, wait: bool) -> Iterator[bool]:
        """One thread at a time per file. Yields False when another has it and we do not wait."""
        with self._free:
            while wait and path in self._taking:
                self._free.wait()
            free = path not in self._taking
            if free:
                self._taking.add(path)
        try:
            yield free
        finally:
            if free:
                with self._free:
                    self._taking.discard(path)
                    self._free.notify_all()

    # -- waking --------------------------------------------------------------------------------------------------
    def _sleep(self, stop: threading.Event, wake: threading.Event) -> None:
        """Until woken, until what lies there has settled, or until the next rescan."""
        began = self._monotonic()
        while not stop.is_set() and not wake.is_set():
            left = self._settings.rescan_seconds - (self._monotonic() - began)
            if left <= 0:
                self._forgive()
                return
            if self.expects:
                wake.wait(min(left, max(0.02, self._settings.settle_seconds / 2)))
                return
            wake.wait(left)

    def _forgive(self) -> None:
        with self._free:
            self._looks = {path: look for path, look in self._looks.items() if not look.refused}

    def _listen(self, stop: threading.Event, wake: threading.Event) -> None:
        try:
            changes = watchfiles.watch(
                self._workspace.inbox, watch_filter=None, debounce=100, step=20, stop_event=stop, raise_interrupt=False
            )
            for _ in changes:
                wake.set()
        except (OSError, RuntimeError) as error:  # no inotify left, or a file system without it
            log.warning("The inbox is only looked at every %s s: %s", self._settings.rescan_seconds, error)
            stop.wait()
        finally:
            wake.set()


def is_temporary(name: str) -> bool:
    """Whether a program is still writing under this name."""
    return name.startswith(".") or name.lower().endswith(TEMPORARY_SUFFIXES)


def deliver(
    workspace: Workspace,
    name: str,
    chunks: Iterable[bytes],
    *,
    priority: str = "normal",
    max_bytes: int | None = None,
    meta: dict[str, Any] | None = None,
) -> Path:
    """Put a file into the inbox at once, with a sidecar that proves it whole: for uploads and `realm quest add`.

    The name is made safe. Raises QuestError when there are more than `max_bytes` bytes; nothing is left then.
    """
    folder = workspace.inbox / (priority if priority in FOLDERS else "")
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{token_hex(8)}.part"
    try:
        digest = _copy(chunks, temporary, max_bytes)
        target = _free_name(folder, lineage.safe_stem(name))
        said = dict(meta or {}) | {"sha256": digest, "name": name, "priority": priority}
        sidecar.path_of(target).write_bytes(sidecar.encode(said))
        os.rename(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _copy(chunks: Iterable[bytes], target: Path, max_bytes: int | None) -> str:
    hasher, size = sha256(), 0
    with open(target, "xb") as file:
        for chunk in chunks:
            size += len(chunk)
            if max_bytes is not None and size > max_bytes:
                raise QuestError(
                    f"The file is larger than {max_bytes:,} bytes.",
                    hint="Copy it into the inbox folder itself, or raise quests.max_upload_bytes.",
                )
            hasher.update(chunk)
            file.write(chunk)
    return hasher.hexdigest()


def _free_name(folder: Path, stem: str) -> Path:
    """A name that no other delivery has; the token also keeps it from meeting a person's own file."""
    return folder / f"{stem}-{token_hex(4)}.jsonl"


def _folder_priority(name: str) -> str | None:
    return FOLDERS.get(name)


def _proved_whole(path: Path) -> bool:
    """Whether a sidecar names the very content that lies there."""
    said = sidecar.read(sidecar.path_of(path)).text("sha256")
    if not said:
        return False
    try:
        return lineage.digest(path) == said
    except QuestError:
        return False


def _ends_in_newline(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            if not file.tell():
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
    except OSError:
        return False
