"""A checkpoint folder: sealed so that a kill at any moment leaves it whole or absent. Knows no database.

Order of a save: everything into a hidden sibling folder, each file hashed and synced, the folder renamed into place,
`realm.json` last by temporary file and rename. A folder without a manifest is no checkpoint.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from realm.errors import CheckpointError, DiskFull
from realm.vault import manifest as manifests
from realm.vault.manifest import FileEntry, Manifest, ManifestFacts

_FOLDER = re.compile(r"checkpoint-(\d+)-(\d{8}-\d{4})")
_PARTIAL = re.compile(rf"\.{_FOLDER.pattern}\.(partial|dropped)")
_RUNS_CODE = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz", ".py")
_STATE_FILES = re.compile(r"(optimizer|scheduler|scaler)\.pt|rng_state(_\d+)?\.pth")  # read with weights_only=True
_NEVER_LOADED = re.compile(r"(.*/)?(\.[^/]*|[^/]*\.md)")
RESUME_FILES = ("realm.json", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json",
                "own_weights.safetensors", "quest_state.safetensors")  # fmt: skip
"""Files of a checkpoint that only going on in its campaign needs."""
_HASHING_THREADS = 4  # syncs of several files overlap; hashing leaves the interpreter's lock

Step = Callable[[str], None]


def unwatched(_step: str) -> None:
    """Nobody wants to know how far a save is."""


def name(step: int, when: datetime) -> str:
    """The folder name of a checkpoint: `checkpoint-{step}-{YYYYMMDD}-{HHMM}`."""
    return f"checkpoint-{step}-{when:%Y%m%d-%H%M}"


def order(folder: Path) -> tuple[int, str] | None:
    """Step (as a number) and minute of a folder name, for sorting; None when it is no checkpoint's name."""
    match = _FOLDER.fullmatch(folder.name)
    return (int(match[1]), match[2]) if match else None


def folders(parent: Path) -> list[Path]:
    """The folders that are named like checkpoints, oldest step first, sealed or not."""
    found = [(place, path) for path in _entries(parent) if (place := order(path)) and path.is_dir()]
    return [path for _, path in sorted(found)]


def is_sealed(folder: Path) -> bool:
    """Whether the last step of a save was reached. Says nothing about damage done later: see `verify`."""
    return (folder / manifests.NAME).is_file()


def seal(folder: Path, write: Callable[[Path], None], facts: ManifestFacts, *, at: Step = unwatched) -> Manifest:
    """Make a checkpoint at `folder` out of what `write` puts into the folder it is given.

    `at` is told each step as it is reached. Raises DiskFull, CheckpointError, and whatever `write` raises; the
    folder is then absent.
    """
    if folder.exists():
        raise CheckpointError(f"{folder} exists already; a sealed checkpoint is never overwritten.")
    staging = folder.with_name(f".{folder.name}.partial")
    with _absent_on_error(staging, folder):
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        at("made")
        write(staging)
        at("written")
        entries = _sync_and_hash(staging)
        at("synced")
        made = manifests.assemble(facts, entries)
        os.rename(staging, folder)
        sync_folder(folder.parent)
        at("renamed")
        _write_manifest(folder, made, at)
        at("sealed")
    return made


def verify(folder: Path) -> Manifest:
    """The manifest of a checkpoint of which every byte is as it was sealed. Raises CheckpointError in words."""
    if folder.is_symlink() or not folder.is_dir():
        raise CheckpointError(f"{folder} is no folder.", hint="See what there is: realm vault ls")
    manifest = manifests.read(folder)
    try:
        present = _walk(folder)
        problems = [*_differing(present, manifest.files), *_changed(present, manifest.files)]
    except OSError as error:
        problems = [f"{error.filename or folder} cannot be read: {error.strerror}"]
    if problems:
        raise CheckpointError(
            f"{folder.name} must not be used: {'; '.join(problems)}.",
            hint="The checkpoint before it is used instead. See: realm vault ls",
        )
    return manifest


def sweep(parent: Path) -> list[Path]:
    """Remove what was never sealed or already dropped. Only for the process that saves in `parent`.

    Returns what was removed.
    """
    unsealed = [path for path in folders(parent) if not is_sealed(path) and not path.is_symlink()]
    hidden = [path for path in _entries(parent) if _PARTIAL.fullmatch(path.name)]
    for path in [*unsealed, *hidden]:
        shutil.rmtree(path)
    return [*unsealed, *hidden]


def drop(folder: Path) -> None:
    """Remove a checkpoint so that a kill in between never leaves half of one. Absent folders are fine."""
    aside = folder.with_name(f".{folder.name}.dropped")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        os.rename(folder, aside)
    except FileNotFoundError:
        return
    shutil.rmtree(aside)


@contextmanager
def _absent_on_error(*places: Path) -> Iterator[None]:
    """Leave nothing half-written behind, and say a full disk in words."""
    try:
        yield
    except BaseException as error:
        for place in places:
            shutil.rmtree(place, ignore_errors=True)
        if _disk_full(error):
            raise DiskFull(
                f"The disk is full: the checkpoint {places[-1].name} was not saved; nothing half-written is kept.",
                hint="Free some room (old checkpoints: realm vault retain), then go on.",
            ) from error
        raise


def _disk_full(error: BaseException) -> bool:
    """Libraries written in Rust or C++ report a full disk in words of their own."""
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    return "os error 28" in str(error) or "No space left" in str(error)


def _write_manifest(folder: Path, manifest: Manifest, at: Step) -> None:
    partial = folder / f".{manifests.NAME}.partial"
    with partial.open("wb") as file:
        file.write(manifests.encode(manifest))
        file.flush()
        os.fsync(file.fileno())
    at("manifest written")
    os.replace(partial, folder / manifests.NAME)
    sync_folder(folder)


def _sync_and_hash(root: Path) -> dict[str, FileEntry]:
    """Every file made durable, and what it must be from now on. Raises CheckpointError for what is never sealed."""
    present = _walk(root)
    if not present:
        raise CheckpointError("There is nothing to seal: no file was written.")
    if refused := sorted(filter(can_run_code, present)):
        raise CheckpointError(
            f"{', '.join(refused)} can run code when loaded; it is not sealed.", hint="Weights belong into safetensors."
        )
    with ThreadPoolExecutor(_HASHING_THREADS) as pool:
        entries = dict(zip(present, pool.map(_entry, present.values(), [True] * len(present)), strict=True))
    for folder in {path.parent for path in present.values()} | {root}:
        sync_folder(folder)
    return entries


def _entry(path: Path, sync: bool = False) -> FileEntry:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with open(descriptor, "rb", buffering=0) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if sync:
            os.fsync(descriptor)
        return FileEntry(size_bytes=os.fstat(descriptor).st_size, sha256=digest)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make a file's bytes durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(root: Path) -> None:
    """Make everything below a folder durable."""
    for entry in root.rglob("*"):
        (sync_folder if entry.is_dir() else sync_file)(entry)
    sync_folder(root)


def _walk(root: Path) -> dict[str, Path]:
    """The files under a checkpoint by their name inside it. Raises CheckpointError for links and devices."""
    found: dict[str, Path] = {}
    for entry in sorted(root.rglob("*")):
        mode = entry.lstat().st_mode
        inside = entry.relative_to(root).as_posix()
        if stat.S_ISREG(mode):
            found[inside] = entry
        elif not stat.S_ISDIR(mode):
            raise CheckpointError(
                f"{root.name} must not be used: {inside} is a link or a device, not a plain file.",
                hint="Weights are read from plain files only.",
            )
    return found


def _differing(present: Mapping[str, Path], sealed: Mapping[str, FileEntry]) -> Iterator[str]:
    yield from (f"{missing} is missing" for missing in sealed if missing not in present)
    for extra in present:
        if extra not in sealed and extra != manifests.NAME and not _NEVER_LOADED.fullmatch(extra):
            risk = " and can run code when loaded" if can_run_code(extra) else ""
            yield f"{extra} was added after sealing{risk}"


def _changed(present: Mapping[str, Path], sealed: Mapping[str, FileEntry]) -> Iterator[str]:
    for inside, entry in sealed.items():
        if inside not in present:
            continue
        size = present[inside].stat().st_size
        if size != entry.size_bytes:
            yield f"{inside} has {size:,} bytes instead of {entry.size_bytes:,}"
        elif _entry(present[inside]).sha256 != entry.sha256:
            yield f"{inside} was changed (its sha256 differs)"


def can_run_code(inside: str) -> bool:
    """Whether a file of that name may be a pickle or a program; the states that are read as data alone are not."""
    return inside.endswith(_RUNS_CODE) and not _STATE_FILES.fullmatch(inside)


def _entries(parent: Path) -> list[Path]:
    return list(parent.iterdir()) if parent.is_dir() else []
