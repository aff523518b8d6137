"""What a check may look at: one workspace and one campaign, read through the places' own ledgers. Writes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path

from realm.config.run_spec import RunSpec, campaign_spec
from realm.config.schema import HeroProfile, RealmSettings
from realm.db import Database
from realm.errors import QuestError
from realm.events import Events
from realm.guild.engine import SkillEngine
from realm.guild.held_out import Examinations
from realm.guild.ledger import GuildLedger
from realm.guild.passives.ledger import CanaryLedger
from realm.quests.queue import Quest, QuestQueue
from realm.records import CampaignKey, CheckpointRecord, Progress, Row, StepMetrics
from realm.temple.ledger import VerdictLedger
from realm.temple.runs import Run, newest_run
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger
from realm.watchtower.gpu import driver
from realm.watchtower.machine import Machine, MachineMeter
from realm.watchtower.metrics import Metrics
from realm.weaver.ledger import ServiceLedger
from realm.workspace import Workspace

RECENT_PRACTICES = 200
SAMPLED_ROWS = 5000
"""Rows of a quest that checks of data read at most."""


@dataclass
class Scene:
    """One workspace, one campaign, and the run that is looked at.

    Without `spec` the campaign in play is meant, without `run` its newest.
    """

    workspace: Workspace
    settings: RealmSettings
    db: Database
    events: Events
    spec: RunSpec | None = None
    run: Run | None = None
    thorough: bool = True
    """On demand: a check may take seconds. After a run it may not."""
    skills: SkillEngine = field(default_factory=SkillEngine)
    where: Callable[[Row], str] | None = None
    """Where the examinations ask a question that stands in a row; worked out here when it is not handed in."""
    reopen: Callable[[RunSpec, Path, Progress], None] | None = None
    """Opens a checkpoint as training does, or raises. It needs torch, so whoever may load that hands it in."""
    clock: Callable[[], float] = field(default=time.time)

    def __post_init__(self) -> None:
        self.resolved = self.spec or campaign_spec(self.settings, versions={})
        self.key: CampaignKey = self.resolved.key
        self.profile: HeroProfile = self.resolved.profile
        self.run = self.run or newest_run(self.events, self.key)

    @cached_property
    def guild(self) -> GuildLedger:
        return GuildLedger(self.db, self.events, self.settings.curriculum, engine=self.skills)

    @cached_property
    def verdicts(self) -> VerdictLedger:
        return VerdictLedger(self.db, self.events)

    @cached_property
    def canaries(self) -> CanaryLedger:
        return CanaryLedger(self.db, self.events, self.settings.passives)

    @cached_property
    def metrics(self) -> Metrics:
        return Metrics(self.db)

    @cached_property
    def keeper(self) -> Keeper:
        return Keeper(self.workspace, CheckpointLedger(self.db, self.events), self.events, self.settings.retention)

    @cached_property
    def services(self) -> ServiceLedger:
        return ServiceLedger(self.db)

    @cached_property
    def queue(self) -> QuestQueue:
        return QuestQueue(
            self.workspace, self.db, self.events, self.settings.quests, template=self.profile.prompt_template
        )

    @cached_property
    def newest(self) -> CheckpointRecord | None:
        return self.keeper.ledger.newest(self.key)

    @cached_property
    def champion(self) -> CheckpointRecord | None:
        return self.keeper.ledger.champion(self.key)

    @cached_property
    def machine(self) -> Machine:
        return MachineMeter(self.workspace.root, nvml=driver()).read()

    @cached_property
    def quest(self) -> Quest | None:
        """The quest of the run, while its file is still known."""
        if self.run is None or not self.run.quest:
            return None
        try:
            return self.queue.get(self.run.quest)
        except QuestError:
            return None

    @cached_property
    def is_practice(self) -> bool:
        """Whether this campaign's own practice made the quest: by the Guild's record, not by what a sidecar says."""
        recent = self.guild.practices(self.key, limit=RECENT_PRACTICES)
        return self.run is not None and any(practice.quest == self.run.quest for practice in recent)

    @cached_property
    def rows(self) -> list[Row]:
        """The first rows of the run's quest; none where its file is gone."""
        if self.quest is None:
            return []
        try:
            return list(islice(self.queue.rows(self.quest), SAMPLED_ROWS))
        except QuestError:
            return []

    @cached_property
    def leaked(self) -> list[str]:
        """Where the questions of those rows are asked, of each row that holds one."""
        where = self.where or Examinations(self.settings.campaign.skills, self.settings.curriculum).where
        return [place for row in self.rows if (place := where(row))]

    def steps(self) -> Iterator[StepMetrics]:
        """The steps of the run, oldest first."""
        if self.run is not None:
            yield from self.metrics.after(self.key, self.run.start_step, max(1, self.run.steps))
