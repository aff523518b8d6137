"""Reads the other rooms for the page: the one place of the Tavern that knows their tables' readers. Writes nothing."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from realm.config.layers import resolve_hero
from realm.config.schema import RealmSettings
from realm.db import Database
from realm.events import KINDS, BlockerCleared, BlockerRaised, Events, Recorded, ServiceGaveUp, ServiceStarted
from realm.guild import titles
from realm.guild.awards import AwardLedger
from realm.guild.evidence import Evidence
from realm.guild.ledger import GuildLedger
from realm.guild.passives.ledger import CanaryLedger
from realm.guild.strain import Advice
from realm.guild.tables import Bests
from realm.quests.queue import QuestQueue
from realm.records import CampaignKey, StepMetrics
from realm.tavern import award_view, hero_view, machine_view, quest_view
from realm.tavern.campaign_view import CampaignReader
from realm.tavern.canary_view import CanaryReader
from realm.tavern.chat_desk import ChatDesk
from realm.tavern.lore import Skin
from realm.tavern.pages import count, percent
from realm.tavern.sentences import icon, tone
from realm.tavern.shown import Achievements, Battle, Blocker, Hero, LogLine, Preview, Skill
from realm.tavern.skill_view import SkillReader
from realm.tavern.temple_view import TempleReader
from realm.tavern.vault_view import VaultReader
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger
from realm.watchtower.gpu import driver
from realm.watchtower.machine import MachineMeter
from realm.watchtower.metrics import Metrics
from realm.workspace import QUEUE_STATES, Workspace

RECENT_STEPS = 400
LOG_LINES = 40
CHART_POINTS = 700
LIVE_STEPS_PER_ROW = 8
LOG_KINDS = sorted(set(KINDS) - {"quest_received"})
"""An arrival is followed at once by its result, which says more."""
SKILL_KINDS = ("examination_taken", "level_gained", "level_lost", "practice_planned")
BLOCKER_KINDS = ("blocker_raised", "blocker_cleared", "service_gave_up", "service_started")


class View:
    """What the page shows of one workspace's active campaign."""

    def __init__(self, workspace: Workspace, settings: RealmSettings, db: Database, events: Events,
                 clock: Callable[[], float] = time.time) -> None:  # fmt: skip
        self._workspace = workspace
        self._settings = settings
        self._events = events
        self._clock = clock
        self.key = CampaignKey(settings.campaign.hero, settings.campaign.name)
        self.profile = resolve_hero(settings, settings.campaign.hero)
        self.queue = QuestQueue(workspace, db, events, settings.quests, template=self.profile.prompt_template)
        self._metrics = Metrics(db)
        self._checkpoints = CheckpointLedger(db, events)
        self._guild = GuildLedger(db, events, settings.curriculum)
        self._titles = titles.load()
        self._awards = AwardLedger(db, events, self._guild.rules, table_of_titles=self._titles)
        self._skills = SkillReader(self._guild, self.key, settings, self._titles, Evidence(db))
        self._canaries = CanaryReader(CanaryLedger(db, events, settings.passives), self.key)
        self._campaigns = CampaignReader(workspace, settings, db, events)
        self._temple = TempleReader(workspace, settings, db, events)
        self.desk = ChatDesk(workspace, settings, lambda: self._guild.levels(self.key))
        self.vault = VaultReader(
            Keeper(
                workspace, self._checkpoints, events, settings.retention, settings.storage,
                begun=self._guild.begun_from,
            ),
            self._guild,
        )  # fmt: skip
        self._machine = MachineMeter(workspace.root, nvml=driver())
        self._lock = threading.Lock()
        self._stamp: object = None
        self._skills_read: tuple[int, list[Skill], Bests] = (-1, [], hero_view.NO_BESTS)

    # -- for the stream --------------------------------------------------------------------------------------
    def last_fact(self) -> int:
        return self._events.last_id()

    def facts(self, after: int, limit: int) -> list[Recorded]:
        return self._events.since(after, limit=limit)

    def last_step(self) -> int:
        latest = self._metrics.latest(self.key)
        return latest.step if latest else 0

    def files_changed(self) -> bool:
        """Whether the queue, the requests or the training process changed since the last question."""
        folders = [self._workspace.queue(state) for state in QUEUE_STATES] + [self._workspace.control]
        stamp = (*(os.stat(folder).st_mtime_ns for folder in folders), self._workspace.holder("hero"))
        changed, self._stamp = stamp != self._stamp, stamp
        return changed

    def series(self, since_step: int = 0) -> list[list[float | None]]:
        """Rows for the loss chart: all of the campaign downsampled, or the steps from one on."""
        if since_step:
            return hero_view.chart_rows(self._metrics.after(self.key, since_step - 1), LIVE_STEPS_PER_ROW)
        losses = self._metrics.series(self.key, "loss", points=CHART_POINTS)
        return hero_view.joined(losses, self._metrics.series(self.key, "val_loss", points=CHART_POINTS))

    def history(self) -> dict[str, Any]:
        return self._skills.history()

    # -- for the templates -----------------------------------------------------------------------------------
    def values(self, page: str, skin: Skin, item: str = "") -> dict[str, Any]:
        """What the templates of a page need; `item` is what it is about, where there are many of its kind."""
        with self._lock:
            state, recent = self._state_and_steps()
            values: dict[str, Any] = {"blockers": list(self._blockers(state))}
            if page == "home":
                values |= self._home(state, recent, skin)
            elif page == "quests":
                limit = self._settings.quests.max_upload_bytes
                values |= {"board": quest_view.board(self.queue), "max_upload_bytes": limit}
            elif page == "campaigns":
                values |= {"campaigns": self._campaigns.cards(), "heroes": self._campaigns.heroes()}
            elif page == "temple":
                values |= self._temple.values()
            elif page == "oracle":
                values |= {"trial_skills": self.desk.skills(), "answer_tokens": self._settings.oracle.answer_tokens}
            elif page in {"vault", "checkpoint"}:
                values |= {"item": item, **self.vault.values(page, item)}
            else:
                values |= {"skills": self._skill_list(), "canaries": self._canaries.read()}
                values["achievements"] = self._achievements(skin)
            return values

    def report(self, quest_id: str) -> Preview:
        """The validation report of a quest in the queue. Raises QuestError."""
        return quest_view.filed_preview(self.queue, quest_id)

    def _home(self, state: str, recent: list[StepMetrics], skin: Skin) -> dict[str, Any]:
        return {
            "hero": self._hero(state, recent), "battle": self._battle(state, recent),
            "strain": hero_view.strain(recent, self._settings.strain, self._advice()), "skills": self._skill_list(),
            "meters": machine_view.meters(self._machine.read()), "log": self._log(skin),
        }  # fmt: skip

    def _state_and_steps(self) -> tuple[str, list[StepMetrics]]:
        recent = list(self._metrics.recent(self.key, RECENT_STEPS))
        newest = self._events.newest(
            1, kinds=list(hero_view.STATE_KINDS), hero=self.key.hero, campaign=self.key.campaign
        )
        running = self._workspace.holder("hero") is not None
        last = recent[-1].time if recent else 0.0
        requested = self._workspace.requests()
        state = hero_view.training_state(running, newest[0] if newest else None, last, self._clock(), requested)
        return state, recent

    def _hero(self, state: str, recent: list[StepMetrics]) -> Hero:
        champion = self._checkpoints.champion(self.key)
        best = f"step {count(champion.step)}, {percent(champion.accuracy)}" if champion else ""
        record = hero_view.Record(
            self._guild.newest(self.key), self.queue.completed(self.key),
            sum(self._guild.levels(self.key).values()), self._titles, best,
            self._guild_read()[1], self._metrics.lowest(self.key, "val_loss"), self._temple.experience(),
        )  # fmt: skip
        return hero_view.hero(self.key.hero, self.profile, self.key.campaign, state, recent, record)

    def _advice(self) -> dict[str, Advice]:
        """What the newest practice was planned by: the advice of each skill's own meter at that moment."""
        planned = self._guild.practices(self.key, limit=1)
        told = planned[0].advice if planned else {}
        return {skill: told.get(skill, "wait") for skill in self._settings.campaign.skills if planned}

    def _battle(self, state: str, recent: list[StepMetrics]) -> Battle:
        active = self.queue.list("active", 1)
        counts = self.queue.counts()
        steps, tokens = hero_view.speed(recent, self._clock())
        return hero_view.battle(
            state, recent, quest_view.quest(active[0]) if active else None, steps_per_second=steps,
            tokens_per_second=tokens, requested=self._workspace.requests() & {"pause", "stop", "skip"},
            waiting=sum(counts[priority] for priority in ("high", "normal", "low")),
        )  # fmt: skip

    def _skill_list(self) -> list[Skill]:
        return self._guild_read()[0]

    def _guild_read(self) -> tuple[list[Skill], Bests]:
        """The skills and the personal bests, read again only after a fact that concerns them."""
        newest = self._events.newest(1, kinds=SKILL_KINDS, hero=self.key.hero, campaign=self.key.campaign)
        fact = newest[0].id if newest else 0
        if self._skills_read[0] != fact:
            bests = self._guild.bests(self.key)
            self._skills_read = (fact, self._skills.skills(bests), bests)
        return self._skills_read[1:]

    def _log(self, skin: Skin) -> list[LogLine]:
        return [
            LogLine(r.id, r.time, r.kind, icon(r.kind), tone(r.kind), skin.sentence(r))
            for r in self._events.newest(LOG_LINES, kinds=LOG_KINDS)
        ]

    def _achievements(self, skin: Skin) -> Achievements:
        return award_view.shown(self._awards.catalogue, self._awards.standing(self.key), skin, self._clock())

    def _blockers(self, state: str) -> Iterator[Blocker]:
        if state == "offline":
            yield Blocker("offline", "", "Nothing trains: the training process is not running.",
                          "Start it in a terminal: realm start-all")  # fmt: skip
        if state == "paused":
            yield Blocker("paused", "", "Training is held.", "It goes on exactly where it stopped.", "resume")
        if (resting := self._campaigns.blocker()) is not None:
            yield resting
        settled: set[str] = {"paused", "offline", "campaign"}
        for recorded in self._events.newest(200, kinds=BLOCKER_KINDS):
            name, blocker = _blocker(recorded)
            if name not in settled and blocker is not None:
                yield blocker
            settled.add(name)


def _blocker(recorded: Recorded) -> tuple[str, Blocker | None]:
    """What a fact says stands in the way, by name; None when it says that the way is clear."""
    fact = recorded.fact
    if isinstance(fact, BlockerRaised):
        return fact.blocker, Blocker(fact.blocker, fact.trying, fact.why, fact.fix)
    if isinstance(fact, ServiceGaveUp):
        why = f"The service {fact.service} ended {fact.restarts} times and is left alone."
        return f"service-{fact.service}", Blocker(f"service-{fact.service}", "", why, fact.hint)
    if isinstance(fact, ServiceStarted):
        return f"service-{fact.service}", None
    assert isinstance(fact, BlockerCleared)
    return fact.blocker, None
