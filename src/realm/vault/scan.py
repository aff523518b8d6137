"""Looks what there is: checkpoints in the zones, base models, datasets and exports. Deletes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from realm.errors import CheckpointError, ServiceError
from realm.records import CheckpointRecord
from realm.vault.catalogue import Asset, Catalogue, Kind, Location
from realm.vault.keeper import Keeper
from realm.vault.zones import Zone
from realm.workspace import QUEUE_STATES, Workspace

WEIGHTS = ("*.safetensors", "*.gguf")


@dataclass(slots=True)
class Scanned:
    """What a look around has shown."""

    found: list[str] = field(default_factory=list)
    """Ids that were not known before, or not known to lie there."""
    missing: list[str] = field(default_factory=list)
    """Ids that are not where they were."""
    refused: list[str] = field(default_factory=list)
    """What looks like a checkpoint and is none, with the reason."""
    unreachable: list[str] = field(default_factory=list)


def scan(workspace: Workspace, keeper: Keeper) -> Scanned:
    """Enter into the catalogue what lies in the zones and in the workspace, and mark what is gone."""
    seen = Scanned()
    for name, zone in keeper.storage.zones.items():
        try:
            _scan_zone(keeper, name, zone, seen)
        except ServiceError as error:
            seen.unreachable.append(error.message)
    for kind, path in _files_of(workspace):
        _enter(keeper.catalogue, kind, path, "hot", seen)
    _look_for_gone(keeper.catalogue, seen)
    return seen


def enter_export(catalogue: Catalogue, record: CheckpointRecord, folder: Path) -> Asset:
    """Remember what was made of a checkpoint, and where."""
    place = folder.resolve()
    suffix = hashlib.sha256(str(place).encode()).hexdigest()[:8]
    sha256, size_bytes = fingerprint(place)
    asset = Asset(f"export:{place.name}-{suffix}"[:250], "export", place.name[:200], size_bytes, sha256, record.id,
                  place.stat().st_mtime)  # fmt: skip
    catalogue.put(asset, Location(asset.id, "elsewhere", str(place), "verified", asset.created))
    return asset


def fingerprint(path: Path) -> tuple[str, int]:
    """sha256 of a file, or of the names and sha256 of a folder's files; and bytes."""
    if path.is_file():
        return _sha256(path), path.stat().st_size
    whole, size_bytes = hashlib.sha256(), 0
    for file in sorted(each for each in path.rglob("*") if each.is_file() and not each.is_symlink()):
        whole.update(f"{file.relative_to(path).as_posix()} {_sha256(file)}\n".encode())
        size_bytes += file.stat().st_size
    return whole.hexdigest(), size_bytes


def _scan_zone(keeper: Keeper, name: str, zone: Zone, seen: Scanned) -> None:
    lying = set()
    for at in zone.found():
        try:
            made = zone.manifest(at)
        except CheckpointError as error:
            seen.refused.append(f"{name}: {error.message}")
            continue
        if zone.place(made.key, at.rpartition("/")[2]) != at:
            seen.refused.append(f"{name}: {at} holds {made.id}, which belongs elsewhere.")
            continue
        lying.add(made.id)
        places = keeper.catalogue.locations([made.id]).get(made.id, [])
        if not any(place.zone == name and place.path == at for place in places):
            keeper.ledger.found(made, name, at)
            seen.found.append(made.id)
    for asset, places in keeper.catalogue.all_locations().items():
        if asset not in lying and any(place.zone == name and place.state != "missing" for place in places):
            keeper.catalogue.mark(asset, name, "missing", "it is not where it was")
            seen.missing.append(asset)


def _files_of(workspace: Workspace) -> Iterator[tuple[Kind, Path]]:
    """Base models and quest files of a workspace."""
    folders = sorted(workspace.models.iterdir()) if workspace.models.is_dir() else []
    for folder in folders:
        plain = folder.is_dir() and not folder.is_symlink() and not folder.name.startswith(".")
        if plain and any(next(folder.glob(pattern), None) for pattern in WEIGHTS):
            yield "base_model", folder
    for state in QUEUE_STATES:
        for file in sorted(workspace.queue(state).glob("*.jsonl")):
            if file.is_file() and not file.is_symlink():
                yield "dataset", file


def _enter(catalogue: Catalogue, kind: Kind, path: Path, zone: str, seen: Scanned) -> None:
    """Hash what is new or has another size; the rest is as it was."""
    name = f"{kind}:{path.name}"[:250]
    known, places = catalogue.find(name), catalogue.locations([name]).get(name, [])
    size_bytes = path.stat().st_size if path.is_file() else sum(f.stat().st_size for f in path.rglob("*"))
    same_place = any(place.path == str(path) and place.state == "verified" for place in places)
    if known is not None and same_place and (kind == "base_model" or known.size_bytes == size_bytes):
        return
    sha256, size_bytes = fingerprint(path)
    made = path.stat().st_mtime
    catalogue.put(
        Asset(name, kind, path.name[:200], size_bytes, sha256, created=made),
        Location(name, zone, str(path), "verified", made),
    )
    if known is None:
        seen.found.append(name)


def _look_for_gone(catalogue: Catalogue, seen: Scanned) -> None:
    for asset, places in catalogue.all_locations().items():
        for place in places:
            mine = asset.partition(":")[0] in {"base_model", "dataset", "export"}
            if mine and place.state != "missing" and not Path(place.path).exists():
                catalogue.mark(asset, place.zone, "missing", "it is not where it was")
                seen.missing.append(asset)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
