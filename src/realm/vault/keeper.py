"""A checkpoint's way through the vault: saved, found again, set aside, let go. Brings folders and ledger together.

Where the two disagree after a kill the folder is the truth, and `recover` makes the ledger follow.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from realm.config.schema import RetentionSettings, StorageSettings
from realm.errors import CheckpointError, WorkspaceError
from realm.events import CheckpointQuarantined, Events
from realm.records import CampaignKey, CheckpointRecord, Progress
from realm.vault import files, manifest
from realm.vault.catalogue import Catalogue
from realm.vault.disk import DiskLog
from realm.vault.files import Step, unwatched
from realm.vault.leases import Leases
from realm.vault.ledger import CheckpointLedger
from realm.vault.manifest import Manifest, ManifestFacts, checkpoint_id
from realm.vault.retention import Plan
from realm.vault.storage import Done, Storage
from realm.vault.zones import open_zones
from realm.workspace import Workspace

log = logging.getLogger(__name__)
_GONE = "its folder is gone"
_DONE = {"move": "moved", "drop": "dropped", "keep": "kept"}


@dataclass(slots=True)
class Recovered:
    """What a start after a kill had to mend. Checkpoints are named by id, folders without a row by their name."""

    swept: list[Path] = field(default_factory=list)
    registered: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)


class Keeper:
    """Saves and finds the checkpoints of a workspace. Only one process at a time may save and recover."""

    def __init__(
        self,
        workspace: Workspace,
        ledger: CheckpointLedger,
        events: Events,
        settings: RetentionSettings,
        storage: StorageSettings | None = None,
        *,
        begun: Callable[[], Mapping[str, str]] = dict,
        free_bytes: Callable[[], int] | None = None,
    ) -> None:
        """`begun` tells which checkpoints something lives on that began with them, in words; `free_bytes` how much
        room the workspace's disk has."""
        self.ledger = ledger
        self.leases = Leases(ledger.db)
        self.catalogue = Catalogue(ledger.db, events)
        self.disk = DiskLog(ledger.db)
        self.storage = Storage(
            workspace, ledger, self.catalogue, self.leases, open_zones(storage or StorageSettings()),
            begun=begun, free_bytes=free_bytes,
        )  # fmt: skip
        self.policy = settings
        self._workspace = workspace
        self._events = events

    def save(
        self, key: CampaignKey, write: Callable[[Path], None], facts: ManifestFacts, *, at: Step = unwatched
    ) -> CheckpointRecord:
        """Seal what `write` writes, register it, point `models/current_model` at it, then apply retention.

        `at` is told each step as it is reached. Raises DiskFull and CheckpointError with nothing changed, and
        whatever `write` raises.
        """
        assert facts.key == key, f"facts of {facts.key} handed in for {key}"
        began = time.perf_counter()
        self._make_room(key)
        folder = self._free_folder(key, facts.progress.step, facts.created)
        made = files.seal(folder, write, facts, at=at)
        record = self._register(made, folder, time.perf_counter() - began)
        at("registered")
        self._point_at(folder)
        at("linked")
        self.retain(key)
        at("retained")
        return record

    def newest_good(self, key: CampaignKey) -> CheckpointRecord | None:
        """The newest checkpoint of which every byte is as sealed; newer ones that are not go to quarantine/.

        None when the campaign has no good one.
        """
        while record := self.ledger.newest(key):
            folder = self.folder(record)
            try:
                _verify(folder, record)
            except CheckpointError as error:
                self.quarantine(record, error.message)
                continue
            self._point_at(folder)
            return replace(record, path=str(folder))
        if self._workspace.current_model.is_symlink():
            self._workspace.current_model.unlink()  # it led to another campaign's, or to one that is bad
        return None

    def named(self, hero: str, campaign: str, which: str) -> tuple[CheckpointRecord, Path]:
        """The `champion`, the `latest` or a step of a campaign, with its folder, every byte as sealed.

        Empty: the champion, or the latest while no examination has found one. Without `campaign` the only one that
        the hero has. Raises CheckpointError in words.
        """
        key = self._campaign(hero, campaign)
        if which.isdigit():
            record = self.ledger.find(checkpoint_id(key, int(which)))
        else:
            best = None if which == "latest" else self.ledger.champion(key)
            record = best or (None if which == "champion" else self.ledger.newest(key))
        if record is None or record.state != "present":
            state = f"is {record.state}" if record else "is not there"
            raise CheckpointError(
                f"{key}@{which or 'latest'} {state}.", hint="See which are there: realm vault ls, in that campaign"
            )
        _verify(self.folder(record), record)
        return record, self.folder(record)

    def _campaign(self, hero: str, campaign: str) -> CampaignKey:
        """The campaign of that name, or the only one. Raises CheckpointError when it has no checkpoint."""
        names = self.ledger.campaigns(hero)
        if campaign in names or (not campaign and len(names) == 1):
            return CampaignKey(hero, campaign or names[0])
        known = ", ".join(f"{hero}:{name}" for name in names) or "none yet"
        asked = f"{hero}:{campaign}" if campaign else hero
        raise CheckpointError(
            f"'{asked}' names no campaign with checkpoints; of {hero} there are: {known}.",
            hint="Name one as HERO:CAMPAIGN, or HERO:CAMPAIGN@STEP. See them: realm campaign list",
        )

    def progress(self, record: CheckpointRecord) -> Progress:
        """Where the campaign stood at a checkpoint. Raises CheckpointError."""
        return manifest.read(self.folder(record)).progress

    def folder(self, record: CheckpointRecord) -> Path:
        """Where a present checkpoint lies in this workspace, also after the workspace was moved or copied."""
        return self._parent(key_of(record)) / Path(record.path).name

    def quarantine(self, record: CheckpointRecord, reason: str) -> None:
        """Move a checkpoint out of reach, with the reason in words beside it."""
        aside = self._set_aside(key_of(record), self.folder(record), reason)
        if aside is None:
            self.ledger.dropped(record.id, _GONE)
        else:
            self.ledger.quarantined(record.id, reason, aside)

    def recover(self, key: CampaignKey) -> Recovered:
        """Bring folders and ledger together again after a kill. To be called before the first save of a process."""
        found = Recovered(swept=files.sweep(self._parent(key)))
        known = {self.folder(record) for record in self.ledger.present(key)}
        for folder in files.folders(self._parent(key)):
            if folder not in known:
                self._adopt(key, folder, found)
        for record in self.ledger.present(key):
            folder = self.folder(record)
            if not folder.is_dir():
                self._missing(record, found)
            elif record.path != str(folder):
                self.ledger.moved(record.id, folder)
        return found

    def plan(self, key: CampaignKey | None = None, *, needed_bytes: int = 0) -> Plan:
        """What retention would do now in one campaign, or in all; limits take from all of them."""
        return self.storage.plan(self.policy, None if key is None else [key], needed_bytes=needed_bytes)

    def retain(self, key: CampaignKey | None = None, *, needed_bytes: int = 0) -> Done:
        """Drop and move what the policy and the limits do not keep. Returns what was done."""
        done = self.storage.carry_out(self.plan(key, needed_bytes=needed_bytes))
        for decision, why in done.failed:
            log.warning("%s could not be %s: %s", decision.checkpoint, _DONE[decision.action], why)
        self.disk.note(self.storage.free_bytes())
        return done

    def require_replaceable(self, record: CheckpointRecord, zone: str = "hot") -> None:
        """Raises CheckpointError for the newest in the workspace: training goes on from it. No `zone`: every one."""
        newest = self.ledger.newest(key_of(record))
        if zone in {"", "hot"} and newest is not None and newest.id == record.id:
            raise CheckpointError(
                f"{record.id} is the newest: training goes on from it, so it stays in the workspace.",
                hint="Let training go on first, or copy it: realm vault push",
            )

    def _make_room(self, key: CampaignKey) -> None:
        """Before the disk is full: let what is worth least go when the next save would not fit."""
        newest = self.ledger.newest(key)
        needed_bytes = newest.size_bytes if newest else 0
        if self.storage.free_bytes() < self.policy.min_free_bytes + needed_bytes:
            self.retain(key, needed_bytes=needed_bytes)

    def _parent(self, key: CampaignKey) -> Path:
        return self._workspace.checkpoints(key.hero, key.campaign)

    def free_folder(self, made: Manifest) -> Path:
        """Where a checkpoint that comes from elsewhere may lie."""
        return self._free_folder(made.key, made.step, made.created)

    def _free_folder(self, key: CampaignKey, step: int, created: float) -> Path:
        """A step that is saved twice within a minute takes the next minute's name; the manifest has the true time."""
        when = datetime.fromtimestamp(created)
        while (folder := self._parent(key) / files.name(step, when)).exists():
            when += timedelta(minutes=1)
        return folder

    def _register(self, made: Manifest, folder: Path, seconds: float) -> CheckpointRecord:
        """Enter a sealed folder; an earlier save of the same step goes once the new one is in the ledger."""
        before = self._place_of(made.key, made.id)
        record = self.ledger.register(made, folder, seconds=seconds)
        if before is not None and before != folder:
            files.drop(before)
        return record

    def _place_of(self, key: CampaignKey, checkpoint: str) -> Path | None:
        """Where a checkpoint lies that the ledger takes for present."""
        record = self.ledger.find(checkpoint)
        return self.folder(record) if record and record.state == "present" else None

    def _adopt(self, key: CampaignKey, folder: Path, found: Recovered) -> None:
        """A sealed folder that the ledger does not know: killed before its row was written, or put back by hand."""
        try:
            made = files.verify(folder)
            if made.key != key:
                raise CheckpointError(f"{folder.name} belongs to {made.key}, not to {key}.")
        except CheckpointError as error:
            self._refuse(key, folder, error.message)
            found.quarantined.append(folder.name)
            return
        known = self.ledger.find(made.id)
        if known and known.state in {"stored", "dropped"} and known.created == made.created:
            self.ledger.arrived(made.id, folder, source="where it was put back")
            found.registered.append(made.id)
            return
        other = self._place_of(key, made.id)
        if other is not None and _created(other) >= made.created:
            files.drop(folder)  # killed before the older save of the same step was removed
            return
        self._register(made, folder, 0.0)
        found.registered.append(made.id)

    def _refuse(self, key: CampaignKey, folder: Path, reason: str) -> None:
        """Set a folder aside that never had a row."""
        self._set_aside(key, folder, reason)
        step, _ = files.order(folder) or (0, "")
        self._events.append(
            CheckpointQuarantined(
                hero=key.hero, campaign=key.campaign, checkpoint=checkpoint_id(key, step), step=step, reason=reason
            )
        )

    def _missing(self, record: CheckpointRecord, found: Recovered) -> None:
        """A row without a folder: killed between the move of a folder and the word about it, or removed by hand."""
        aside = self._quarantine(key_of(record)) / Path(record.path).name
        if aside.is_dir():
            self.ledger.quarantined(record.id, _read_reason(aside), aside)
            found.quarantined.append(record.id)
        else:
            self.ledger.dropped(record.id, _GONE)
            found.gone.append(record.id)

    def _quarantine(self, key: CampaignKey) -> Path:
        return self._workspace.quarantine / key.hero / key.campaign

    def _set_aside(self, key: CampaignKey, folder: Path, reason: str) -> Path | None:
        """Move a folder under quarantine/; None when it is not there."""
        parent = self._quarantine(key)
        parent.mkdir(parents=True, exist_ok=True)
        target = _unused(parent / folder.name)
        _reason_file(target).write_text(reason + "\n", encoding="utf-8")
        try:
            os.rename(folder, target)
        except FileNotFoundError:
            _reason_file(target).unlink()
            return None
        return target

    def _point_at(self, folder: Path) -> None:
        """Let `models/current_model` lead to a checkpoint, at once; the link is relative, for a workspace may move."""
        link = self._workspace.current_model
        if link.is_dir() and not link.is_symlink():
            raise WorkspaceError(
                f"{link} is a folder of its own, not a link to a checkpoint.",
                hint="Move it away: that name belongs to the newest checkpoint.",
            )
        fresh = link.with_name(f".{link.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.path.relpath(folder, link.parent))
        os.replace(fresh, link)


def key_of(record: CheckpointRecord) -> CampaignKey:
    """The campaign that a checkpoint belongs to."""
    return CampaignKey(record.hero, record.campaign)


def _verify(folder: Path, record: CheckpointRecord) -> None:
    made = files.verify(folder)
    if made.id != record.id:
        raise CheckpointError(f"{folder.name} holds {made.id}; the ledger expects {record.id}.")


def _created(folder: Path) -> float:
    """When a folder was sealed in Unix seconds; 0 when it cannot say so."""
    try:
        return manifest.read(folder).created
    except CheckpointError:
        return 0.0


def _reason_file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.reason.txt")


def _read_reason(folder: Path) -> str:
    path = _reason_file(folder)
    return path.read_text(encoding="utf-8").strip() if path.is_file() else "it failed verification"


def _unused(path: Path) -> Path:
    """The path itself, or with a number where something lies there already."""
    number, found = 2, path
    while found.exists():
        found, number = path.with_name(f"{path.name}.{number}"), number + 1
    return found
