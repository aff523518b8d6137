"""What the Guild remembers: campaigns, levels, examinations, practice. The only writer of its tables; knows no model.

The invariant: a skill's level is always what its stored examinations lead to (`progression.fold`), so that the same
checkpoint examined twice, a kill between two steps, or a campaign that goes back to an older checkpoint cannot
count anything twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, and_, delete, func, select

from realm.config.schema import CampaignSettings, CurriculumSettings
from realm.db import Database
from realm.events import CampaignStarted, Events, ExaminationTaken, Fact, LevelGained, LevelLost, PracticePlanned
from realm.guild.curriculum import Cell, Mix, SkillView, View
from realm.guild.engine import SkillEngine
from realm.guild.progression import Change, Examination, SkillState, apply, fold
from realm.guild.strain import Advice
from realm.guild.tables import (
    COUNTED,
    Bests,
    Campaign,
    CampaignState,
    Practice,
    PrimitiveAccuracy,
    Transition,
    as_campaign,
    as_counted,
    as_examination,
    as_row,
    campaign_table,
    error_rates,
    examination_table,
    level_tokens_table,
    level_transition_table,
    of,
    practice_table,
    skill_level_table,
)
from realm.records import CampaignKey


class GuildLedger:
    """Reads and writes the Guild's tables; each fact is recorded in the transaction of its row."""

    def __init__(
        self,
        db: Database,
        events: Events,
        settings: CurriculumSettings | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._db = db
        self._events = events
        self._rule = settings or CurriculumSettings()
        self._clock = clock

    # -- campaigns -------------------------------------------------------------------------------------------
    def begin(
        self,
        key: CampaignKey,
        campaign: CampaignSettings,
        *,
        settings: Mapping[str, Any] | None = None,
        starting_checkpoint: str = "",
    ) -> Campaign:
        """The campaign, made if it is new. One that stands keeps what it began with.

        `settings` is the resolved configuration; without a `starting_checkpoint` it is a new game.
        """
        with self._db.write() as connection:
            if (found := _campaign(connection, key)) is None:
                connection.execute(
                    campaign_table.insert(),
                    {
                        "hero": key.hero,
                        "campaign": key.campaign,
                        "created": self._clock(),
                        "state": "active",
                        "seed": campaign.seed,
                        "starting_checkpoint": starting_checkpoint,
                        "skills": json.dumps(campaign.skills),
                        "settings": json.dumps(dict(settings or {})),
                    },
                )
                self._events.append_in(connection, CampaignStarted(hero=key.hero, campaign=key.campaign))
                found = _campaign(connection, key)
        assert found is not None
        return found

    def campaign(self, key: CampaignKey) -> Campaign | None:
        with self._db.read() as connection:
            return _campaign(connection, key)

    def campaigns(self) -> list[Campaign]:
        """All campaigns, oldest first."""
        with self._db.read() as connection:
            rows = connection.execute(select(campaign_table).order_by(campaign_table.c.created)).all()
        return [as_campaign(row) for row in rows]

    def set_campaign_state(self, key: CampaignKey, state: CampaignState) -> None:
        with self._db.write() as connection:
            connection.execute(campaign_table.update().where(of(campaign_table, key)).values(state=state))

    # -- examinations ----------------------------------------------------------------------------------------
    def record(self, examinations: Sequence[Examination]) -> list[Change]:
        """Store examinations, count them, and say what they changed; rows, levels and facts in one transaction.

        A level that was already examined at a checkpoint is left as it was and counts nothing.
        """
        changes: list[Change] = []
        ordered = sorted(examinations, key=lambda e: (e.key, e.skill, e.step, e.level))
        with self._db.write() as connection:
            for (key, skill), group in groupby(ordered, key=lambda e: (e.key, e.skill)):
                changes += self._record_skill(connection, key, skill, list(group))
        return changes

    def _record_skill(
        self, connection: Connection, key: CampaignKey, skill: str, examinations: list[Examination]
    ) -> list[Change]:
        table = examination_table
        steps = {e.step for e in examinations}
        stored = {
            tuple(row)
            for row in connection.execute(
                select(table.c.step, table.c.level).where(of(table, key, skill), table.c.step.in_(steps))
            )
        }
        fresh = {(e.step, e.level): e for e in examinations if (e.step, e.level) not in stored}
        if not fresh:
            return []
        newest = connection.scalar(select(func.max(table.c.step)).where(of(table, key, skill)))
        connection.execute(table.insert(), [as_row(e) for e in fresh.values()])
        self._events.append_in(connection, *(_taken(e) for e in fresh.values()))
        if newest is not None and min(steps) <= newest:  # late, or a second sitting at this checkpoint
            return self._recount(connection, key, skill, max(steps))
        state, changes = _state(connection, key, skill), list[Change]()
        for _, sitting in groupby(fresh.values(), key=lambda e: e.step):
            state, more = apply(state, list(sitting), self._rule)
            changes += more
        self._store(connection, key, skill, state, changes)
        self._events.append_in(connection, *(_level_fact(c) for c in changes))
        return changes

    def rewind(self, key: CampaignKey, step: int) -> list[Change]:
        """Forget what was examined and trained after a step: the campaign goes on from an older checkpoint.

        Levels become what the remaining examinations lead to; what that changed is recorded and returned.
        The practice that was planned stays on record, for its quests may still wait in the queue.
        """
        changes: list[Change] = []
        table = examination_table
        with self._db.write() as connection:
            beyond = and_(of(table, key), table.c.step > step)
            skills = connection.scalars(select(table.c.skill).where(beyond).distinct()).all()
            connection.execute(delete(table).where(beyond))
            connection.execute(
                delete(level_tokens_table).where(of(level_tokens_table, key), level_tokens_table.c.step > step)
            )
            for skill in sorted(skills):
                changes += self._recount(connection, key, skill, step)
        return changes

    def _recount(self, connection: Connection, key: CampaignKey, skill: str, step: int) -> list[Change]:
        """Derive a skill's level anew from all its stored examinations. Returns how the mastered levels differ."""
        before = _state(connection, key, skill).mastered
        rows = connection.execute(select(*COUNTED).where(of(examination_table, key, skill)))
        state, history = fold((as_counted(key, row) for row in rows), self._rule)
        connection.execute(delete(level_transition_table).where(of(level_transition_table, key, skill)))
        self._store(connection, key, skill, state, history)
        decided = {change.level: change for change in history}
        gained = [decided[level] for level in sorted(state.mastered - before)]
        undone = [decided.get(level) or _undone(key, skill, level, step) for level in before - state.mastered]
        lost = [Change("lost", change.examination) for change in sorted(undone, key=lambda c: -c.level)]
        self._events.append_in(connection, *(_level_fact(c) for c in [*lost, *gained]))
        return [*lost, *gained]

    def _store(
        self, connection: Connection, key: CampaignKey, skill: str, state: SkillState, changes: Sequence[Change]
    ) -> None:
        """Write a skill's state, and append its transitions."""
        where = of(skill_level_table, key, skill)
        last = changes[-1].examination if changes else None
        old = connection.execute(select(skill_level_table).where(where)).one_or_none()
        step, tokens = (last.step, last.tokens) if last else (0, 0)
        if last is None and old is not None and old.level == state.level:
            step, tokens = old.step_at_last_level, old.tokens_at_last_level
        connection.execute(delete(skill_level_table).where(where))
        connection.execute(
            skill_level_table.insert(),
            {
                "hero": key.hero,
                "campaign": key.campaign,
                "skill": skill,
                "level": state.level,
                "state": json.dumps(state.as_json()),
                "step_at_last_level": step,
                "tokens_at_last_level": tokens,
            },
        )
        if changes:
            connection.execute(level_transition_table.insert(), [_transition(change) for change in changes])

    # -- what stands -----------------------------------------------------------------------------------------
    def levels(self, key: CampaignKey) -> dict[str, int]:
        """Skill -> level: all levels up to it are mastered."""
        return {skill: state.level for skill, state in self.states(key).items()}

    def states(self, key: CampaignKey) -> dict[str, SkillState]:
        """Skill -> where the hero stands in it; skills that were never examined are absent."""
        with self._db.read() as connection:
            rows = connection.execute(select(skill_level_table).where(of(skill_level_table, key))).all()
        return {row.skill: SkillState.from_json(json.loads(row.state)) for row in rows}

    def state(self, key: CampaignKey, skill: str) -> SkillState:
        with self._db.read() as connection:
            return _state(connection, key, skill)

    def examinations(
        self,
        key: CampaignKey,
        skill: str | None = None,
        level: int | None = None,
        *,
        limit: int = 100,
        before_step: int | None = None,
    ) -> list[Examination]:
        """Examinations, newest first; `before_step` pages on."""
        table = examination_table
        query = select(table).where(of(table, key, skill)).order_by(table.c.step.desc(), table.c.level).limit(limit)
        if level is not None:
            query = query.where(table.c.level == level)
        if before_step is not None:
            query = query.where(table.c.step < before_step)
        with self._db.read() as connection:
            return [as_examination(row) for row in connection.execute(query)]

    def newest(self, key: CampaignKey) -> list[Examination]:
        """All examinations of the checkpoint that was examined last."""
        table = examination_table
        last = select(table.c.step).where(of(table, key)).order_by(table.c.step.desc()).limit(1).scalar_subquery()
        query = select(table).where(of(table, key), table.c.step == last).order_by(table.c.skill, table.c.level)
        with self._db.read() as connection:
            return [as_examination(row) for row in connection.execute(query)]

    def was_examined(self, key: CampaignKey, step: int) -> bool:
        """Whether the checkpoint of a step has any examination: a kill may have come in between."""
        table = examination_table
        query = select(table.c.id).where(of(table, key), table.c.step == step).limit(1)
        with self._db.read() as connection:
            return connection.scalar(query) is not None

    def history(self, key: CampaignKey, skill: str, *, limit: int = 2000) -> dict[int, list[Examination]]:
        """Level -> its examinations, oldest first, for charts: the newest `limit` of the skill."""
        by_level: dict[int, list[Examination]] = {}
        for examination in reversed(self.examinations(key, skill, limit=limit)):
            by_level.setdefault(examination.level, []).append(examination)
        return dict(sorted(by_level.items()))

    def transitions(self, key: CampaignKey, skill: str | None = None) -> list[Transition]:
        """Levels gained and lost, oldest first."""
        t = level_transition_table
        query = select(t).where(of(t, key, skill)).order_by(t.c.step, t.c.id)
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        return [Transition(r.skill, r.level, r.kind, r.step, r.tokens, r.val_loss, r.time) for r in rows]

    def floor(self, key: CampaignKey, skill: str) -> float:
        """The skill's floor of strain: the lowest validation loss at which a level was mastered; 0 before."""
        gains = [t.val_loss for t in self.transitions(key, skill) if t.kind == "gained" and t.val_loss is not None]
        return min(gains, default=0.0)

    def bests(self, key: CampaignKey) -> Bests:
        """Personal bests of the campaign as it stands; a level that was lost again still counts."""
        table = examination_table
        share = table.c.correct * 1.0 / table.c.n
        query = select(table).where(of(table, key), table.c.role == "frontier", table.c.n > 0)
        with self._db.read() as connection:
            row = connection.execute(query.order_by(share.desc(), table.c.step).limit(1)).one_or_none()
        highest: dict[str, int] = {}
        mastered: dict[str, frozenset[int]] = {}
        for t in self.transitions(key):
            held = mastered.get(t.skill, frozenset())
            mastered[t.skill] = held | {t.level} if t.kind == "gained" else held - {t.level}
            highest[t.skill] = max(highest.get(t.skill, 0), SkillState(mastered[t.skill]).level)
        return Bests(highest, None if row is None else as_examination(row))

    # -- primitives ------------------------------------------------------------------------------------------
    def primitives(self, key: CampaignKey, skill: str, level: int | None = None) -> list[PrimitiveAccuracy]:
        """Accuracy of each primitive over the newest examination of each level (or of one level), by name.

        Each level's set of problems is fixed: taking only its newest examination counts no problem twice, so that
        the interval is as wide as it should be.
        """
        table = examination_table
        last = select(table.c.level, func.max(table.c.step).label("step")).where(of(table, key, skill))
        last = last.where(table.c.level == level) if level is not None else last
        newest = last.group_by(table.c.level).subquery()
        query = (
            select(table.c.primitives)
            .where(of(table, key, skill))
            .join(newest, and_(table.c.level == newest.c.level, table.c.step == newest.c.step))
        )
        counts: dict[str, tuple[int, int]] = {}
        with self._db.read() as connection:
            for text in connection.scalars(query):
                for name, (correct, n) in json.loads(text).items():
                    before = counts.get(name, (0, 0))
                    counts[name] = (before[0] + correct, before[1] + n)
        return [PrimitiveAccuracy(name, *counts[name]) for name in sorted(counts)]

    def primitive_history(
        self, key: CampaignKey, skill: str, primitive: str, *, limit: int = 200
    ) -> list[tuple[int, PrimitiveAccuracy]]:
        """(step, accuracy) of one primitive, oldest first, the levels of a checkpoint pooled."""
        points: dict[int, PrimitiveAccuracy] = {}
        for e in reversed(self.examinations(key, skill, limit=limit)):
            correct, n = e.primitives.get(primitive, (0, 0))
            if n:
                before = points.get(e.step, PrimitiveAccuracy(primitive, 0, 0))
                points[e.step] = PrimitiveAccuracy(primitive, before.correct + correct, before.n + n)
        return sorted(points.items())

    def weakest(self, key: CampaignKey, skill: str, *, least: int = 5) -> list[PrimitiveAccuracy]:
        """Primitives below the threshold at the frontier, weakest first; those asked fewer than `least` times wait."""
        found = self.primitives(key, skill, self.state(key, skill).frontier) or self.primitives(key, skill)
        weak = [p for p in found if p.n >= least and p.accuracy < self._rule.threshold]
        return sorted(weak, key=lambda p: (p.accuracy, p.name))

    # -- practice --------------------------------------------------------------------------------------------
    def view(
        self,
        key: CampaignKey,
        engine: SkillEngine,
        skills: Sequence[str],
        *,
        advice: Mapping[str, Advice],
        priorities: Mapping[str, float] | None = None,
        review_share: float = 0.2,
    ) -> View:
        """What the curriculum needs to know. `advice` is that of each skill's strain meter (absent: wait)."""
        weights = priorities or {}
        return View(
            tuple(
                self._skill_view(key, name, engine.get(name).levels, advice.get(name, "wait"), weights.get(name, 1.0))
                for name in skills
            ),
            review_share,
        )

    def _skill_view(self, key: CampaignKey, skill: str, levels: int, advice: Advice, priority: float) -> SkillView:
        state = self.state(key, skill)
        newest = self.examinations(key, skill, state.frontier, limit=1)
        return SkillView(
            skill=skill,
            levels=levels,
            state=state,
            advice=advice,
            priority=priority,
            gap=newest[0].gap if newest else None,
            errors=error_rates(self.primitives(key, skill, state.frontier) or self.primitives(key, skill)),
        )

    def record_practice(
        self,
        key: CampaignKey,
        quest: str,
        *,
        step: int,
        rows: int,
        mix: Mix,
        advice: Mapping[str, Advice] | None = None,
    ) -> None:
        """Note a practice quest with its reason and the strain advice of that moment, and record the fact."""
        with self._db.write() as connection:
            connection.execute(
                practice_table.insert(),
                {
                    "hero": key.hero,
                    "campaign": key.campaign,
                    "quest": quest,
                    "step": step,
                    "rows": rows,
                    "mix": json.dumps(mix.as_json()),
                    "advice": json.dumps(dict(advice or {})),
                    "reason": mix.reason,
                    "time": self._clock(),
                },
            )
            self._events.append_in(
                connection,
                PracticePlanned(
                    hero=key.hero, campaign=key.campaign, quest=quest, mix=mix.as_json(), reason=mix.reason, rows=rows
                ),
            )

    def practices(self, key: CampaignKey, *, limit: int = 50) -> list[Practice]:
        """Practice quests, newest first."""
        t = practice_table
        query = select(t).where(of(t, key)).order_by(t.c.id.desc()).limit(limit)
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        return [
            Practice(r.quest, r.step, r._mapping["rows"], json.loads(r.mix), json.loads(r.advice), r.reason, r.time)
            for r in rows
        ]

    def shares(self, key: CampaignKey, quest: str) -> dict[Cell, float]:
        """The shares that a practice quest was mixed of; empty for any other quest."""
        t = practice_table
        query = select(t.c.mix).where(of(t, key), t.c.quest == quest).order_by(t.c.id.desc()).limit(1)
        with self._db.read() as connection:
            mix = json.loads(connection.scalar(query) or "{}")
        parts = {cell.rpartition("/"): share for cell, share in mix.items()}
        return {(skill, int(level)): share for (skill, _, level), share in parts.items()}

    def practice_count(self, key: CampaignKey) -> int:
        """Practice quests made so far; never falls, so that it can number (and seed) the next one."""
        with self._db.read() as connection:
            query = select(func.count()).select_from(practice_table).where(of(practice_table, key))
            return connection.scalar(query) or 0

    def record_tokens(self, key: CampaignKey, step: int, tokens: Mapping[Cell, int]) -> None:
        """Tokens trained per level since the checkpoint before, told once at each checkpoint (again: replaced)."""
        t = level_tokens_table
        with self._db.write() as connection:
            connection.execute(delete(t).where(of(t, key), t.c.step == step))
            if tokens:
                connection.execute(
                    t.insert(),
                    [
                        {
                            "hero": key.hero,
                            "campaign": key.campaign,
                            "step": step,
                            "skill": skill,
                            "level": level,
                            "tokens": count,
                        }
                        for (skill, level), count in tokens.items()
                    ],
                )

    def tokens(self, key: CampaignKey, skill: str, *, after_step: int = -1) -> dict[int, int]:
        """Level -> tokens trained on it in the campaign, or after a step of it."""
        t = level_tokens_table
        query = select(t.c.level, func.sum(t.c.tokens)).where(of(t, key, skill), t.c.step > after_step)
        with self._db.read() as connection:
            return {level: int(total) for level, total in connection.execute(query.group_by(t.c.level))}


def _campaign(connection: Connection, key: CampaignKey) -> Campaign | None:
    row = connection.execute(select(campaign_table).where(of(campaign_table, key))).one_or_none()
    return None if row is None else as_campaign(row)


def _state(connection: Connection, key: CampaignKey, skill: str) -> SkillState:
    text = connection.scalar(select(skill_level_table.c.state).where(of(skill_level_table, key, skill)))
    return SkillState() if text is None else SkillState.from_json(json.loads(text))


def _undone(key: CampaignKey, skill: str, level: int, step: int) -> Change:
    """A level whose examinations are all forgotten is lost at the step that the campaign went back to."""
    return Change("lost", Examination(key=key, step=step, skill=skill, level=level, role="frontier", n=0, correct=0))


def _transition(change: Change) -> dict[str, Any]:
    e = change.examination
    return {
        "hero": e.key.hero,
        "campaign": e.key.campaign,
        "skill": e.skill,
        "level": e.level,
        "kind": change.kind,
        "step": e.step,
        "tokens": e.tokens,
        "val_loss": e.val_loss,
        "time": e.time,
    }


def _taken(e: Examination) -> Fact:
    return ExaminationTaken(
        hero=e.key.hero,
        campaign=e.key.campaign,
        skill=e.skill,
        level=e.level,
        step=e.step,
        n=e.n,
        correct=e.correct,
        accuracy=e.accuracy,
        low=e.interval.low,
        high=e.interval.high,
        training_accuracy=e.training_accuracy,
        role=e.role,
    )


def _level_fact(change: Change) -> Fact:
    e = change.examination
    names = {"hero": e.key.hero, "campaign": e.key.campaign, "skill": e.skill}
    if change.kind == "gained":
        return LevelGained(**names, level=e.level, step=e.step, tokens=e.tokens)
    return LevelLost(**names, level=e.level, step=e.step)
