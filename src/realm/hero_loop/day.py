"""A hero's day in one file: take a quest, train, save, be examined; no quest: practise. Start reading here.

Everything below calls down into one room at a time and hands one room's things to another. Nothing is remembered in
this process that a sealed checkpoint, the database or a folder does not also hold, so it may be killed at any moment.
"""

from __future__ import annotations

import copy
import logging
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from realm.arena.control import Request
from realm.arena.crew import Crew, Stand
from realm.arena.engine import Engine
from realm.arena.fit.fit import Fit
from realm.arena.fit.remembered import Remembered
from realm.arena.teachers import Teachers
from realm.config.adapters import require_trainable
from realm.config.run_spec import RunSpec, campaign_spec, installed_versions, program_commit
from realm.config.schema import RealmSettings
from realm.config.teacher import TeacherName
from realm.db import Database
from realm.errors import DiskFull, NothingToLearn, RealmError
from realm.events import (
    BlockerCleared,
    BlockerRaised,
    Events,
    Fact,
    QuestStarted,
    RunFailed,
    RunFinished,
    RunStarted,
    TeacherFixed,
)
from realm.guild import cap_watch, examiner
from realm.guild.answer_room import AnswerRoom
from realm.guild.awards import AwardLedger
from realm.guild.campaigns import CampaignWatch, recorded, start_folder
from realm.guild.held_out import Examinations
from realm.guild.ledger import GuildLedger
from realm.guild.marks import Marks
from realm.guild.passives.canaries import Canaries
from realm.guild.passives.guard import holds_canary, without_canaries
from realm.guild.progression import Examination, pooled
from realm.guild.rewards import Rewards, told
from realm.guild.roster import Roster
from realm.guild.strain import Advice, StrainMeter, meter_of
from realm.hero_loop.hooks import Hooks
from realm.hero_loop.own_data import OwnData
from realm.heroes.to_train import load_to_train
from realm.heroes.weights import HATCHLING
from realm.oracle.sharing import Courtesy
from realm.quests.checks import Validation, validate
from realm.quests.elsewhere import Elsewhere
from realm.quests.inbox import Inbox
from realm.quests.past import TrainedRows
from realm.quests.queue import Quest, QuestQueue
from realm.quests.report import Report
from realm.records import UNNAMED, CheckpointRecord, Progress, Row, RunResult, StepMetrics
from realm.temple.weighing import Weighing
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger
from realm.vault.manifest import ManifestFacts
from realm.watchtower.metrics import Metrics, MetricsWriter
from realm.watchtower.sinks import TrackedRun
from realm.watchtower.trackers import open_trackers
from realm.weaver.heartbeat import Heartbeat
from realm.workspace import Workspace

log = logging.getLogger(__name__)
REST_SECONDS = 0.5
BEAT_ROWS = 1000
KEPT_PRACTICE = 20
"""Files of completed practice that stay to be looked at; the seed in a sidecar makes any of them again."""


class HeroLoop:
    """One hero in one campaign of one workspace: the one in play, or that of a preset's `spec`."""

    def __init__(
        self, workspace: Workspace, settings: RealmSettings, db: Database, events: Events, spec: RunSpec | None = None
    ) -> None:
        """Raises UsageError when the hero is to learn through an adapter that this machine cannot train."""
        self.workspace, self.settings, self.db, self.events = workspace, settings, db, events
        self.spec = spec or campaign_spec(settings, versions=installed_versions(), commit=program_commit())
        require_trainable(self.spec)
        self.key, self.profile, self.hyperparameters = self.spec.key, self.spec.profile, self.spec.hyperparameters
        self.keeper = Keeper(
            workspace, CheckpointLedger(db, events), events, self.spec.retention, settings.storage,
            begun=lambda: self.guild.begun_from(),
        )  # fmt: skip
        self.roster = Roster(settings.campaign.skills, events, self.key)
        self.skills = self.roster.engine
        self.guild = GuildLedger(db, events, settings.curriculum, engine=self.skills)
        self.rewards = Rewards(self.skills)
        self.own_data = OwnData(self)
        self.canaries = Canaries(db, events, settings.passives)
        self.room = AnswerRoom(
            settings.curriculum.exam_max_new_tokens, lambda asked, told: self.engine.hero.answer_tokens(asked, told)
        )
        self.held_out = Examinations(settings.campaign.skills, settings.curriculum)
        self.marks = Marks(settings.strain)
        self.teachers = Teachers(
            self.hyperparameters, settings.heroes, models=workspace.models,
            runs=workspace.runs(self.key.hero, self.key.campaign), checkpoint=self.teaching_checkpoint,
            tell=lambda run, who, how: self.say(TeacherFixed(run=run, teacher=who, learned=how)),
            beat=lambda: self.heart.beat(),
        )  # fmt: skip
        self.awards = AwardLedger(db, events, self.guild.rules, self.skills.shown)
        self.metrics = Metrics(db)
        self.watch = CampaignWatch(workspace, self.guild, self.key)
        self.plays = spec is None  # a preset's training belongs to no campaign in play, and nothing calls it away
        self.temple = Weighing(workspace, settings, db, events, self.spec, self.held_out.where, plays=self.plays)
        self.starting_checkpoint = settings.campaign.starting_checkpoint if self.plays else ""
        self.heart = Heartbeat(workspace.logs / "hero.beat")
        self.courtesy = Courtesy(workspace.logs, settings.oracle.sharing)
        self.stopping = threading.Event()
        self.arrived = threading.Event()
        self.blocked: str | None = None
        self.crew = Crew.join()

    # -- a life ------------------------------------------------------------------------------------------------
    def live(self, stopping: threading.Event) -> None:
        """Live until told to stop, or until another campaign is put in play: then the quest in hand keeps its place.

        Raises WorkspaceLocked when a hero is already awake elsewhere.
        """
        self.stopping, closing = stopping, threading.Event()
        with self.workspace.hold("hero"):
            self.wake()
            self.open_queue()
            watching = threading.Thread(target=self.inbox.watch, args=(closing, self.arrived.set), name="inbox")
            watching.start()
            try:
                while not stopping.is_set() and not self.watch.has_moved():
                    self.day()
            finally:
                closing.set()
                watching.join()

    def examine_now(self, skills: Sequence[str], level: int | None = None) -> list[Examination]:
        """Ask the newest checkpoint now, on the frontier and the mastered levels or on one level; record nothing.

        Without `skills` all that can be used are examined.
        """
        with self.workspace.hold("hero"):
            self.stand()
            step, skills = self.engine.progress.step, skills or self.roster.usable()
            aims = [examiner.Target(skill, level, "frontier") for skill in skills] if level else self.aims(step, skills)
            return self.sit(aims, step, None)

    def wake(self) -> None:
        """Stand where the newest trustworthy checkpoint stands, and end what a kill cut short there."""
        began_with = recorded(self.settings, self.key)
        self.guild.begin(
            self.key, self.settings.campaign, settings=began_with, starting_checkpoint=self.starting_checkpoint
        )
        with self.heart.during():
            self.roster.call()
            self.stand()
        if self.newest and self.guild.was_examined(self.key, self.newest.step):
            self.take_stock(self.newest)
        elif self.newest:
            self.be_examined(self.newest)
        elif self.profile.base_model != HATCHLING:  # what it can do before it is trained may be forgotten
            self.canaries.watch(self.key, 0, self.engine.answer, self.template_hash, self.heart.beat)

    def stand(self) -> None:
        """Load the newest trustworthy checkpoint; forget what came after it."""
        self.keeper.recover(self.key)
        self.temple.go_back(self.keeper)
        self.newest = self.keeper.newest_good(self.key)
        progress = self.keeper.progress(self.newest) if self.newest else Progress()
        self.guild.rewind(self.key, progress.step)
        self.canaries.ledger.rewind(self.key, progress.step)
        self.metrics.truncate(self.key, progress.step)
        self.temple.rewind(progress.step)
        self.strains = self.restore_strain(self.newest)
        folder = self.keeper.folder(self.newest) if self.newest else None
        start = start_folder(self.workspace, self.key, self.starting_checkpoint)
        seed, models = self.settings.campaign.seed, self.workspace.models
        hero = load_to_train(
            self.profile, self.spec.adapter, models=models, checkpoint=folder, start=start, seed=seed,
            name=self.key.hero,
        )  # fmt: skip
        self.template_hash = hero.form_hash
        self.crew.tell(Stand(self.spec, start, folder, progress))
        self.engine = Engine.open(
            hero, self.hyperparameters, progress=progress, checkpoint=folder, teachers=self.teachers,
            grade=self.rewards.grade, fit=Fit.of(self.spec, Remembered(self.workspace.fit)), crew=self.crew,
        )  # fmt: skip

    def open_queue(self) -> None:
        """The queue checks what arrives with this hero's own tokenizer."""
        hero = self.engine.hero
        tokenizer = copy.deepcopy(hero.tokenizer)  # the inbox has a thread of its own; a tokenizer serves one at a time
        asked = Validation(
            level=self.settings.quests.validation,
            elsewhere=self.known_elsewhere,
            render=partial(hero.family.render, tokenizer),
            prepare=hero.data_profile.prepare,
            decode=tokenizer.decode,
            settings=self.settings.quests,
            max_length=self.hyperparameters.max_length,
            template=self.profile.prompt_template,
            refused=holds_canary,
            method=self.hyperparameters.method,
            ungradable=self.rewards.why_not,
        )

        def check(path: Path, /, *, name: str) -> Report:
            with self.heart.during():
                return validate(path, asked, name=name)

        self.queue = QuestQueue(
            self.workspace, self.db, self.events, self.settings.quests,
            check=check, template=self.profile.prompt_template, owner=self.key,
        )  # fmt: skip
        self.trained_rows = TrainedRows(self.queue)
        self.inbox = Inbox(self.workspace, self.queue, self.settings.quests)
        self.queue.recover()

    def known_elsewhere(self) -> Elsewhere:
        """Who knows rows that a quest should not hold: the examinations, and what was trained before."""
        return Elsewhere(self.held_out.where, self.trained_rows.lookup().where)

    def day(self) -> None:
        """One quest from claim to examination, or one rest."""
        self.heart.beat()
        if self.temple.is_asked_back():
            self.wake()
        quest = None if self.held() else self.next_quest()
        if quest is None:
            self.rest()
            return
        try:
            result = self.train(quest)
        except DiskFull as error:
            self.block("disk-full", "saving a checkpoint", error.message, error.hint)
            self.rest()
            self.wake()  # the quest stays in hand; it goes on once there is room
        except Exception as error:  # the quest boundary: one bad quest must not end the hero
            log.exception("quest %s failed", quest.id)
            self.give_up(quest, error)
        else:
            self.settle(quest, result)

    # -- finding work ------------------------------------------------------------------------------------------
    def next_quest(self) -> Quest | None:
        """The quest in hand, else the next in the queue; practice tops the queue up when it runs low."""
        self.inbox.scan()
        if quest := self.queue.active() or self.begun():
            return quest
        self.workspace.withdraw("skip")  # nothing is in training: what it was meant for has ended, or never began
        self.queue.expire(self.own_data.outdated, self.key)
        idle = self.profile.idle_generation
        if idle.enabled and self.queue.waiting() <= idle.min_queue_depth and not self.inbox.expects:
            self.own_data.make()
        quest = self.queue.claim()
        if quest is None and not idle.enabled:
            self.block(
                "no-data", "finding a quest", "The queue is empty and this hero does not practise.",
                "Drop a .jsonl file into inbox/, or set idle_generation.enabled = true in the hero's profile.",
            )  # fmt: skip
        return quest

    def begun(self) -> Quest | None:
        """The quest that this campaign left half trained when another one was put in play: it goes on first."""
        progress = self.engine.progress
        return self.queue.claim(progress.quest) if progress.quest and not progress.quest_done else None

    # -- training ----------------------------------------------------------------------------------------------
    def train(self, quest: Quest) -> RunResult:
        """Train one quest on the warm engine; one that a crash cut short, from where its checkpoint stands."""
        self.unblock()
        progress = self.engine.progress
        resumed = progress.quest == quest.id
        if resumed and progress.quest_done and not self.queue.was_completed(quest, progress.run):
            return _sealed_before(progress)  # killed between the seal and the move of the file
        goes_on = resumed and not progress.quest_done
        run = progress.run if goes_on else f"run-{progress.step:08d}-{quest.id}"
        self.begin(run, quest)
        folder, told = self.workspace.trackers, self.spec.model_dump(mode="json")
        tracked = TrackedRun(self.key, run, self.engine.progress.step + 1, told, folder)
        trackers = open_trackers(self.hyperparameters.report_to, tracked, self.events)
        with MetricsWriter(self.db, self.key, run, trackers=trackers) as writer:
            hooks = Hooks(self, quest, writer)
            return self.engine.train(self.rows(quest), run=run, quest=quest.id, hooks=hooks, method=quest.method)

    def teaching_checkpoint(self, named: TeacherName) -> tuple[str, Path]:
        """Id and folder of the checkpoint that a quest learns from."""
        record, folder = self.keeper.named(named.hero, named.campaign, named.which)
        return record.id, folder

    def rows(self, quest: Quest) -> Iterator[Row]:
        """The quest's rows. All are read and rendered before the first step: of a big file that takes minutes."""
        for number, row in enumerate(without_canaries(self.queue.rows(quest))):
            if number % BEAT_ROWS == 0:
                self.heart.beat()
            yield row

    def begin(self, run: str, quest: Quest) -> None:
        """Write down everything that decides a run, and say that it begins."""
        folder = self.workspace.runs(self.key.hero, self.key.campaign) / run
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "spec.json").write_text(self.spec.model_copy(update={"quest": quest.id}).to_json(), encoding="utf-8")
        method = told(quest.method or self.hyperparameters.method, self.hyperparameters)
        self.say(
            QuestStarted(quest=quest.id, name=quest.name, run=run, rows=quest.rows),
            RunStarted(run=run, quest=quest.id, method=method, step=self.engine.progress.step),
        )

    def on_step(self, quest: Quest, metrics: StepMetrics, writer: MetricsWriter) -> None:
        """Each optimizer step: strain, effort, the metric, a sign of life."""
        meter = meter_of(quest.skill, quest.method)
        reading = self.strain(meter).update(metrics.loss)
        self.engine.add_effort(reading.strain)
        if reached := self.marks.after(metrics.step, meter, reading.strain):
            self.say(*reached)
        if metrics.step % self.hyperparameters.logging_steps == 0 or metrics.val_loss is not None:
            writer.add(replace(metrics, strain=reading.strain, effort=self.engine.progress.effort))
        self.heart.beat()
        self.courtesy.give_way(metrics.step_seconds, self.is_called)

    def save(self, quest: Quest, metrics: Mapping[str, float]) -> None:
        """Seal a checkpoint, then let the hero be examined at it."""
        self.tell_tokens(quest)
        facts = ManifestFacts(
            hero=self.key.hero,
            campaign=self.key.campaign,
            progress=self.engine.progress,
            run=self.engine.progress.run,
            parent=self.newest.id if self.newest else "",
            quests=(quest.sha256,),
            configuration=self.spec.model_dump(mode="json"),
            metrics={**metrics, "strain": {skill: meter.state() for skill, meter in self.strains.items()}},
            levels=self.guild.levels(self.key),
            base=self.engine.hero.base.as_json() if self.engine.hero.base else {},
        )
        self.newest = self.keeper.save(self.key, self.engine.write, facts)
        if not self.stopping.is_set():  # who is told to stop is examined when it wakes
            self.be_examined(self.newest)

    def tell_tokens(self, quest: Quest) -> None:
        """Note the tokens since the checkpoint before by level. Told before the seal: a wake forgets what has none.

        Rows that name no level are of the level that the quest's sidecar names, if it names one.
        """
        tokens = self.engine.take_level_tokens()
        if (unnamed := tokens.pop(UNNAMED, 0)) and quest.skill and quest.level:
            cell = quest.skill, quest.level
            tokens[cell] = tokens.get(cell, 0) + unnamed
        self.guild.record_tokens(self.key, self.engine.progress.step, tokens)

    # -- examinations ------------------------------------------------------------------------------------------
    def be_examined(self, checkpoint: CheckpointRecord) -> None:
        """Held-out problems at a sealed checkpoint: the only road to a level and to the champion's place."""
        self.canaries.watch(self.key, checkpoint.step, self.engine.answer, self.template_hash, self.heart.beat)
        aims = self.aims(checkpoint.step, self.roster.usable())
        self.guild.record(self.sit(aims, checkpoint.step, checkpoint.metrics.get("val_loss")))
        self.take_stock(checkpoint)

    def take_stock(self, checkpoint: CheckpointRecord) -> None:
        """What the examinations on record at a checkpoint lead to; the same however often a hero wakes there."""
        for skill in {t.skill for t in self.guild.transitions(self.key) if t.step == checkpoint.step}:
            self.strain(skill).begin_level(self.guild.floor(self.key, skill))
        taken = [e for e in self.guild.newest(self.key) if e.step == checkpoint.step]
        accuracy, detail = self.standing(taken)
        self.keeper.ledger.examined(checkpoint.id, accuracy, self.temple.gated(checkpoint, taken, detail))
        self.awards.catch_up(self.key)
        self.keeper.retain(self.key)
        self.look_for_cap(checkpoint.step)

    def look_for_cap(self, step: int) -> None:
        """A campaign that goes no further is archived with the evidence, and leaves its method behind."""
        usable = self.roster.usable()
        if self.plays and self.settings.level_cap.enabled and len(usable) == len(self.settings.campaign.skills):
            levels = {name: self.skills.get(name).levels for name in usable}
            cap_watch.look(
                self.guild, self.workspace, self.key, levels, self.settings.level_cap, step=step,
                tokens=self.engine.progress.tokens, totals=lambda: asdict(self.metrics.totals(self.key)),
            )  # fmt: skip

    def aims(self, step: int, skills: Sequence[str]) -> list[examiner.Target]:
        """The frontier of each skill, and a panel of what is mastered."""
        levels = {name: self.skills.get(name).levels for name in skills}
        return examiner.targets(self.guild.states(self.key), levels, self.settings.curriculum, step)

    def sit(self, aims: Sequence[examiner.Target], step: int, val_loss: float | None) -> list[Examination]:
        return examiner.examine(
            self.skills, self.key, step, aims, self.answer, settings=self.settings.curriculum,
            template_hash=self.template_hash, tokens=self.engine.progress.tokens, val_loss=val_loss,
            expect=self.room.expect,
        )  # fmt: skip

    def answer(self, prompts: Sequence[str]) -> list[str]:
        """Answers in the order asked; a slow hero shows life between two batches."""
        return self.engine.answer(
            prompts,
            max_new_tokens=self.room.tokens,
            before_batch=self.heart.beat,
        )

    def sample(self, prompts: Sequence[str], **how: Any) -> Sequence[Sequence[str]]:
        """Several drawn answers to each prompt. Between two of them a slow hero shows life by itself."""
        with self.heart.during():
            return self.engine.sample(prompts, max_new_tokens=self.room.tokens, **how)

    def standing(self, taken: Sequence[Examination]) -> tuple[float, dict[str, object]]:
        """Pooled accuracy of a sitting, and what the ledger of checkpoints keeps beside it."""
        correct, n = pooled(taken)
        skills = {each.skill: pooled([one for one in taken if one.skill == each.skill]) for each in taken}
        return correct / max(1, n), {"n": n, "levels": self.guild.levels(self.key), "skills": skills}

    # -- ends of a quest ---------------------------------------------------------------------------------------
    def settle(self, quest: Quest, result: RunResult) -> None:
        """File the quest where its run has brought it; a stopped one stays in hand."""
        if result.steps:
            self.say(
                RunFinished(
                    run=result.progress.run, quest=quest.id, outcome=result.outcome, step=result.progress.step,
                    steps=result.steps, tokens=result.tokens, seconds=result.seconds,
                    loss_first=result.loss_first, loss_last=result.loss_last, effort=result.progress.effort,
                )
            )  # fmt: skip
        if result.outcome != "stopped":
            self.teachers.release(result.progress.run)
        if result.outcome == "completed":
            self.queue.complete(quest, run=result.progress.run, steps=result.progress.quest_step, key=self.key)
            self.queue.sweep_practice(keep=KEPT_PRACTICE)
        elif result.outcome == "skipped":
            self.leave_quest()
            self.queue.skip(quest, step=result.progress.step, key=self.key)
            self.workspace.withdraw("skip")  # last: until the quest is filed, the request is what tells of the skip
        if result.outcome != "stopped":
            with self.heart.during():
                self.temple.weigh(result.progress.run, result.progress.step)

    def leave_quest(self) -> None:
        """No quest is in hand any more: one that was skipped is not gone on with, and begins anew when tried again."""
        self.engine.progress = replace(self.engine.progress, quest="", quest_step=0)

    def give_up(self, quest: Quest, error: Exception) -> None:
        """A run failed: say why, let the queue decide about another try, go back to the last good checkpoint."""
        reason = error.message if isinstance(error, RealmError) else f"{type(error).__name__}: {error}"
        progress = self.engine.progress
        self.say(RunFailed(run=progress.run, quest=quest.id, step=progress.step, reason=reason))
        self.queue.fail(quest, reason=reason, key=self.key, again=not isinstance(error, NothingToLearn))
        self.wake()

    # -- strain ------------------------------------------------------------------------------------------------
    def strain(self, skill: str) -> StrainMeter:
        """The meter of a skill; quests without one share the meter named by the empty string."""
        return self.strains.setdefault(skill, StrainMeter(self.settings.strain))

    def restore_strain(self, checkpoint: CheckpointRecord | None) -> dict[str, StrainMeter]:
        saved = checkpoint.metrics.get("strain", {}) if checkpoint else {}
        return {skill: StrainMeter.restore(self.settings.strain, state) for skill, state in saved.items()}

    def advice(self) -> dict[str, Advice]:
        return {skill: meter.advice() for skill, meter in self.strains.items() if skill}

    # -- waiting and being asked -------------------------------------------------------------------------------
    def held(self) -> bool:
        """A person asked the hero to pause or stop, and has not said resume; or its campaign is not active."""
        return bool(self.workspace.requests() & {"pause", "stop"}) or (self.plays and self.watch.rests(now=True))

    def rest(self) -> None:
        self.arrived.wait(REST_SECONDS)
        self.arrived.clear()

    def request(self, quest: Quest) -> Request | None:
        """What a person, or the end of the day, asks of the run in hand."""
        if self.stopping.is_set() or (self.plays and self.watch.is_called_away()):
            return "stop"
        asked = self.workspace.requests()
        if "stop" in asked:
            return "stop"
        if "skip" in asked and self.workspace.is_meant("skip", quest.id):
            return "skip"
        return "pause" if "pause" in asked else None

    def is_called(self) -> bool:
        """A sign of life; and whether something is asked that must not wait until a chat has ended."""
        self.heart.beat()
        return self.stopping.is_set() or bool(self.workspace.requests() & {"pause", "stop", "skip"})

    # -- saying ------------------------------------------------------------------------------------------------
    def say(self, *facts: Fact) -> None:
        self.events.append(*(replace(fact, hero=self.key.hero, campaign=self.key.campaign) for fact in facts))
        self.awards.catch_up(self.key)

    def block(self, name: str, trying: str, why: str, fix: str) -> None:
        """Something keeps the hero from going on; said once."""
        if self.blocked != name:
            self.blocked = name
            self.say(BlockerRaised(blocker=name, trying=trying, why=why, fix=fix))

    def unblock(self) -> None:
        if self.blocked:
            self.say(BlockerCleared(blocker=self.blocked))
            self.blocked = None


def _sealed_before(progress: Progress) -> RunResult:
    """The result of a quest whose checkpoint was sealed by a process that was killed right after."""
    nothing = math.nan
    return RunResult("completed", progress, 0, 0, 0.0, loss_first=nothing, loss_last=nothing, val_loss=None)
