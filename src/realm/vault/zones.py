"""A zone: a folder or an address of fsspec that holds sealed checkpoints beyond the workspace's disk. Knows no ledger.

The layout is the workspace's own: `<hero>/<campaign>/checkpoint-.../`, its `realm.json` written last. So a copy that
was cut short is no checkpoint, and a zone can be read without any database.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from realm.config.schema import StorageSettings, ZoneSettings
from realm.errors import CheckpointError, MissingExtra, ServiceError, UsageError
from realm.records import CampaignKey
from realm.vault import files, manifest, transfer
from realm.vault.manifest import Manifest
from realm.vault.retention import Room, ZoneName
from realm.workspace import safe_name

CHUNK_BYTES = 4 << 20


def open_zones(settings: StorageSettings) -> dict[ZoneName, Zone]:
    """The zones that the settings name, besides the workspace. Opens none of them yet."""
    named: dict[ZoneName, ZoneSettings] = {"warm": settings.warm, "cold": settings.cold}
    return {name: Zone(name, each) for name, each in named.items() if each.url}


class Zone:
    """One zone. Every method raises ServiceError in words where the place does not answer."""

    def __init__(self, name: ZoneName, settings: ZoneSettings) -> None:
        """Raises UsageError for a relative folder: it would be another one in another place."""
        self.name = name
        self.url = settings.url
        self.room = Room(settings.max_bytes)
        self._options = settings.options
        self._opened: tuple[Any, str] | None = None
        if "://" not in self.url and not Path(self.url).expanduser().is_absolute():
            raise UsageError(f"storage.{name}.url is '{self.url}', which is no whole path.", hint="Begin it with /")

    def place(self, key: CampaignKey, folder: str) -> str:
        """Where a checkpoint lies inside a zone."""
        return "/".join(safe_name(part) for part in (key.hero, key.campaign, folder))

    def put(self, folder: Path, at: str) -> Manifest:
        """Copy a sealed folder and compare every byte of the copy. Raises CheckpointError."""
        made = manifest.read(folder)
        with self._in_words("written"):
            fs, root = self._open()
            target = posixpath.join(root, at)
            if not fs.exists(posixpath.join(target, manifest.NAME)):
                for name, entry in made.files.items():
                    self._copy(fs, folder / name, posixpath.join(target, name), entry.sha256)
                self._copy(fs, folder / manifest.NAME, posixpath.join(target, manifest.NAME), None)
        return self.verify(at, made)

    def manifest(self, at: str) -> Manifest:
        """What a copy says of itself. Raises CheckpointError when it is none."""
        with self._in_words("read"):
            fs, root = self._open()
            path = posixpath.join(root, at, manifest.NAME)
            if not fs.exists(path):
                raise CheckpointError(f"{at} has no {manifest.NAME} in the {self.name} zone: no whole copy lies there.")
            if fs.info(path)["size"] > transfer.MAX_MANIFEST_BYTES:
                raise CheckpointError(f"{at} in the {self.name} zone has a {manifest.NAME} that is far too big.")
            return manifest.decode(bytes(fs.cat_file(path)))

    def verify(self, at: str, expected: Manifest | None = None) -> Manifest:
        """The manifest of a copy of which every byte is as it was sealed. Raises CheckpointError."""
        made = self.manifest(at)
        problems = [] if expected is None or made == expected else ["its manifest is another checkpoint's"]
        for name, entry in made.files.items():
            digest, size = hashlib.sha256(), 0
            for chunk in self.read(at, name, 0):
                digest.update(chunk)
                size += len(chunk)
            if size != entry.size_bytes or digest.hexdigest() != entry.sha256:
                problems.append(f"{name} is missing, cut off or changed")
        if problems:
            raise CheckpointError(
                f"The copy {at} in the {self.name} zone must not be used: {'; '.join(problems)}.",
                hint="Take another copy: realm vault show. This one can be removed: realm vault rm --zone",
            )
        return made

    def read(self, at: str, name: str, offset: int) -> Iterator[bytes]:
        """A file's bytes from an offset on; nothing where it is not there."""
        with self._in_words("read"):
            fs, root = self._open()
            path = posixpath.join(root, at, name)
            if not fs.exists(path):
                return
            with fs.open(path, "rb") as file:
                file.seek(offset)
                while chunk := file.read(CHUNK_BYTES):
                    yield bytes(chunk)

    def remove(self, at: str) -> None:
        """Remove a copy, its manifest first: half a copy is none."""
        with self._in_words("changed"):
            fs, root = self._open()
            target = posixpath.join(root, at)
            if fs.exists(posixpath.join(target, manifest.NAME)):
                fs.rm_file(posixpath.join(target, manifest.NAME))
            if fs.exists(target):
                fs.rm(target, recursive=True)

    def found(self) -> list[str]:
        """Every place in the zone that holds a sealed checkpoint."""
        with self._in_words("read"):
            fs, root = self._open()
            if not fs.exists(root):
                return []
            paths = [str(path) for path in fs.find(root) if posixpath.basename(str(path)) == manifest.NAME]
        inside = [posixpath.dirname(path)[len(root) :].strip("/") for path in paths]
        return sorted(at for at in inside if at.count("/") == 2)

    def _copy(self, fs: Any, source: Path, target: str, sha256: str | None) -> None:
        digest = hashlib.sha256()
        fs.makedirs(posixpath.dirname(target), exist_ok=True)
        with source.open("rb") as read, fs.open(target, "wb") as write:
            while chunk := read.read(CHUNK_BYTES):
                digest.update(chunk)
                write.write(chunk)
        if sha256 is not None and digest.hexdigest() != sha256:
            raise CheckpointError(
                f"{source.parent.name} must not be used: {source.name} was changed (its sha256 differs).",
                hint="See which ones are whole: realm vault verify",
            )
        if _is_local(fs):
            files.sync_file(Path(target))

    def _open(self) -> tuple[Any, str]:
        if self._opened is None:
            import fsspec  # noqa: PLC0415 - most commands open no zone

            url = self.url if "://" in self.url else str(Path(self.url).expanduser())
            try:
                self._opened = fsspec.core.url_to_fs(url, **self._options)
            except ImportError as error:
                raise MissingExtra(
                    f"The {self.name} zone at {self.url} needs a package that is not installed: {error}",
                    hint="Install what the message names, then try again.",
                ) from error
            except ValueError as error:
                raise UsageError(
                    f"storage.{self.name}.url is '{self.url}': {error}", hint="Give a folder, or an address of fsspec."
                ) from error
        return self._opened

    @contextmanager
    def _in_words(self, how: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ServiceError(
                f"The {self.name} zone at {self.url} cannot be {how}: {error}",
                hint=f"Look whether it can be reached; its address is storage.{self.name}.url.",
            ) from error


def _is_local(fs: Any) -> bool:
    protocol = fs.protocol if isinstance(fs.protocol, tuple | list) else (fs.protocol,)
    return "file" in protocol


def rooms(zones: Mapping[ZoneName, Zone], hot: Room) -> dict[ZoneName, Room]:
    """What limits each zone that there is."""
    found: dict[ZoneName, Room] = {"hot": hot}
    return found | {name: zone.room for name, zone in zones.items()}
