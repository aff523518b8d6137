"""Backups: a campaign's files and rows copied and verified before they are changed for good, and put back from there.

The files of a sealed checkpoint never change, so a backup links them where it can: it costs no room, and outlives what
it is a backup of. Everything else is copied. `backup.json` is written last; without it there is no backup.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realm.db import Database
from realm.errors import CheckpointError, UsageError
from realm.events import BackupMade, BackupRestored, CampaignReset, Events
from realm.records import CampaignKey
from realm.vault import campaign_rows, files
from realm.vault.campaign_rows import TableRow
from realm.workspace import Workspace, safe_name

NAME, ROWS, FILES = "backup.json", "rows.jsonl", "files"
KEPT_IN_A_RESET = ("campaign.toml", "start")
"""What a campaign begins with."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup says of itself."""

    name: str
    reason: str
    created: float
    """Unix seconds."""
    campaigns: Sequence[CampaignKey]
    queue: bool
    """The training files of the queue are in it too."""
    size_bytes: int
    sha256: dict[str, str]
    """Of each file, by its name inside the backup."""


class Backups:
    """The backups of one workspace."""

    def __init__(
        self, workspace: Workspace, db: Database, events: Events, clock: Callable[[], float] = time.time
    ) -> None:
        self._workspace = workspace
        self._db = db
        self._events = events
        self._clock = clock

    def all(self) -> list[Backup]:
        """The newest first; what was cut short is none."""
        parent = self._workspace.backups
        folders = sorted(parent.iterdir()) if parent.is_dir() else []
        found = [self.read(folder.name) for folder in folders if (folder / NAME).is_file()]
        return sorted(found, key=lambda each: -each.created)

    def read(self, name: str) -> Backup:
        """Raises UsageError when there is none of that name, CheckpointError when it cannot be read."""
        path = self._folder(name) / NAME
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            keys = [CampaignKey(*each) for each in told.pop("campaigns")]
            return Backup(name=name, campaigns=keys, **told)
        except FileNotFoundError as error:
            raise UsageError(f"There is no backup '{name}'.", hint="See them: realm vault backups") from error
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise CheckpointError(f"The backup {name} cannot be read: {error}") from error

    def make(self, keys: Sequence[CampaignKey], reason: str, *, queue: bool = False) -> Backup:
        """Copy what some campaigns have, compare every byte, and only then say that there is a backup."""
        name = self._free_name(keys)
        staging = self._workspace.backups / f".{name}.partial"
        shutil.rmtree(staging, ignore_errors=True)
        (staging / FILES).mkdir(parents=True)
        try:
            for source, inside in self._sources(keys, queue=queue):
                _copy_tree(source, staging / FILES / inside)
            _write_rows(staging / ROWS, campaign_rows.read(self._db, keys, queue=queue))
            hashes = dict(_hashes(staging))
            size_bytes = sum((staging / inside).stat().st_size for inside in hashes)
            made = Backup(name, reason, self._clock(), list(keys), queue, size_bytes, hashes)
            self._compare_with_sources(made, staging)
            (staging / NAME).write_text(json.dumps(_as_json(made), indent=1), encoding="utf-8")
            files.sync_tree(staging)
            os.rename(staging, self._folder(name))
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        files.sync_folder(self._workspace.backups)
        self._events.append(BackupMade(backup=name, reason=reason, size_bytes=made.size_bytes))
        return made

    def verify(self, name: str) -> Backup:
        """A backup of which every byte is as it was written. Raises CheckpointError."""
        made = self.read(name)
        now = dict(_hashes(self._folder(name)))
        now.pop(NAME, None)
        wrong = sorted(inside for inside in {*made.sha256, *now} if made.sha256.get(inside) != now.get(inside))
        if wrong:
            shown = ", ".join(wrong[:3]) + (" and more" if len(wrong) > 3 else "")
            raise CheckpointError(
                f"The backup {name} must not be used: {shown} is missing, changed or was added.",
                hint="See the others: realm vault backups",
            )
        return made

    def restore(self, name: str) -> Backup:
        """Put back what a verified backup holds; what stands in its place is replaced.

        Files first, rows after: killed in between, the same command ends it. Raises CheckpointError.
        """
        made = self.verify(name)
        for target, inside in self._sources(made.campaigns, queue=made.queue, present=False):
            source = self._folder(name) / FILES / inside
            if source.is_dir():
                _replace_tree(source, target)
        rows = _read_rows(self._folder(name) / ROWS)
        campaign_rows.put_back(self._db, made.campaigns, rows, queue=made.queue)
        self._events.append(*(BackupRestored(hero=key.hero, campaign=key.campaign, backup=name)
                              for key in made.campaigns))  # fmt: skip
        return made

    def reset(self, keys: Sequence[CampaignKey], reason: str, *, queue: bool = False) -> Backup:
        """Let campaigns begin anew, after a backup. Their settings and the weights that they began with stay.

        The folders leave by one rename each before the rows do: killed in between, the same command ends it.
        """
        made = self.make(keys, reason, queue=queue)
        aside = []
        for source, _ in self._sources(keys, queue=queue):
            for entry in sorted(source.iterdir()):
                if entry.name in KEPT_IN_A_RESET:
                    continue
                gone = entry.with_name(f".{entry.name}.{made.name}")
                os.rename(entry, gone)
                aside.append(gone)
        campaign_rows.remove(self._db, keys, queue=queue)
        for gone in aside:
            shutil.rmtree(gone) if gone.is_dir() and not gone.is_symlink() else gone.unlink()
        if queue:
            self._workspace.create()
        link = self._workspace.current_model
        if link.is_symlink() and not link.exists():
            link.unlink()
        self._events.append(*(CampaignReset(hero=key.hero, campaign=key.campaign, backup=made.name) for key in keys))
        return made

    def remove(self, name: str) -> Backup:
        """Give the room of a backup back. Raises UsageError when there is none."""
        made = self.read(name)
        hidden = self._workspace.backups / f".{name}.removed"
        os.rename(self._folder(name), hidden)
        shutil.rmtree(hidden)
        return made

    def size_bytes(self, keys: Sequence[CampaignKey], *, queue: bool = False) -> int:
        """How much a reset would take away."""
        return sum(
            path.stat().st_size
            for source, _ in self._sources(keys, queue=queue)
            for path in source.rglob("*")
            if path.is_file() and path.relative_to(source).parts[0] not in KEPT_IN_A_RESET
        )

    def _sources(self, keys: Sequence[CampaignKey], *, queue: bool, present: bool = True) -> Iterator[tuple[Path, str]]:
        """The folders that belong to campaigns, and their names inside a backup."""
        for key in keys:
            folder = self._workspace.campaign(key.hero, key.campaign)
            if folder.is_dir() or not present:
                yield folder, f"campaigns/{key.hero}/{key.campaign}"
        if queue:
            yield self._workspace.queue("high").parent, "queue"

    def _compare_with_sources(self, made: Backup, staging: Path) -> None:
        """What is in the backup is what stands in the workspace. Raises CheckpointError."""
        for source, inside in self._sources(made.campaigns, queue=made.queue):
            for name, sha256 in _hashes(source):
                if made.sha256.get(f"{FILES}/{inside}/{name}") != sha256:
                    raise CheckpointError(
                        f"{source / name} changed while it was copied; no backup was made.",
                        hint="Stop what writes there, then try again: realm stop-all",
                    )
        if not (staging / ROWS).is_file():
            raise CheckpointError("The rows of the database could not be copied; no backup was made.")

    def _folder(self, name: str) -> Path:
        return self._workspace.backups / safe_name(name)

    def _free_name(self, keys: Sequence[CampaignKey]) -> str:
        what = f"{keys[0].hero}-{keys[0].campaign}" if len(keys) == 1 else "several"
        base = f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(self._clock()))}-{what}"[:150]
        number, name = 2, base
        while self._folder(name).exists():
            name, number = f"{base}-{number}", number + 1
        return name


def _copy_tree(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for entry in sorted(source.rglob("*")):
        inside = entry.relative_to(source)
        if entry.is_symlink():
            continue
        if entry.is_dir():
            (target / inside).mkdir(parents=True, exist_ok=True)
        elif entry.is_file():
            (target / inside).parent.mkdir(parents=True, exist_ok=True)
            _link_or_copy(entry, target / inside, sealed="checkpoints" in inside.parts)


def _link_or_copy(source: Path, target: Path, *, sealed: bool) -> None:
    if sealed:
        try:
            os.link(source, target)
            return
        except OSError:
            pass  # another file system, or one without links: copied below
    shutil.copy2(source, target)


def _replace_tree(source: Path, target: Path) -> None:
    fresh = target.with_name(f".{target.name}.restored")
    before = target.with_name(f".{target.name}.before")
    shutil.rmtree(fresh, ignore_errors=True)
    _copy_tree(source, fresh)
    files.sync_tree(fresh)
    if target.exists():
        shutil.rmtree(before, ignore_errors=True)
        os.rename(target, before)
    target.parent.mkdir(parents=True, exist_ok=True)
    os.rename(fresh, target)
    shutil.rmtree(before, ignore_errors=True)


def _hashes(root: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                yield path.relative_to(root).as_posix(), hashlib.file_digest(file, "sha256").hexdigest()


def _write_rows(path: Path, rows: Iterator[TableRow]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for table, row in rows:
            file.write(json.dumps([table, row], ensure_ascii=False) + "\n")


def _read_rows(path: Path) -> Iterator[TableRow]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            table, row = json.loads(line)
            yield table, row


def _as_json(made: Backup) -> dict[str, Any]:
    return {
        "reason": made.reason, "created": made.created, "queue": made.queue, "size_bytes": made.size_bytes,
        "campaigns": [[key.hero, key.campaign] for key in made.campaigns], "sha256": made.sha256,
    }  # fmt: skip
