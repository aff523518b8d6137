"""Verdicts, the experience they were worth, and who overrode one. The only writer of its tables; knows no check.

`experience` is append-only: what a campaign that goes back has to give up is a row with a negative amount.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Connection, Float, Index, Integer, Row, String, Table, Text, func, select

from realm.db import Database, metadata
from realm.events import Events, VerdictGiven, VerdictOverridden
from realm.records import CampaignKey


def _campaign() -> tuple[Column[Any], Column[Any]]:
    return Column("hero", String(80), nullable=False), Column("campaign", String(80), nullable=False)


verdict_table = Table(
    "verdict",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    *_campaign(),
    Column("run", String(80), nullable=False),
    Column("quest", String(24), nullable=False),
    Column("checkpoint", String(200), nullable=False),
    Column("start_step", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    Column("quality", Float, nullable=False),
    Column("word", String(12), nullable=False),
    Column("recommendation", String(12), nullable=False),
    Column("effort", Float, nullable=False),
    Column("experience", Float, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("findings", Text, nullable=False),
    Column("time", Float, nullable=False),
    Index("ix_verdict_run", "hero", "campaign", "run"),
    Index("ix_verdict_campaign", "hero", "campaign", "id"),
)
experience_table = Table(
    "experience",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    *_campaign(),
    Column("run", String(80), nullable=False),
    Column("step", Integer, nullable=False),
    Column("effort", Float, nullable=False),
    Column("quality", Float, nullable=False),
    Column("amount", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Column("time", Float, nullable=False),
    Index("ix_experience_campaign", "hero", "campaign", "step"),
    sqlite_autoincrement=True,
)
override_table = Table(
    "verdict_override",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    *_campaign(),
    Column("run", String(80), nullable=False),
    Column("action", String(12), nullable=False),
    Column("checkpoint", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("time", Float, nullable=False),
    Index("ix_verdict_override_run", "hero", "campaign", "run"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found about one run. `evidence` is its page, `findings` what the checks said."""

    key: CampaignKey
    run: str
    quest: str
    checkpoint: str
    start_step: int
    step: int
    quality: float
    word: str
    recommendation: str
    effort: float
    evidence: Mapping[str, Any] = field(default_factory=dict)
    findings: Sequence[Mapping[str, Any]] = ()
    time: float = 0.0

    @property
    def experience(self) -> float:
        return self.effort * self.quality

    @property
    def gate_met(self) -> bool:
        return self.recommendation == "promote"

    def as_json(self) -> dict[str, Any]:
        return {
            "hero": self.key.hero, "campaign": self.key.campaign, "run": self.run, "quest": self.quest,
            "checkpoint": self.checkpoint, "start_step": self.start_step, "step": self.step, "quality": self.quality,
            "word": self.word, "recommendation": self.recommendation, "gate_met": self.gate_met,
            "effort": self.effort, "experience": self.experience, "evidence": dict(self.evidence),
            "findings": [dict(finding) for finding in self.findings], "time": self.time,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Override:
    """A person decided otherwise: `promote` or `roll_back`, and why."""

    run: str
    action: str
    checkpoint: str
    reason: str
    time: float


class VerdictLedger:
    """Reads and writes verdicts, experience and overrides; each with its fact in one transaction."""

    def __init__(self, db: Database, events: Events, clock: Callable[[], float] = time.time) -> None:
        self._db, self._events, self._clock = db, events, clock

    # -- writing -----------------------------------------------------------------------------------------------
    def record(self, verdict: Verdict) -> Verdict:
        """Store a verdict. A run that goes on after one is judged as a whole: what it was paid is settled."""
        now = self._clock()
        with self._db.write() as connection:
            paid = _paid(connection, verdict.key, verdict.run)
            connection.execute(verdict_table.insert(), _row(verdict, now))
            _pay(connection, verdict, verdict.experience - paid, _why(verdict), now)
            self._events.append_in(connection, _given(verdict))
        return verdict

    def rewind(self, key: CampaignKey, step: int) -> float:
        """Give up the experience of runs that ended after a step: the campaign goes on from there. Returns how much."""
        t = experience_table
        sums = select(t.c.run, func.sum(t.c.amount)).where(_of(t, key), t.c.step > step).group_by(t.c.run)
        with self._db.write() as connection:
            owed = [(row[0], float(row[1])) for row in connection.execute(sums) if abs(row[1]) > 1e-12]
            for run, amount in owed:
                reason = f"given up: the campaign goes on from step {step}"
                row = {"run": run, "step": step + 1, "effort": 0.0, "quality": 0.0, "amount": -amount, "reason": reason}
                names = {"hero": key.hero, "campaign": key.campaign, "time": self._clock()}
                connection.execute(t.insert(), row | names)
        return sum(amount for _, amount in owed)

    def override(self, key: CampaignKey, run: str, action: str, checkpoint: str, reason: str) -> None:
        """Note that a person decided otherwise."""
        body = {"run": run, "action": action, "checkpoint": checkpoint, "reason": reason}
        names = {"hero": key.hero, "campaign": key.campaign}
        with self._db.write() as connection:
            connection.execute(override_table.insert(), body | names | {"time": self._clock()})
            self._events.append_in(connection, VerdictOverridden(**body, **names))

    # -- reading -----------------------------------------------------------------------------------------------
    def find(self, key: CampaignKey, run: str) -> Verdict | None:
        """The newest verdict about a run."""
        t = verdict_table
        found = self._read(select(t).where(_of(t, key), t.c.run == run).order_by(t.c.id.desc()).limit(1))
        return found[0] if found else None

    def newest(self, key: CampaignKey, limit: int = 20) -> list[Verdict]:
        """The last verdicts of a campaign, newest first; of one run the newest alone."""
        t = verdict_table
        last = select(func.max(t.c.id)).where(_of(t, key)).group_by(t.c.run)
        return self._read(select(t).where(t.c.id.in_(last)).order_by(t.c.id.desc()).limit(limit))

    def experience(self, key: CampaignKey) -> float:
        """All that a campaign has earned."""
        t = experience_table
        with self._db.read() as connection:
            return float(connection.scalar(select(func.sum(t.c.amount)).where(_of(t, key))) or 0.0)

    def overrides(self, key: CampaignKey, run: str = "") -> list[Override]:
        """What persons decided otherwise, newest first."""
        t = override_table
        query = select(t).where(_of(t, key)).order_by(t.c.id.desc())
        query = query.where(t.c.run == run) if run else query
        with self._db.read() as connection:
            return [Override(r.run, r.action, r.checkpoint, r.reason, r.time) for r in connection.execute(query)]

    def _read(self, query: Any) -> list[Verdict]:
        with self._db.read() as connection:
            return [_verdict(row) for row in connection.execute(query)]


def _of(table: Table, key: CampaignKey) -> Any:
    return (table.c.hero == key.hero) & (table.c.campaign == key.campaign)


def _paid(connection: Connection, key: CampaignKey, run: str) -> float:
    t = experience_table
    return float(connection.scalar(select(func.sum(t.c.amount)).where(_of(t, key), t.c.run == run)) or 0.0)


def _pay(connection: Connection, verdict: Verdict, amount: float, reason: str, now: float) -> None:
    connection.execute(
        experience_table.insert(),
        {
            "hero": verdict.key.hero, "campaign": verdict.key.campaign, "run": verdict.run, "step": verdict.step,
            "effort": verdict.effort, "quality": verdict.quality, "amount": amount, "reason": reason, "time": now,
        },
    )  # fmt: skip


def _why(verdict: Verdict) -> str:
    return f"{verdict.word}: effort {verdict.effort:.4g} x quality {verdict.quality:.3g}"


def _row(verdict: Verdict, now: float) -> dict[str, Any]:
    return {
        "hero": verdict.key.hero, "campaign": verdict.key.campaign, "run": verdict.run, "quest": verdict.quest,
        "checkpoint": verdict.checkpoint, "start_step": verdict.start_step, "step": verdict.step,
        "quality": verdict.quality, "word": verdict.word, "recommendation": verdict.recommendation,
        "effort": verdict.effort, "experience": verdict.experience, "evidence": json.dumps(dict(verdict.evidence)),
        "findings": json.dumps([dict(finding) for finding in verdict.findings]), "time": now,
    }  # fmt: skip


def _verdict(row: Row[Any]) -> Verdict:
    plain = ("run", "quest", "checkpoint", "start_step", "step", "quality", "word", "recommendation", "effort", "time")
    return Verdict(
        key=CampaignKey(row.hero, row.campaign), evidence=json.loads(row.evidence), findings=json.loads(row.findings),
        **{name: getattr(row, name) for name in plain},
    )  # fmt: skip


def _given(verdict: Verdict) -> VerdictGiven:
    return VerdictGiven(
        hero=verdict.key.hero, campaign=verdict.key.campaign, run=verdict.run, step=verdict.step,
        quality=verdict.quality, word=verdict.word, recommendation=verdict.recommendation,
        experience=verdict.experience,
    )  # fmt: skip
