"""Examinations and the levels that they lead to; the only writer of their tables. Knows no model.

The invariant: a skill's level is always what its stored examinations lead to (`progression.fold`), so that the same
checkpoint examined twice, a kill between two steps, or a campaign that goes back to an older checkpoint cannot
count anything twice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, and_, delete, func, select

from realm.events import ExaminationTaken, Fact, LevelGained, LevelLost
from realm.guild import personal_bests
from realm.guild.ledger_base import LedgerBase
from realm.guild.progression import Change, Examination, SkillState, apply, fold
from realm.guild.tables import (
    COUNTED,
    LIGHT,
    Bests,
    Transition,
    as_counted,
    as_examination,
    as_light,
    as_row,
    examination_table,
    level_transition_table,
    of,
    skill_level_table,
)
from realm.records import CampaignKey


class ExaminationLedger(LedgerBase):
    """Reads and writes `examination`, `skill_level` and `level_transition`."""

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
            state, more = apply(state, list(sitting), self.rules.of(skill))
            changes += more
        self._store(connection, key, skill, state, changes)
        if len(changes) > 1:  # a level may have been gained and lost again on the way
            personal_bests.recount(connection, key)
        else:
            personal_bests.note(connection, key, fresh.values(), personal_bests.of_changes(skill, state.level, changes))
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
            self._forget_beyond(connection, key, step)
            for skill in sorted(skills):
                changes += self._recount(connection, key, skill, step)
        return changes

    def _recount(self, connection: Connection, key: CampaignKey, skill: str, step: int) -> list[Change]:
        """Derive a skill's level anew from all its stored examinations. Returns how the mastered levels differ."""
        before = _state(connection, key, skill).mastered
        rows = connection.execute(select(*COUNTED).where(of(examination_table, key, skill)))
        state, history = fold((as_counted(key, row) for row in rows), self.rules.of(skill))
        connection.execute(delete(level_transition_table).where(of(level_transition_table, key, skill)))
        self._store(connection, key, skill, state, history)
        personal_bests.recount(connection, key)
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
        with self._db.read() as connection:
            rows = connection.execute(select(table).where(of(table, key), table.c.step == last)).all()
        return [as_examination(row) for row in sorted(rows, key=lambda row: (row.skill, row.level))]

    def was_examined(self, key: CampaignKey, step: int) -> bool:
        """Whether the checkpoint of a step has any examination: a kill may have come in between."""
        table = examination_table
        query = select(table.c.id).where(of(table, key), table.c.step == step).limit(1)
        with self._db.read() as connection:
            return connection.scalar(query) is not None

    def history(self, key: CampaignKey, skill: str, *, limit: int = 2000) -> dict[int, list[Examination]]:
        """Level -> what levels count of its examinations, oldest first, for charts: the newest `limit` of the skill."""
        t = examination_table
        query = select(*COUNTED).where(of(t, key, skill)).order_by(t.c.step.desc(), t.c.level).limit(limit)
        with self._db.read() as connection:
            found = [as_counted(key, row) for row in connection.execute(query)]
        by_level: dict[int, list[Examination]] = {}
        for examination in reversed(found):
            by_level.setdefault(examination.level, []).append(examination)
        return dict(sorted(by_level.items()))

    def newest_of_levels(self, key: CampaignKey, skill: str) -> dict[int, Examination]:
        """Level -> its newest examination without primitives."""
        with self._db.read() as connection:
            return {row.level: as_light(row) for row in newest_rows(connection, key, skill, LIGHT)}

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
        with self._db.read() as connection:
            return personal_bests.read(connection, key)


def newest_rows(connection: Connection, key: CampaignKey, skill: str, columns: Sequence[Any]) -> list[Any]:
    """The newest examination of each level, by two look-ups in an index for each: grouping would read them all."""
    t = examination_table
    rows: list[Any] = []
    level = connection.scalar(select(func.min(t.c.level)).where(of(t, key, skill)))
    while level is not None:
        query = select(*columns).where(of(t, key, skill), t.c.level == level).order_by(t.c.step.desc()).limit(1)
        rows.append(connection.execute(query).one())
        level = connection.scalar(select(func.min(t.c.level)).where(of(t, key, skill), t.c.level > level))
    return rows


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
