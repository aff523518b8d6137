"""What the page says about checkpoints: what there is, where it lies, where it comes from. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from realm.errors import UsageError
from realm.guild.ledger import GuildLedger
from realm.records import CampaignKey, CheckpointRecord
from realm.vault.catalogue import Location, Version
from realm.vault.figures import zone_figures
from realm.vault.forecast import Forecast
from realm.vault.keeper import Keeper
from realm.vault.layers import LayerDrift, LayerStats, layer_drift, layer_stats
from realm.vault.lineage import Lineage, lineage, read_manifest
from realm.vault.retention import Decision
from realm.vault.zones import Zone

ROWS = 50
SHOWN_ANCESTORS = 30
HERE = ("present", "stored")


@dataclass(frozen=True, slots=True)
class Row:
    """One checkpoint in the table."""

    id: str
    href: str
    campaign: str
    step: int
    created: float
    size_bytes: int
    levels: str
    accuracy: float | None
    state: str
    champion: bool
    zones: Sequence[str]
    damaged: bool
    versions: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """A page of the table: rows `first`..`last` of `total`; offsets of the pages beside it, or None."""

    rows: Sequence[Row]
    total: int
    first: int
    last: int
    newer: int | None
    older: int | None


@dataclass(frozen=True, slots=True)
class Planned:
    """What retention would do, shortly."""

    keep: Sequence[Decision]
    move: Sequence[Decision]
    drop: Sequence[Decision]
    freed_bytes: int


@dataclass(frozen=True, slots=True)
class Shown:
    """One checkpoint with everything that its page says."""

    record: CheckpointRecord
    path: str
    """Its id as a part of an address."""
    levels: str
    reason: str
    places: Sequence[Location]
    elsewhere: Sequence[str]
    """Zones that it could be copied to."""
    versions: Sequence[Version]
    lineage: Lineage
    files: Sequence[tuple[str, int, str]]
    figures: Sequence[tuple[str, float]]
    quests: Sequence[str]
    commit: str
    readable: bool
    may_promote: bool
    newest: bool


@dataclass(frozen=True, slots=True)
class Weights:
    """Statistics of the weights, and how far each layer moved from the parent where that can be told."""

    stats: Sequence[LayerStats]
    drift: Sequence[LayerDrift] = field(default_factory=tuple)
    parent: str = ""


class VaultReader:
    """Reads the vault for its pages."""

    def __init__(self, keeper: Keeper, guild: GuildLedger) -> None:
        self.keeper = keeper
        self._guild = guild

    def values(self, page: str, item: str) -> dict[str, Any]:
        """What the templates of the two pages need; `item` is where the table begins, or a checkpoint's id."""
        if page == "checkpoint":
            return {"checkpoint": self.checkpoint(item)}
        return {
            "table": self.table(int(item) if item.isdigit() else 0), "zones": zone_figures(self.keeper),
            "ahead": self.ahead(), "total_bytes": self.keeper.ledger.size_bytes(),
        }  # fmt: skip

    def table(self, offset: int = 0) -> Table:
        total, records = self.keeper.ledger.page(states=HERE, limit=ROWS, offset=offset)
        ids = [record.id for record in records]
        places, named = self.keeper.catalogue.locations(ids), self.keeper.catalogue.versions()
        rows = [self._row(record, places.get(record.id, ()), named) for record in records]
        return Table(
            rows, total, offset + 1 if rows else 0, offset + len(rows),
            max(0, offset - ROWS) if offset else None, offset + ROWS if offset + ROWS < total else None,
        )  # fmt: skip

    def ahead(self) -> Forecast:
        keeper = self.keeper
        return keeper.disk.forecast(keeper.storage.free_bytes(), min_free_bytes=keeper.policy.min_free_bytes)

    def planned(self) -> Planned:
        """What retention would do now in all campaigns."""
        plan = self.keeper.plan()
        drop, move = plan.of("drop"), plan.of("move")
        freed = sum(one.size_bytes for one in [*drop, *move] if one.zone == "hot")
        return Planned(plan.of("keep"), move, drop, freed)

    def checkpoint(self, checkpoint: str) -> Shown:
        """Raises CheckpointError and UsageError for what is none."""
        if "@" not in checkpoint:
            version = self.keeper.catalogue.named(checkpoint)
            if version is None:
                raise UsageError(f"There is no checkpoint '{checkpoint}'.", hint="See them all on the vault's page.")
            checkpoint = version.checkpoint
        record = self.keeper.ledger.get(checkpoint)
        key = CampaignKey(record.hero, record.campaign)
        campaign, made = self._guild.campaign(key), read_manifest(self.keeper, record)
        newest = self.keeper.ledger.newest(key)
        places = self.keeper.catalogue.locations([record.id]).get(record.id, [])
        zones: dict[str, Zone] = {str(name): zone for name, zone in self.keeper.storage.zones.items()}
        return Shown(
            record=record, path=quote(record.id, safe=""), levels=_levels(record),
            reason=self.keeper.ledger.reason(record.id), places=places,
            elsewhere=[name for name in zones if all(place.zone != name for place in places)],
            versions=self.keeper.catalogue.versions(record.id),
            lineage=lineage(
                self.keeper, record, began_with=campaign.starting_checkpoint if campaign else "",
                begun=self._guild.begun_from().get(record.id, ""), limit=SHOWN_ANCESTORS,
            ),
            files=[(name, entry.size_bytes, entry.sha256) for name, entry in made.files.items()] if made else [],
            figures=[(name, value) for name, value in record.metrics.items() if isinstance(value, int | float)],
            quests=made.lineage.quests if made else [], commit=made.git_commit if made else "",
            readable=made is not None,
            may_promote=record.state == "present" and record.accuracy is not None and not record.champion,
            newest=newest is not None and newest.id == record.id,
        )  # fmt: skip

    def weights(self, checkpoint: str) -> Weights:
        """Read all weights: seconds per gigabyte. Raises CheckpointError and MissingExtra."""
        record = self.keeper.ledger.get(checkpoint)
        with self.keeper.leases.reading(record.id, "layers"):
            stats = layer_stats(self.keeper.folder(record))
            parent = self.keeper.ledger.find(record.parent) if record.parent else None
            if parent is None or parent.state != "present":
                return Weights(stats)
            drift = layer_drift(self.keeper.folder(parent), self.keeper.folder(record))
            return Weights(stats, [drift.whole, *drift.by_layer()], parent.id)

    def _row(self, record: CheckpointRecord, places: Sequence[Location], named: Sequence[Version]) -> Row:
        return Row(
            record.id, f"/checkpoint/{quote(record.id, safe='')}", f"{record.hero}:{record.campaign}", record.step,
            record.created, record.size_bytes, _levels(record), record.accuracy, record.state, record.champion,
            [place.zone for place in places], any(place.state in {"damaged", "missing"} for place in places),
            [version.name for version in named if version.checkpoint == record.id],
        )  # fmt: skip


def _levels(record: CheckpointRecord) -> str:
    return ", ".join(f"{skill.upper()} {level}" for skill, level in sorted(record.levels.items())) or "–"
