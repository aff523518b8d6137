"""Whether the newest checkpoint and the champion can be trusted. Reads weights as bytes; imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from realm.errors import CheckpointError, RealmError
from realm.records import CheckpointRecord
from realm.temple.check import Check, Finding, fail, ok, skip
from realm.temple.scene import Scene
from realm.temple.tensors import not_finite
from realm.vault import files, manifest

NONE = "no checkpoint yet"
QUICK_BYTES = 200_000_000
"""After a run no more than this is read."""
GO_BACK = (
    "Do not go on from it. The hero sets it aside and uses the one before when it wakes: realm stop-all, start-all"
)
RESUME_FILES = (manifest.NAME, "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")


def complete(scene: Scene) -> Finding:
    """Every file of the manifest is there in its size. Reads no file but the manifest."""
    records = _records(scene)
    if not records:
        return skip(NONE, "Let the hero train: realm play")
    for record in records:
        folder = scene.keeper.folder(record)
        try:
            content = manifest.read(folder)
        except CheckpointError as error:
            return fail(f"{record.id}: {error.message}", "a sealed manifest", GO_BACK)
        wrong = [name for name, entry in content.files.items() if _size(folder / name) != entry.size_bytes]
        missing = [name for name in RESUME_FILES if name != manifest.NAME and name not in content.files]
        if wrong:
            return fail(f"{record.id}: {', '.join(wrong)} missing or of another size", "all files whole", GO_BACK)
        if missing:
            return fail(f"{record.id} was sealed without {', '.join(missing)}", "all that going on needs", GO_BACK)
    return ok(_names(records), "all files in their sizes", value=len(records))


def hashes(scene: Scene) -> Finding:
    """Every byte is as it was sealed."""
    records = _within(scene, _records(scene))
    if not records:
        return skip(NONE if not scene.newest else "too big to be read after each run: realm temple checkpoint")
    for record in records:
        try:
            files.verify(scene.keeper.folder(record))
        except CheckpointError as error:
            return fail(f"{record.id}: {error.message}", "every byte as sealed", GO_BACK)
    return ok(_names(records), "every byte as sealed", value=sum(record.size_bytes for record in records))


def finite(scene: Scene) -> Finding:
    """No number of the weights is NaN or infinite."""
    records, seen = _within(scene, _records(scene)), 0
    if not records:
        return skip(NONE if not scene.newest else "too big to be read after each run: realm temple checkpoint")
    for record in records:
        for weights in sorted(scene.keeper.folder(record).glob("*.safetensors")):
            found = not_finite(weights)
            seen += found.numbers
            if found.tensors:
                name, count = next(iter(found.tensors.items()))
                words = f"{record.id}: {count} numbers of {name} are not finite ({len(found.tensors)} tensors in all)"
                return fail(words, "none", f"{GO_BACK}. Which batch did it: realm autopsy", value=count)
    return ok(f"{seen:,} numbers in {_names(records)}", "none NaN or infinite", value=seen)


def resumes(scene: Scene) -> Finding:
    """The newest one opens as training opens it: model, optimizer, schedule, random state."""
    record = scene.newest
    if record is None:
        return skip(NONE, "Let the hero train: realm play")
    if scene.reopen is None:
        return skip("needs the training packages: ask on the command line", "realm temple checkpoint")
    folder = scene.keeper.folder(record)
    try:
        scene.reopen(scene.resolved, folder, manifest.read(folder).progress)
    except RealmError as error:
        return fail(f"{record.id}: {error.message}", "it opens", error.hint or GO_BACK)
    return ok(f"{record.id} opens for training", "it opens")


def _records(scene: Scene) -> list[CheckpointRecord]:
    """The newest and the champion, each once."""
    found = [record for record in (scene.newest, scene.champion) if record is not None]
    return list({record.id: record for record in found}.values())


def _within(scene: Scene, records: Sequence[CheckpointRecord]) -> list[CheckpointRecord]:
    """Those that may be read whole now."""
    return [record for record in records if scene.thorough or record.size_bytes <= QUICK_BYTES]


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() and not path.is_symlink() else -1


def _names(records: Sequence[CheckpointRecord]) -> str:
    return ", ".join(_shown(records))


def _shown(records: Sequence[CheckpointRecord]) -> Iterator[str]:
    for record in records:
        yield f"{record.id}{' (champion)' if record.champion else ''}"


CHECKS = (
    Check("complete", "checkpoint", "all files are there in their sizes", complete),
    Check("hashes", "checkpoint", "every byte is as it was sealed", hashes),
    Check("finite", "checkpoint", "no weight is NaN or infinite", finite),
    Check("resumes", "checkpoint", "it opens as training opens it", resumes, cheap=False),
)
