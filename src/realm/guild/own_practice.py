"""Makes the next practice of an idle hero, or says why not: the strategies, the guards and the grounding put to work.

Knows the Guild's ledger, the facts and one request of the workspace; no queue: past rows are handed in.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from realm.config.schema import REWARDED, RealmSettings
from realm.errors import UsageError
from realm.events import BlockerCleared, BlockerRaised, Events
from realm.guild import grounding, guards, practice
from realm.guild.curriculum import Mix
from realm.guild.engine import SkillEngine
from realm.guild.grounding import Forbidden, Grounded
from realm.guild.guards import Trip, Variety
from realm.guild.ledger import GuildLedger
from realm.guild.mastery import Rules
from realm.guild.passives.guard import is_canary
from realm.guild.reward_practice import Choose, shown
from realm.guild.skill import Problem
from realm.guild.strain import Advice
from realm.records import CampaignKey, LevelCell, PastRow
from realm.workspace import Workspace

log = logging.getLogger(__name__)
BLOCKER = "practice"
RESUME = "practice-resume"
"""The request that lets practice pass unwatched: `hero:campaign N`, up to practice quest number N."""
RETRY_SECONDS = 30.0
"""So long after a guard said no, and with nothing trained since, it is not asked again."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One practice quest before it is written."""

    mix: Mix
    problems: Sequence[Problem]
    grounded: Sequence[Grounded]
    variety: Mapping[LevelCell, Variety]
    engine: SkillEngine
    method: str = "sft"

    def write(self, path: Path, seed: str, *, owner: CampaignKey | None = None) -> Path:
        """Write it to `path` with its sidecar, as `practice.write` does."""
        rows = [row.as_json() for row in self.grounded]
        return practice.write(
            self.mix,
            self.engine,
            path,
            len(self.problems),
            seed,
            drawn=self.problems,
            beside=rows,
            about=self.about(),
            owner=owner,
            method=self.method,
        )

    def about(self) -> dict[str, Any]:
        """What the sidecar says of it beside its mix."""
        measured = {
            f"{skill}/{level}": {"rows": v.rows, "unique": round(v.unique, 3), "entropy_bits": round(v.entropy_bits, 2)}
            for (skill, level), v in self.variety.items()
        }
        return {"variety": measured, "grounding": grounding.origins(self.grounded)}


@dataclass(frozen=True, slots=True)
class Standing:
    """What the hero knows of its training when it looks for practice."""

    step: int
    advice: Mapping[str, Advice]
    loss: float | None
    """Mean training loss of the last steps; None before the first."""


class OwnPractice:
    """The practice of one campaign."""

    def __init__(
        self,
        key: CampaignKey,
        ledger: GuildLedger,
        engine: SkillEngine,
        events: Events,
        workspace: Workspace,
        settings: RealmSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key, self._ledger, self._engine = key, ledger, engine
        self._events, self._workspace, self._clock = events, workspace, clock
        self._skills, self._exams, self._rule = settings.campaign.skills, settings.curriculum, settings.guards
        self._references: dict[LevelCell, list[str]] = {}
        self._raised = _raised(events, key)
        self._asked_again: tuple[int, float] | None = None  # step and time until which a trip stands unasked

    def batch(
        self,
        plan: Callable[[], Mix],
        count: int,
        seed: str,
        now: Standing,
        past: Callable[[], Iterable[PastRow]],
        method: Choose = shown,
    ) -> Batch | None:
        """The next practice of `count` rows; None while a guard, or a mistake in the settings, keeps it away.

        What keeps it is said once as a blocker, and taken back when it is gone.
        """
        number = self._ledger.practice_count(self._key)
        unwatched = not self._rule.enabled or self._overlooked(number)
        if self._stands(now.step) and not unwatched:
            return None
        try:
            mix = plan()
        except UsageError as error:
            self._block(Trip("settings", error.message, error.hint), now.step)
            return None
        batch = None
        trip = None if unwatched else self._gone_wrong(now)
        if trip is None:
            batch = self._make(mix, count, seed, past, method)
            trip = None if unwatched else self._collapsed(batch)
        if trip is not None:
            self._block(trip, now.step)
            return None
        self._unblock()
        return batch

    # -- making ------------------------------------------------------------------------------------------------
    def _make(self, mix: Mix, count: int, seed: str, past: Callable[[], Iterable[PastRow]], choose: Choose) -> Batch:
        grounded = self._ground(round(self._rule.grounding_share * count), seed, past)
        problems = practice.draw(mix, self._engine, count - len(grounded), seed)
        method, why = choose(problems, seed)
        if why:
            mix = replace(mix, reason=f"{mix.reason} {why}")
        if method in REWARDED:
            grounded = []  # real rows show their answers, and a file has one shape
        texts = guards.by_cell(((p.skill, p.level), f"{p.prompt}\n{p.answer}") for p in problems)
        if grounded:
            files = len({row.origin.quest for row in grounded})
            whence = f"{files} completed {'file' if files == 1 else 'files'}"
            mix = replace(mix, reason=f"{mix.reason} {len(grounded)} of {count} rows are real ones, of {whence}.")
        return Batch(
            mix, problems, grounded, {cell: guards.variety(rows) for cell, rows in texts.items()}, self._engine, method
        )

    def _ground(self, count: int, seed: str, past: Callable[[], Iterable[PastRow]]) -> list[Grounded]:
        rows = iter(past()) if count else iter(())
        if (first := next(rows, None)) is None:
            return []  # nothing to choose from: the examinations need not be worked out
        return grounding.choose(_chain(first, rows), count, seed, self._forbidden, self._engine.names())

    @cached_property
    def _forbidden(self) -> Forbidden:
        """No canary, no prompt of a fixed examination of the skills in focus, nothing in the signs of any skill."""
        rules = Rules(self._engine, self._exams)
        prompts = (
            problem.prompt
            for name in self._engine.usable(self._skills)
            for level in range(1, self._engine.get(name).levels + 1)
            for size in {rules.of(name).problems, self._exams.panel_problems}
            for problem in self._engine.generate_eval_batch(name, level, size)
        )
        held = grounding.forbidding(
            prompts, [self._engine.get(name).vocabulary() for name in self._engine.usable(self._engine.names())]
        )
        return lambda text: is_canary(text) or held(text)

    # -- watching ----------------------------------------------------------------------------------------------
    def _gone_wrong(self, now: Standing) -> Trip | None:
        """What training so far says against more of the same."""
        planned = self._ledger.practices(self._key, limit=self._rule.overload_quests)
        if trip := guards.overloaded([now.advice, *(quest.advice for quest in planned)], self._rule):
            return trip
        for skill, level in sorted({(e.skill, e.level) for e in self._ledger.newest(self._key)}):
            taken = self._ledger.examinations(self._key, skill, level, limit=self._rule.falling_examinations)
            if trip := guards.falling(skill, taken, now.loss, self._rule):
                return trip
        return None

    def _collapsed(self, batch: Batch) -> Trip | None:
        """The first level whose problems are too much alike."""
        judged = (
            guards.collapsed(cell, drawn, self._reference(cell, drawn.rows), self._rule)
            for cell, drawn in batch.variety.items()
        )
        return next(filter(None, judged), None)

    def _reference(self, cell: LevelCell, rows: int) -> Variety:
        """The variety of as many rows of the level as its skill makes them."""
        if cell not in self._references:
            problems = self._engine.generate_batch(*cell, guards.JUDGED_ROWS, "reference")
            self._references[cell] = [f"{p.prompt}\n{p.answer}" for p in problems]
        return guards.variety(self._references[cell][:rows])

    # -- standing still, and going on --------------------------------------------------------------------------
    def _stands(self, step: int) -> bool:
        return self._asked_again is not None and self._asked_again[0] == step and self._clock() < self._asked_again[1]

    def _overlooked(self, number: int) -> bool:
        """Whether a person said to go on all the same; the request goes when its practice quests are made."""
        said = self._workspace.request_text(RESUME)
        if said is None:
            return False
        key, _, until = said.rpartition(" ")
        if key == str(self._key) and until.isdecimal() and number < int(until):
            return True
        self._workspace.withdraw(RESUME)
        return False

    def _block(self, trip: Trip, step: int) -> None:
        """Say once what keeps practice from being made."""
        self._asked_again = step, self._clock() + RETRY_SECONDS
        if self._raised != trip.why:
            log.warning("practice pauses: %s %s", trip.why, trip.fix)
            self._raised = trip.why
            names = {"hero": self._key.hero, "campaign": self._key.campaign}
            self._events.append(
                BlockerRaised(blocker=BLOCKER, trying="making practice", why=trip.why, fix=trip.fix, **names)
            )

    def _unblock(self) -> None:
        self._asked_again = None
        if self._raised:
            self._raised = ""
            self._events.append(BlockerCleared(blocker=BLOCKER, hero=self._key.hero, campaign=self._key.campaign))


def overlook(workspace: Workspace, ledger: GuildLedger, key: CampaignKey, quests: int) -> int:
    """Ask that the next `quests` practice quests be made unwatched. Returns the number of the first that is watched."""
    until = ledger.practice_count(key) + quests
    workspace.request(RESUME, f"{key} {until}")
    return until


def paused(events: Events, key: CampaignKey) -> BlockerRaised | None:
    """The blocker of a campaign's practice that stands now."""
    kinds = ("blocker_raised", "blocker_cleared")
    for recorded in events.newest(200, kinds=kinds, hero=key.hero, campaign=key.campaign):
        fact = recorded.fact
        if isinstance(fact, BlockerRaised | BlockerCleared) and fact.blocker == BLOCKER:
            return fact if isinstance(fact, BlockerRaised) else None
    return None


def _raised(events: Events, key: CampaignKey) -> str:
    standing = paused(events, key)
    return standing.why if standing else ""


def _chain(first: PastRow, rest: Iterable[PastRow]) -> Iterable[PastRow]:
    yield first
    yield from rest
