"""A hero's day in one file: take a quest, train, save, be examined; no quest: practise. Start reading here.

Everything below calls down into one room at a time and hands one room's things to another. Nothing is remembered in
this process that a sealed checkpoint, the database or a folder does not also hold, so it may be killed at any moment.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from realm.arena.engine import Engine, Request
from realm.config.layers import hyperparameters_for, resolve_hero
from realm.config.run_spec import RunSpec
from realm.config.schema import RealmSettings
from realm.db import Database
from realm.errors import DiskFull, RealmError
from realm.events import (
    BlockerCleared,
    BlockerRaised,
    CampaignStarted,
    Events,
    QuestStarted,
    RunFailed,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
)
from realm.guild import curriculum, examiner, practice
from realm.guild.engine import SkillEngine
from realm.guild.ledger import GuildLedger
from realm.guild.strain import StrainMeter
from realm.heroes import hero as heroes
from realm.quests.inbox import Inbox
from realm.quests.queue import Quest, QuestQueue
from realm.records import CampaignKey, CheckpointRecord, Progress, RunResult, StepMetrics
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger
from realm.watchtower.metrics import Metrics, MetricsWriter
from realm.workspace import Workspace

log = logging.getLogger(__name__)
REST_SECONDS = 0.5


class HeroLoop:
    """One hero in one campaign of one workspace."""

    def __init__(self, workspace: Workspace, settings: RealmSettings, db: Database, events: Events) -> None:
        self.workspace, self.settings, self.events = workspace, settings, events
        self.key = CampaignKey(settings.campaign.hero, settings.campaign.name)
        self.profile = resolve_hero(settings, self.key.hero)
        self.hyperparameters = hyperparameters_for(settings, self.key.hero)
        self.queue = QuestQueue(workspace, db, events, settings.quests)
        self.inbox = Inbox(workspace, self.queue, settings.quests)
        self.keeper = Keeper(workspace, CheckpointLedger(db, events), events, settings.retention)
        self.guild = GuildLedger(db, events)
        self.skills = SkillEngine()
        self.metrics = Metrics(db)
        self.db = db
        self.arrived = threading.Event()
        self.blocked: str | None = None

    # -- a life ------------------------------------------------------------------------------------------------
    def live(self, stopping: threading.Event) -> None:
        """Live until told to stop. Raises WorkspaceLocked when this hero is already awake elsewhere."""
        self.stopping = stopping
        with self.workspace.hold("hero"):
            self.wake()
            watching = threading.Thread(target=self.inbox.watch, args=(stopping, self.arrived.set), name="inbox")
            watching.start()
            try:
                while not stopping.is_set():
                    self.day()
            finally:
                stopping.set()
                watching.join()

    def wake(self) -> None:
        """Stand where the newest trustworthy checkpoint stands; forget what came after it."""
        self.queue.recover()
        self.keeper.recover(self.key)
        self.guild.begin(self.key, self.settings.campaign)
        checkpoint = self.keeper.newest_good(self.key)
        progress = self.keeper.progress(checkpoint) if checkpoint else Progress()
        self.guild.rewind(self.key, progress.step)
        self.metrics.truncate(self.key, progress.step)
        self.parent = checkpoint
        self.strain = StrainMeter.restore(
            self.settings.strain, checkpoint.metrics.get("strain") if checkpoint else None
        )
        hero = heroes.load(
            self.profile,
            models=self.workspace.models,
            checkpoint=Path(checkpoint.path) if checkpoint else None,
            seed=self.settings.campaign.seed,
        )
        self.engine = Engine.open(
            hero, self.hyperparameters, progress=progress, checkpoint=Path(checkpoint.path) if checkpoint else None
        )
        if checkpoint and not self.guild.was_examined(self.key, checkpoint.id):
            self.be_examined(checkpoint)

    def day(self) -> None:
        """One quest from claim to examination, or one rest."""
        self.beat()
        quest = None if self.held() else self.next_quest()
        if quest is None:
            self.rest()
            return
        try:
            result = self.train(quest)
        except DiskFull as error:
            self.queue.release(quest)
            self.block("disk-full", "saving a checkpoint", error)
            self.wake()
        except Exception as error:  # the quest boundary: one bad quest must not end the hero
            log.exception("quest %s failed", quest.id)
            self.give_up(quest, error)
        else:
            self.settle(quest, result)

    # -- finding work ------------------------------------------------------------------------------------------
    def next_quest(self) -> Quest | None:
        """The quest in hand, else the next in the queue, else practice."""
        self.inbox.scan()
        quest = self.queue.active() or self.queue.claim()
        return quest or self.practise()

    def practise(self) -> Quest | None:
        """Make a quest of the hero's own; it enters by the inbox like any other."""
        idle = self.profile.idle_generation
        if not idle.enabled:
            self.block_in_words("no-data", "finding a quest", "The queue is empty and this hero does not practise.",
                                "Drop a .jsonl file into inbox/, or set idle_generation.enabled = true.")  # fmt: skip
            return None
        view = self.guild.view(self.key, self.skills, self.settings.campaign.skills, self.strain.advice())
        seed = f"{self.key}/{self.settings.campaign.seed}/{self.engine.progress.step}"
        mix = curriculum.plan(view, self.settings.curriculum, seed=seed, priorities=self.profile.skill_priorities)
        path = practice.write(
            mix, self.skills, self.workspace.inbox, count=idle.examples, seed=seed, key=self.key, events=self.events
        )
        self.inbox.take(path)
        return self.queue.claim()

    # -- training ----------------------------------------------------------------------------------------------
    def train(self, quest: Quest) -> RunResult:
        """Train one quest on the warm engine; on a quest that a crash cut short, from where its checkpoint stands."""
        self.unblock()
        progress = self.engine.progress
        if progress.quest == quest.id and progress.quest_done:  # killed between the seal and the move of the file
            return _already_done(progress)
        run = progress.run if progress.quest == quest.id else f"run-{progress.step:08d}-{quest.id}"
        self.begin(run, quest)
        with MetricsWriter(self.db, self.key, run) as writer:
            return self.engine.train(self.queue.rows(quest), run=run, quest=quest.id, hooks=_Hooks(self, quest, writer))

    def begin(self, run: str, quest: Quest) -> None:
        """Say that a run begins, and write down everything that decides it."""
        spec = RunSpec.resolve(self.settings, self.key, run=run, quest=quest.path.name, quest_sha256=quest.sha256)
        spec.write(self.workspace.runs(self.key.hero, self.key.campaign) / run / "spec.json")
        self.spec = spec
        name = {"hero": self.key.hero, "campaign": self.key.campaign}
        self.events.append(
            QuestStarted(quest=quest.id, name=quest.name, run=run, rows=quest.rows, **name),
            RunStarted(
                run=run, quest=quest.id, method=self.hyperparameters.method, step=self.engine.progress.step, **name
            ),
        )

    def on_step(self, metrics: StepMetrics, writer: MetricsWriter) -> None:
        """Each optimizer step: strain, effort, the metric, a sign of life."""
        reading = self.strain.update(metrics.loss)
        writer.add(replace(metrics, strain=reading.strain, effort=reading.effort))
        self.beat()

    def save(self, quest: Quest) -> None:
        """Seal a checkpoint, then let the hero be examined at it."""
        record = self.keeper.save(
            self.key,
            self.engine.write,
            progress=self.engine.progress,
            parent=self.parent.id if self.parent else "",
            quests=[quest.sha256],
            spec=self.spec,
            levels=self.guild.levels(self.key),
            metrics={"strain": self.strain.state()},
        )
        self.parent = record
        self.be_examined(record)

    def be_examined(self, checkpoint: CheckpointRecord) -> None:
        """Held-out problems at a sealed checkpoint: the only road to a level and to the champion's place."""
        results = examiner.examine(
            self.skills, self.guild, self.key, checkpoint=checkpoint.id, step=checkpoint.step,
            focus=self.settings.campaign.skills, settings=self.settings.curriculum, answer=self.answer,
            tokens=self.engine.progress.tokens,
        )  # fmt: skip
        self.guild.record(self.key, results)
        self.keeper.examined(checkpoint, self.guild.standing(self.key, results))
        self.keeper.retain(self.key)

    def answer(self, prompts: Sequence[str]) -> list[str]:
        return self.engine.answer(prompts, max_new_tokens=self.settings.curriculum.exam_max_new_tokens)

    # -- ends of a quest ---------------------------------------------------------------------------------------
    def settle(self, quest: Quest, result: RunResult) -> None:
        """File the quest where its run has brought it."""
        self.report(quest, result)
        if result.outcome == "completed":
            self.queue.complete(quest, run=result.progress.run, steps=result.progress.quest_step, key=self.key)
        elif result.outcome == "skipped":
            self.workspace.withdraw("skip")
            self.queue.skip(quest, step=result.progress.step, key=self.key)

    def report(self, quest: Quest, result: RunResult) -> None:
        if result.steps:
            self.events.append(
                RunFinished(
                    hero=self.key.hero, campaign=self.key.campaign, run=result.progress.run, quest=quest.id,
                    outcome=result.outcome, step=result.progress.step, steps=result.steps, tokens=result.tokens,
                    seconds=result.seconds, loss_first=result.loss_first, loss_last=result.loss_last,
                    effort=result.progress.effort,
                )
            )  # fmt: skip

    def give_up(self, quest: Quest, error: Exception) -> None:
        """A run failed: say why, let the queue decide about another try, go back to the last good checkpoint."""
        reason = str(error) if isinstance(error, RealmError) else f"{type(error).__name__}: {error}"
        step = self.engine.progress.step
        self.events.append(
            RunFailed(
                hero=self.key.hero, campaign=self.key.campaign, run=self.engine.progress.run, quest=quest.id,
                step=step, reason=reason,
            )
        )  # fmt: skip
        self.queue.fail(quest, reason=reason, key=self.key)
        self.wake()

    # -- waiting -----------------------------------------------------------------------------------------------
    def held(self) -> bool:
        """A person asked the hero to pause or stop, and has not said resume."""
        return bool(self.workspace.requests() & {"pause", "stop"})

    def rest(self) -> None:
        self.arrived.wait(REST_SECONDS)
        self.arrived.clear()

    def request(self) -> Request | None:
        """What a person or the end of the day asks of the run in hand."""
        if self.stopping.is_set():
            return "stop"
        asked = self.workspace.requests()
        return next((r for r in ("stop", "skip", "pause") if r in asked), None)  # type: ignore[return-value]

    def beat(self) -> None:
        """A sign of life for whoever supervises this process."""
        (self.workspace.logs / "hero.beat").touch()

    # -- blockers ----------------------------------------------------------------------------------------------
    def block(self, name: str, trying: str, error: RealmError) -> None:
        self.block_in_words(name, trying, error.message, error.hint)

    def block_in_words(self, name: str, trying: str, why: str, fix: str) -> None:
        if self.blocked != name:
            self.blocked = name
            self.events.append(
                BlockerRaised(
                    hero=self.key.hero, campaign=self.key.campaign, blocker=name, trying=trying, why=why, fix=fix
                )
            )

    def unblock(self) -> None:
        if self.blocked:
            self.events.append(BlockerCleared(hero=self.key.hero, campaign=self.key.campaign, blocker=self.blocked))
            self.blocked = None


class _Hooks:
    """What the arena asks of the day while it trains."""

    def __init__(self, day: HeroLoop, quest: Quest, writer: MetricsWriter) -> None:
        self._day, self._quest, self._writer = day, quest, writer

    def on_step(self, metrics: StepMetrics) -> None:
        self._day.on_step(metrics, self._writer)

    def save(self, engine: Engine) -> None:
        self._writer.flush()
        self._day.save(self._quest)

    def request(self) -> Request | None:
        return self._day.request()

    def on_pause(self, step: int) -> None:
        key = self._day.key
        self._writer.flush()
        self._day.events.append(
            RunPaused(hero=key.hero, campaign=key.campaign, run=self._day.engine.progress.run, step=step)
        )

    def on_resume(self, step: int) -> None:
        key = self._day.key
        self._day.events.append(
            RunResumed(hero=key.hero, campaign=key.campaign, run=self._day.engine.progress.run, step=step)
        )


def _already_done(progress: Progress) -> RunResult:
    return RunResult(
        outcome="completed",
        progress=progress,
        steps=0,
        tokens=0,
        seconds=0.0,
        loss_first=0.0,
        loss_last=0.0,
        val_loss=None,
    )
