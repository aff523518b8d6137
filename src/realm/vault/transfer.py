"""A checkpoint's files received from anywhere: hashed as they come, taken up again where cut off. Knows no network.

The folder appears whole by one rename, or not at all. Nothing that is received is trusted: neither names nor bytes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from realm.errors import CheckpointError, DiskFull
from realm.vault import files, manifest
from realm.vault.manifest import FileEntry, Manifest

CHUNK_BYTES = 1 << 20
MAX_MANIFEST_BYTES = 8_000_000
Read = Callable[[str, int], Iterator[bytes]]
"""The bytes of a file of a checkpoint, from an offset on."""
Told = Callable[[int], None]


def unheard(_size_bytes: int) -> None:
    """Nobody wants to know how much has come."""


def receive(made: Manifest, read: Read, staging: Path, target: Path, *, told: Told = unheard) -> None:
    """Bring a checkpoint's files into `staging`, which may hold a part of them, and rename it to `target`.

    Both must lie on one file system. Raises CheckpointError where bytes are not those that were sealed, DiskFull.
    """
    if target.exists():
        raise CheckpointError(f"{target} exists already; a sealed checkpoint is never overwritten.")
    require_harmless(made)
    _require_room(made, staging)
    staging.mkdir(parents=True, exist_ok=True)
    for name, entry in made.files.items():
        _receive_file(staging / name, name, entry, read, told)
    (staging / manifest.NAME).write_bytes(manifest.encode(made))
    files.sync_tree(staging)
    target.parent.mkdir(parents=True, exist_ok=True)
    os.rename(staging, target)
    files.sync_folder(target.parent)


def require_harmless(made: Manifest) -> None:
    """Raises CheckpointError when a foreign manifest names files that can run code when they are loaded."""
    if refused := sorted(filter(files.can_run_code, made.files)):
        raise CheckpointError(
            f"{made.id} names {', '.join(refused)}, which can run code when loaded; it is not taken.",
            hint="Weights belong into safetensors.",
        )


def _require_room(made: Manifest, staging: Path) -> None:
    place = next(folder for folder in (staging, *staging.parents) if folder.exists())
    if shutil.disk_usage(place).free < made.size_bytes:
        raise DiskFull(
            f"{made.id} has {made.size_bytes:,} bytes, and the disk has less room than that.",
            hint="See what may go: realm vault retain --dry-run",
        )


def _receive_file(path: Path, name: str, entry: FileEntry, read: Read, told: Told) -> None:
    if path.is_file() and path.stat().st_size == entry.size_bytes and _sha256(path) == entry.sha256:
        told(entry.size_bytes)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    digest = hashlib.sha256()
    begun = part.stat().st_size if part.is_file() else 0
    if begun > entry.size_bytes:
        part.unlink()
        begun = 0
    if begun:
        with part.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
        told(begun)
    with part.open("ab") as file:
        size = begun
        for chunk in read(name, begun) if begun < entry.size_bytes else ():
            size += len(chunk)
            if size > entry.size_bytes:
                break
            digest.update(chunk)
            file.write(chunk)
            told(len(chunk))
    if size < entry.size_bytes:
        raise CheckpointError(
            f"{name} broke off after {size:,} of {entry.size_bytes:,} bytes.",
            hint="Give the same command again: it goes on from there.",
        )
    if size != entry.size_bytes or digest.hexdigest() != entry.sha256:
        part.unlink()
        raise CheckpointError(
            f"{name} arrived damaged (its sha256 differs from the manifest's).",
            hint="Give the same command again. If it happens again, the source is damaged: verify it there.",
        )
    os.replace(part, path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
