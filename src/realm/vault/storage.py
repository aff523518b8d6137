"""Moves checkpoints between the zones and carries out what retention planned. Decides nothing itself.

A copy is removed only when another one was read back and found whole, or when the plan says that it shall go.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from realm.config.schema import RetentionSettings
from realm.errors import CheckpointError, MissingExtra, ServiceError, UsageError
from realm.records import CampaignKey, CheckpointRecord
from realm.vault import files, retention, transfer, zones
from realm.vault.catalogue import Catalogue, Location
from realm.vault.leases import Leases
from realm.vault.ledger import CheckpointLedger
from realm.vault.manifest import Manifest
from realm.vault.retention import Decision, Holding, Plan, Room, ZoneName
from realm.vault.transfer import Told, unheard
from realm.vault.zones import Zone
from realm.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a plan. `failed` holds what could not be done, with the reason; it stays where it was."""

    plan: Plan
    failed: Sequence[tuple[Decision, str]] = field(default_factory=list)


class Storage:
    """The zones of one workspace, brought together with its ledger."""

    def __init__(
        self,
        workspace: Workspace,
        ledger: CheckpointLedger,
        catalogue: Catalogue,
        leases: Leases,
        there_are: Mapping[ZoneName, Zone],
        *,
        begun: Callable[[], Mapping[str, str]] = dict,
        free_bytes: Callable[[], int] | None = None,
    ) -> None:
        """`begun` tells which checkpoints something lives on that began with them, in words."""
        self._workspace = workspace
        self._ledger = ledger
        self.catalogue = catalogue
        self.leases = leases
        self.zones = dict(there_are)
        self._begun = begun
        self.free_bytes = free_bytes or (lambda: shutil.disk_usage(workspace.root).free)

    # -- looking -------------------------------------------------------------------------------------------
    def folder(self, record: CheckpointRecord) -> Path:
        """Where a checkpoint lies, or would lie, in the workspace."""
        return self._workspace.checkpoints(record.hero, record.campaign) / Path(record.path).name

    def holdings(self) -> list[Holding]:
        """Every checkpoint of which there is a copy, as retention sees it."""
        places, readers = self.catalogue.all_locations(), self.leases.readers()
        names = {version.checkpoint: version.name for version in reversed(self.catalogue.versions())}
        begun = {**self.catalogue.origins(), **self._begun()}
        return [
            Holding(
                record, _zones(record, places.get(record.id, ())), skills, read_by=readers.get(record.id, ""),
                version=names.get(record.id, ""), begun=begun.get(record.id, ""),
            )
            for record, skills in self._ledger.held()
        ]  # fmt: skip

    def plan(
        self, policy: RetentionSettings, judged: Sequence[CampaignKey] | None = None, *, needed_bytes: int = 0
    ) -> Plan:
        """What retention would do now; `needed_bytes` are about to be written."""
        hot = Room(policy.max_bytes, self.free_bytes(), policy.min_free_bytes + needed_bytes)
        return retention.plan(self.holdings(), policy, zones.rooms(self.zones, hot), judged=judged)

    # -- doing ---------------------------------------------------------------------------------------------
    def carry_out(self, plan: Plan) -> Done:
        """Do what is planned. What a zone or a reader stands against stays, and is told."""
        failed: list[tuple[Decision, str]] = []
        for decision in plan.decisions:
            if decision.action == "keep":
                continue
            record = self._ledger.get(decision.checkpoint)
            try:
                if decision.to:
                    self.copy(record, decision.to)
                self.remove(record, decision.zone, decision.reason)
            except (CheckpointError, ServiceError, MissingExtra) as error:
                failed.append((decision, error.message))
        return Done(plan, failed)

    def copy(self, record: CheckpointRecord, to: ZoneName) -> Location:
        """Bring a verified copy from the workspace into a zone. Raises CheckpointError and ServiceError."""
        zone, folder = self.zone(to), self.folder(record)
        with self.leases.reading(record.id, f"copying to {to}"):
            made = files.verify(folder)
            _require_same(made, record)
            at = zone.place(CampaignKey(record.hero, record.campaign), folder.name)
            zone.put(folder, at)
        return self._ledger.copied(record.id, to, at)

    def remove(self, record: CheckpointRecord, zone: ZoneName, reason: str) -> None:
        """Remove one copy. Raises CheckpointError while somebody reads the checkpoint."""
        with self.leases.removing(record.id) as free:
            if not free:
                raise CheckpointError(
                    f"{record.id} is being read ({self.leases.readers().get(record.id, 'somebody')}).",
                    hint="Try again when that has ended.",
                )
            if zone == "hot":
                files.drop(self.folder(record))
            else:
                place = self.place(record, zone)
                self.zone(zone).remove(place.path)
            self._ledger.left(record.id, zone, reason)

    def copies(self, record: CheckpointRecord, zone: str = "") -> list[ZoneName]:
        """The zones in which a checkpoint lies, or the one that is named. Raises CheckpointError for none."""
        held = next((one for one in self.holdings() if one.id == record.id), None)
        found = [] if held is None else [name for name in held.zones if zone in {"", name}]
        if not found:
            where = f" in the {zone} zone" if zone else ""
            raise CheckpointError(f"There is no copy of {record.id}{where}.", hint="See: realm vault ls --all")
        return found

    def delete(self, record: CheckpointRecord, zones: Sequence[ZoneName], reason: str) -> Sequence[ZoneName]:
        """Remove some copies because a person says so. Raises CheckpointError for a campaign's last whole one."""
        held = self.holdings()
        stay = [
            one
            for one in held
            if (one.record.hero, one.record.campaign) == (record.hero, record.campaign)
            and any(whole and (one.id != record.id or zone not in zones) for zone, whole in one.zones.items())
        ]
        if not stay:
            raise CheckpointError(
                f"{record.id} is the last whole checkpoint of {record.hero}:{record.campaign}; it stays.",
                hint="To let a campaign begin anew, with a backup: realm reset --level campaign",
            )
        for zone in zones:
            self.remove(record, zone, reason)
        return zones

    def fetch(self, record: CheckpointRecord, source: ZoneName | None = None, *, told: Told = unheard) -> Path:
        """Bring a checkpoint back into the workspace from a zone, the warmest that has a whole copy.

        Raises CheckpointError when there is none or when it is damaged: its place is then marked, and another is tried.
        """
        if record.state == "present":
            return self.folder(record)
        places = [
            place
            for place in self.catalogue.locations([record.id]).get(record.id, ())
            if place.zone != "hot" and (source is None or place.zone == source)
        ]
        problems: list[str] = []
        for place in sorted(places, key=lambda each: not each.whole):
            try:
                return self._fetch(record, place, told)
            except CheckpointError as error:
                self.catalogue.mark(record.id, place.zone, "damaged", error.message)
                problems.append(error.message)
        why = f": {' '.join(problems)}" if problems else "."
        raise CheckpointError(f"{record.id} has no whole copy in any zone{why}", hint="See: realm vault show")

    def verify(self, record: CheckpointRecord, zone: ZoneName) -> str:
        """Compare every byte of one copy and remember the outcome. Returns what is wrong with it, or nothing."""
        try:
            if zone == "hot":
                made = files.verify(self.folder(record))
            else:
                made = self.zone(zone).verify(self.place(record, zone).path)
            _require_same(made, record)
        except CheckpointError as error:
            self.catalogue.mark(record.id, zone, "damaged", error.message)
            return error.message
        self.catalogue.mark(record.id, zone, "verified")
        return ""

    def zone(self, name: str) -> Zone:
        """Raises UsageError when there is no such zone."""
        for each, zone in self.zones.items():
            if each == name:
                return zone
        known = ", ".join(["hot", *self.zones])
        raise UsageError(
            f"There is no zone '{name}' (there are: {known}).",
            hint="Give it an address in realm.toml: [storage.warm] url = ...",
        )

    def place(self, record: CheckpointRecord, zone: str) -> Location:
        """Where a copy lies in a zone. Raises CheckpointError when none does."""
        for place in self.catalogue.locations([record.id]).get(record.id, ()):
            if place.zone == zone:
                return place
        raise CheckpointError(f"{record.id} does not lie in the {zone} zone.", hint="See: realm vault show")

    def _fetch(self, record: CheckpointRecord, place: Location, told: Told) -> Path:
        zone = self.zone(place.zone)
        made = zone.manifest(place.path)
        _require_same(made, record)
        folder = self.folder(record)
        staging = self._workspace.incoming / f"{record.hero}-{record.campaign}-{folder.name}"
        transfer.receive(made, lambda name, offset: zone.read(place.path, name, offset), staging, folder, told=told)
        self._ledger.arrived(record.id, folder, source=f"the {place.zone} zone")
        return folder


def _zones(record: CheckpointRecord, places: Sequence[Location]) -> dict[ZoneName, bool]:
    """A checkpoint that the ledger takes for present lies in the workspace, also where nobody noted so."""
    found: dict[ZoneName, bool] = {"hot": True} if record.state == "present" else {}
    for place in places:
        for name in retention.ZONES:
            if place.zone == name and (name != "hot" or record.state == "present"):
                found[name] = place.whole or (name == "hot" and place.state == "unverified")
    return found


def _require_same(made: Manifest, record: CheckpointRecord) -> None:
    if made.id != record.id:
        raise CheckpointError(f"The copy holds {made.id}; the ledger expects {record.id}.")
