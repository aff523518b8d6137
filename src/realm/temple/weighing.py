"""What the hero's day asks of the Temple: weigh this run, may this checkpoint lead, is the campaign to go back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from realm.config.run_spec import RunSpec
from realm.config.schema import RealmSettings
from realm.db import Database
from realm.events import Events
from realm.guild.progression import Examination
from realm.records import CampaignKey, CheckpointRecord, Row
from realm.temple import rollback
from realm.temple.ledger import Verdict
from realm.temple.verdicts import Verdicts
from realm.vault.keeper import Keeper
from realm.workspace import Workspace

log = logging.getLogger(__name__)


class Weighing:
    """The Temple of the campaign that a hero plays. Where it is switched off nothing is weighed and nothing gated."""

    def __init__(
        self, workspace: Workspace, settings: RealmSettings, db: Database, events: Events, spec: RunSpec,
        where: Callable[[Row], str], *, plays: bool,
    ) -> None:  # fmt: skip
        self._verdicts = Verdicts(workspace, settings, db, events, spec=spec, where=where)
        self._workspace, self._events = workspace, events
        self._key: CampaignKey = spec.key
        self._enabled = settings.temple.enabled and plays
        self._gate = self._enabled and settings.temple.gate

    def weigh(self, run: str, end_step: int) -> Verdict | None:
        """The verdict on a run that has just ended."""
        return self._verdicts.weigh(self._key, run, end_step=end_step) if self._enabled else None

    def gated(
        self, record: CheckpointRecord, taken: Sequence[Examination], detail: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """What the ledger of checkpoints keeps of an examination, with the reason that it must not lead, if any."""
        reason = self._verdicts.held_back(record, taken) if self._gate else ""
        return {**detail, "held_back": reason} if reason else detail

    def is_asked_back(self) -> bool:
        return rollback.is_asked(self._workspace, self._key)

    def go_back(self, keeper: Keeper) -> None:
        """Before the hero stands: set aside what comes after the checkpoint that a person chose."""
        if (record := rollback.carry_out(self._workspace, keeper, self._key, self._events)) is not None:
            log.info("%s goes on from %s", self._key, record.id)

    def rewind(self, step: int) -> None:
        """The campaign stands at a step: experience of later runs is given up."""
        self._verdicts.ledger.rewind(self._key, step)
