"""Where a checkpoint comes from and what came of it. Reads ledger and manifests; changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from realm.errors import CheckpointError
from realm.records import CampaignKey, CheckpointRecord
from realm.vault import manifest
from realm.vault.keeper import Keeper
from realm.vault.manifest import Manifest

SHOWN_STEPS = 200


@dataclass(frozen=True, slots=True)
class Ancestor:
    """One checkpoint on the way back. What is no longer known of it is empty."""

    id: str
    step: int
    state: str
    """As in the ledger; `unknown` where no row is left."""
    run: str = ""
    quests: Sequence[str] = ()
    """sha256 of each quest that was trained between its parent and it."""
    configuration_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Lineage:
    """The way back, newest first, and the ways forward."""

    back: Sequence[Ancestor]
    began_with: str
    """What the first of them began with: the checkpoint of a New Game+, or nothing."""
    children: Sequence[str]
    exports: Sequence[tuple[str, str]]
    """Name and folder."""
    versions: Sequence[str]
    served_as: Sequence[str]
    """The names by which it can be asked for."""
    begun: str
    """The campaign that began with it, in words."""


def lineage(
    keeper: Keeper, record: CheckpointRecord, *, began_with: str = "", begun: str = "", limit: int = SHOWN_STEPS
) -> Lineage:
    """The lineage of a checkpoint; `began_with` and `begun` are what the campaigns know of it."""
    back = [ancestor(keeper, record)]
    seen, current = {record.id}, record
    while current.parent and current.parent not in seen and len(back) < limit:
        seen.add(current.parent)
        found = keeper.ledger.find(current.parent)
        if found is None:
            back.append(Ancestor(current.parent, _step(current.parent), "unknown"))
            break
        current = found
        back.append(ancestor(keeper, current))
    made = keeper.catalogue.made_of(record.id)
    places = keeper.catalogue.locations(each.id for each in made)
    return Lineage(
        back=back, began_with=began_with if not current.parent else "",
        children=[child.id for child in keeper.ledger.children(record.id)],
        exports=[(each.name, place.path) for each in made for place in places.get(each.id, ())],
        versions=[version.name for version in keeper.catalogue.versions(record.id)],
        served_as=served_names(keeper, record), begun=begun,
    )  # fmt: skip


def ancestor(keeper: Keeper, record: CheckpointRecord) -> Ancestor:
    """What is known of one checkpoint: its row always, its manifest while it lies in the workspace."""
    made = read_manifest(keeper, record)
    if made is None:
        return Ancestor(record.id, record.step, record.state, record.run)
    return Ancestor(record.id, record.step, record.state, record.run, made.lineage.quests, made.configuration_sha256)


def read_manifest(keeper: Keeper, record: CheckpointRecord) -> Manifest | None:
    """The manifest of a checkpoint that lies in the workspace or in quarantine; None where it cannot be read."""
    folder = keeper.folder(record) if record.state in {"present", "stored"} else Path(record.path)
    try:
        return manifest.read(folder)
    except CheckpointError:
        return None


def served_names(keeper: Keeper, record: CheckpointRecord) -> list[str]:
    """The names by which the checkpoint can be asked for now; none while it is not in the workspace."""
    if record.state != "present":
        return []
    key = CampaignKey(record.hero, record.campaign)
    newest = keeper.ledger.newest(key)
    names = [record.id]
    names += [f"{key}:champion"] if record.champion else []
    return names + ([f"{key}:latest"] if newest and newest.id == record.id else [])


def quests_between(back: Sequence[Ancestor], older: str) -> list[str] | None:
    """sha256 of the quests trained since `older`, oldest first; None when it is no ancestor."""
    found: list[str] = []
    for each in back:
        if each.id == older:
            return found[::-1]
        found += reversed(each.quests)
    return None


def _step(checkpoint: str) -> int:
    step = checkpoint.rpartition("@")[2]
    return int(step) if step.isdigit() else 0
