"""The quests that a hero makes for itself: practice, and its own mistakes. They enter by the inbox like any other."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, Any

from realm.config.beginning import practice_name
from realm.errors import SkillBroken
from realm.guild import curriculum, pairs, reward_practice, sparring, strategies
from realm.guild.campaigns import short_name
from realm.guild.own_practice import OwnPractice, Standing
from realm.guild.sparring_ledger import SparringLedger
from realm.quests.inbox import deliver
from realm.quests.past import real_rows

if TYPE_CHECKING:
    from realm.hero_loop.day import HeroLoop

LOSS_STEPS = 20
"""Steps whose mean loss the guards of practice look at."""


class OwnData:
    """Makes quests for one hero's day where it is time."""

    def __init__(self, day: HeroLoop) -> None:
        self._day = day
        self._practice = OwnPractice(day.key, day.guild, day.skills, day.events, day.workspace, day.settings)
        self._bouts = SparringLedger(day.db, day.events)

    def make(self) -> None:
        """The hero's own data: its mistakes where it is time, then practice. A skill that fails is left out."""
        try:
            self.spar()
            self.practise()
        except SkillBroken as broken:
            self._day.skills.set_aside(broken)  # the next day plans without it

    def practise(self) -> None:
        """Make a quest of practice, unless a guard pauses it."""
        day = self._day
        if not day.roster.usable():
            day.block("no-skill", "practising", "No skill in focus can be used.", "Mend one, or set campaign.skills.")
            return
        step, count = day.engine.progress.step, day.guild.practice_count(day.key)
        seed = f"{practice_name(day.settings, day.key)}/{day.settings.campaign.seed}/{step}/{count}"
        past = partial(real_rows, day.queue, day.settings.guards.grounding_quests)
        choose = reward_practice.chooser(day.hyperparameters, day.skills, day.engine.sample)
        rows = day.profile.idle_generation.examples
        batch = self._practice.batch(self.plan, rows, seed, self.stands(), past, choose)
        if batch is None:
            return  # a guard says no, and has said why
        name = f"practice-{short_name(day.key)}-{step:08d}-{count}.jsonl"
        path = batch.write(day.workspace.inbox / name, seed, owner=day.key)
        if quest := day.inbox.take(path):
            day.guild.record_practice(day.key, quest.id, step=step, rows=quest.rows, mix=batch.mix, advice=day.advice())

    def spar(self) -> None:
        """Where it is time, make a quest of the hero's own wrong answers."""
        day = self._day
        step, rule = day.engine.progress.step, day.profile.sparring
        levels = {name: day.skills.get(name).levels for name in day.roster.usable()}
        for skill, level, practices in self._bouts.due(day.key, day.guild, levels, rule):
            seed = f"spar/{day.key}/{step}/{practices}"
            day.room.expect_level(day.skills, skill, level)
            bout = pairs.hold_as(
                rule, day.skills, skill, level, rule.problems, seed, day.answer, day.sample,
                method=day.hyperparameters.method,
            )  # fmt: skip
            if name := sparring.file_name(bout, step):
                about = bout.sidecar(f"{day.key}@{step}")
                day.inbox.take(deliver(day.workspace, name, bout.lines(), priority="high", meta=about))
            self._bouts.record(day.key, bout, step=step, quest=name, practices=practices)

    def outdated(self, about: Mapping[str, Any]) -> str:
        """Why a waiting quest of the hero's own mistakes, by its sidecar, is not worth training any more."""
        key = self._day.key
        return sparring.outdated(about.get("checkpoint", ""), key, self._day.keeper.ledger.steps(key))

    def plan(self) -> curriculum.Mix:
        """What to practise next: the frontier, above, below, review and repair."""
        day = self._day
        view = day.guild.view(
            day.key,
            day.skills,
            day.roster.usable(),
            advice=day.advice(),
            priorities=day.profile.skill_priorities,
            review_share=day.profile.idle_generation.review_share,
        )
        seed = f"{practice_name(day.settings, day.key)}/{day.engine.progress.step}"
        return strategies.plan(view, day.settings.curriculum, seed=seed)

    def stands(self) -> Standing:
        """What the guards of practice look at."""
        day = self._day
        recent = day.metrics.recent(day.key, LOSS_STEPS)
        return Standing(day.engine.progress.step, day.advice(), fmean(m.loss for m in recent) if recent else None)
