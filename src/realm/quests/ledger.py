"""What is known about each quest: the only writer of the tables `quest` and `quest_completion`. Moves no file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    select,
)

from realm.db import Database, metadata
from realm.events import Events, Fact
from realm.quests.folders import Effect
from realm.records import CampaignKey

quest_table = Table(
    "quest",
    metadata,
    Column("id", String(24), primary_key=True),
    Column("name", Text, nullable=False),
    Column("stored", Text, nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("state", String(20), nullable=False),
    Column("priority", String(10), nullable=False),
    Column("source", String(10), nullable=False),
    Column("outcome", String(20), nullable=False, default=""),
    Column("reason", Text, nullable=False, default=""),
    Column("size_bytes", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("rows", Integer, nullable=False, default=0),
    Column("set_aside", Integer, nullable=False, default=0),
    Column("retries", Integer, nullable=False, default=0),
    Column("added", Float, nullable=False),
    Column("changed", Float, nullable=False),
    Column("method", String(20), nullable=False, default=""),
    Column("skill", String(80), nullable=False, default=""),
    Column("level", Integer, nullable=True),
    Column("hero", String(80), nullable=False, default=""),
    Column("campaign", String(80), nullable=False, default=""),
    Column("report", Text, nullable=False, default="{}"),
    Column("meta", Text, nullable=False, default="{}"),
)

completion_table = Table(
    "quest_completion",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("quest", String(24), nullable=False),
    Column("run", String(80), nullable=False),
    Column("time", Float, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("hero", String(80), nullable=False),
    Column("campaign", String(80), nullable=False),
    UniqueConstraint("quest", "run", "hero", "campaign", name="uq_quest_completion"),
    Index("ix_quest_completion_campaign", "hero", "campaign"),
)


class QuestLedger:
    """Rows and their facts, always in one transaction."""

    def __init__(self, db: Database, events: Events, effect: Effect) -> None:
        self._db = db
        self._events = events
        self._effect = effect

    @contextmanager
    def write(self, what: str) -> Iterator[Connection]:
        self._effect(f"database {what}")
        with self._db.write() as connection:
            yield connection
        self._effect(f"database {what} done")

    def put(self, values: dict[str, Any], *facts: Fact, replaces: str = "") -> None:
        """Insert a row, or replace the one of the same id. `replaces` is a quest whose file became this one."""
        with self.write("put") as connection:
            gone = {
                "state": "missing",
                "outcome": "changed",
                "reason": f"Its file was changed by hand; it is quest {values['id']} now.",
            }
            connection.execute(quest_table.update().where(quest_table.c.id == replaces).values(**gone))
            connection.execute(quest_table.delete().where(quest_table.c.id == values["id"]))
            connection.execute(quest_table.insert(), values)
            self._events.append_in(connection, *facts)

    def change(self, quest: str, old_state: str, values: dict[str, Any], *facts: Fact) -> bool:
        """Update a row that is still in `old_state`; False (and no facts) when another process was first."""
        with self.write("change") as connection:
            update = quest_table.update().where(quest_table.c.id == quest, quest_table.c.state == old_state)
            if not connection.execute(update.values(**values)).rowcount:
                return False
            self._events.append_in(connection, *facts)
            return True

    def complete(
        self, quest: str, run: str, steps: int, key: CampaignKey, now: float, values: dict[str, Any], fact: Fact
    ) -> bool:
        """Record that a run trained a quest to its end; False when that was recorded before."""
        with self.write("complete") as connection:
            if _completion(connection, quest, run, key):
                return False
            connection.execute(
                completion_table.insert(),
                {
                    "quest": quest,
                    "run": run,
                    "time": now,
                    "steps": steps,
                    "hero": key.hero,
                    "campaign": key.campaign,
                },
            )
            connection.execute(quest_table.update().where(quest_table.c.id == quest).values(**values))
            self._events.append_in(connection, fact)
            return True

    def get(self, quest: str) -> dict[str, Any] | None:
        found = self._select(quest_table.c.id == quest)
        return found[0] if found else None

    def many(self, quests: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The rows of these ids, without their reports."""
        rows: dict[str, dict[str, Any]] = {}
        for start in range(0, len(quests), 500):
            part = quests[start : start + 500]
            rows |= {row["id"]: row for row in self._select(quest_table.c.id.in_(part), light=True)}
        return rows

    def in_states(self, *states: str) -> list[dict[str, Any]]:
        return self._select(quest_table.c.state.in_(states), light=True)

    def of_content(self, sha256: str) -> list[dict[str, Any]]:
        """The quests of this content, oldest first."""
        return self._select(quest_table.c.sha256 == sha256, light=True)

    def completions(self, quest: str) -> list[dict[str, Any]]:
        query = select(completion_table).where(completion_table.c.quest == quest).order_by(completion_table.c.id)
        with self._db.read() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def completed(self, key: CampaignKey) -> int:
        """Quests that this hero completed in this campaign, each training counted."""
        query = (
            select(func.count())
            .select_from(completion_table)
            .where(completion_table.c.hero == key.hero, completion_table.c.campaign == key.campaign)
        )
        with self._db.read() as connection:
            return connection.scalar(query) or 0

    def _select(self, condition: Any, *, light: bool = False) -> list[dict[str, Any]]:
        columns = [c for c in quest_table.c if not (light and c.name in {"report", "meta"})]
        query = select(*columns).where(condition).order_by(quest_table.c.added, quest_table.c.id)
        with self._db.read() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _completion(connection: Connection, quest: str, run: str, key: CampaignKey) -> bool:
    c = completion_table.c
    query = select(c.id).where(c.quest == quest, c.run == run, c.hero == key.hero, c.campaign == key.campaign)
    return connection.scalar(query) is not None


def dump(values: Any) -> str:
    """JSON for a text column; broken characters are escaped, which PostgreSQL and SQLite both store."""
    return json.dumps(values, ensure_ascii=True, default=str)
