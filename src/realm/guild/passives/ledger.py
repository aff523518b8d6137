"""What the canaries told, checkpoint by checkpoint. The only writer of its table; knows no model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Float, Index, Integer, Row, String, Table, Text, delete, select

from realm.config.schema import PassiveSettings
from realm.db import Database, metadata
from realm.events import CanariesDrifted, CanariesRecovered, Events, Fact
from realm.guild.passives.drift import Drift, Severity, Sitting, compare
from realm.guild.passives.sets import CORE, MODULES
from realm.guild.tables import of
from realm.records import CampaignKey

canary_sitting_table = Table(
    "canary_sitting",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("hero", String(80), nullable=False),
    Column("campaign", String(80), nullable=False),
    Column("step", Integer, nullable=False),
    Column("module", String(40), nullable=False),
    Column("problem_set", String(16), nullable=False),
    Column("n", Integer, nullable=False),
    Column("correct", Integer, nullable=False),
    Column("marks", Text, nullable=False),
    Column("primitives", Text, nullable=False),
    Column("template_hash", String(80), nullable=False),
    Column("seconds", Float, nullable=False),
    Column("time", Float, nullable=False),
    Index("ix_canary_sitting_once", "hero", "campaign", "module", "step", unique=True),
    Index("ix_canary_sitting_best", "hero", "campaign", "module", "problem_set", "correct", "step"),
)


class CanaryLedger:
    """Reads and writes the sittings; a drift that begins, worsens or ends is a fact in the same transaction."""

    def __init__(self, db: Database, events: Events, settings: PassiveSettings) -> None:
        self._db = db
        self._events = events
        self._rule = settings

    def record(self, sittings: Iterable[Sitting]) -> list[Drift]:
        """Store sittings and say which modules' severity they changed. One that is stored already stays as it was."""
        changed: list[Drift] = []
        with self._db.write() as connection:
            for sitting in sittings:
                if _at(connection, sitting.key, sitting.module, sitting.step) is not None:
                    continue
                before = self._newest_drift(connection, sitting.key, sitting.module)
                connection.execute(canary_sitting_table.insert(), _as_row(sitting))
                after = self._newest_drift(connection, sitting.key, sitting.module)
                if after is not None and after.severity != _severity(before):
                    changed.append(after)
            self._events.append_in(connection, *map(_fact, changed))
        return changed

    def rewind(self, key: CampaignKey, step: int) -> None:
        """Forget what was asked after a step: the campaign goes on from an older checkpoint."""
        t = canary_sitting_table
        with self._db.write() as connection:
            connection.execute(delete(t).where(of(t, key), t.c.step > step))

    def has(self, key: CampaignKey, step: int, modules: Sequence[str]) -> bool:
        """Whether all of these modules were asked at a step."""
        with self._db.read() as connection:
            return all(_at(connection, key, module, step) is not None for module in modules)

    def standing(self, key: CampaignKey) -> dict[str, Drift]:
        """Module -> its newest sitting beside the best before it; modules that were never asked are absent."""
        with self._db.read() as connection:
            found = {module: self._newest_drift(connection, key, module) for module in (CORE, *MODULES)}
        return {module: drift for module, drift in found.items() if drift is not None}

    def history(self, key: CampaignKey, module: str, *, limit: int = 200) -> list[Sitting]:
        """A module's sittings, oldest first: the newest `limit`."""
        t = canary_sitting_table
        query = select(t).where(of(t, key), t.c.module == module).order_by(t.c.step.desc()).limit(limit)
        with self._db.read() as connection:
            return [_as_sitting(row) for row in reversed(connection.execute(query).all())]

    def stamp(self) -> tuple[int, float]:
        """Changes whenever a sitting was stored."""
        t = canary_sitting_table
        query = select(t.c.id, t.c.time).order_by(t.c.id.desc()).limit(1)
        with self._db.read() as connection:
            row = connection.execute(query).one_or_none()
        return (row.id, row.time) if row else (0, 0.0)

    def _newest_drift(self, connection: Connection, key: CampaignKey, module: str) -> Drift | None:
        t = canary_sitting_table
        query = select(t).where(of(t, key), t.c.module == module).order_by(t.c.step.desc()).limit(1)
        row = connection.execute(query).one_or_none()
        if row is None:
            return None
        sitting = _as_sitting(row)
        return compare(sitting, _best_before(connection, sitting), self._rule)


def _at(connection: Connection, key: CampaignKey, module: str, step: int) -> int | None:
    t = canary_sitting_table
    return connection.scalar(select(t.c.id).where(of(t, key), t.c.module == module, t.c.step == step))


def _best_before(connection: Connection, sitting: Sitting) -> Sitting | None:
    """The best of the same problems at an earlier step; of equals the first.

    Two walks along the index, one from either end, where one query would sort a campaign's whole history.
    """
    t = canary_sitting_table
    same = (of(t, sitting.key), t.c.module == sitting.module, t.c.problem_set == sitting.problem_set)
    earlier = select(t.c.correct).where(*same, t.c.step < sitting.step)
    most = connection.scalar(earlier.order_by(t.c.correct.desc(), t.c.step.desc()).limit(1))
    if most is None:
        return None
    row = connection.execute(select(t).where(*same, t.c.correct == most).order_by(t.c.step).limit(1)).one()
    return _as_sitting(row)


def _severity(drift: Drift | None) -> Severity:
    return drift.severity if drift is not None else ""


def _fact(drift: Drift) -> Fact:
    now, best = drift.sitting, drift.best
    if not drift.severity:
        return CanariesRecovered(
            hero=now.key.hero, campaign=now.key.campaign, module=now.module, step=now.step, n=now.n, correct=now.correct
        )
    return CanariesDrifted(
        hero=now.key.hero,
        campaign=now.key.campaign,
        module=now.module,
        severity=drift.severity,
        step=now.step,
        n=now.n,
        correct=now.correct,
        best_step=best.step,
        best_correct=best.correct,
        points=round(100 * drift.drop, 1),
        lost=drift.lost,
        gained=drift.gained,
    )


_PLAIN = ("step", "module", "problem_set", "n", "correct", "template_hash", "seconds", "time")


def _as_row(sitting: Sitting) -> dict[str, Any]:
    return {
        "hero": sitting.key.hero,
        "campaign": sitting.key.campaign,
        "marks": json.dumps([int(right) for right in sitting.right]),
        "primitives": json.dumps(dict(sitting.primitives)),
        **{name: getattr(sitting, name) for name in _PLAIN},
    }


def _as_sitting(row: Row[Any]) -> Sitting:
    return Sitting(
        key=CampaignKey(row.hero, row.campaign),
        step=row.step,
        module=row.module,
        problem_set=row.problem_set,
        right=tuple(map(bool, json.loads(row.marks))),
        primitives={name: (correct, n) for name, (correct, n) in json.loads(row.primitives).items()},
        template_hash=row.template_hash,
        seconds=row.seconds,
        time=row.time,
    )
