"""What the Guild remembers of sparring: when, of what, how much came of it. The only writer of its table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass

from sqlalchemy import Column, Float, Index, Integer, String, Table, select

from realm.config.schema import SparringSettings
from realm.db import Database, metadata
from realm.events import Events, SparringHeld
from realm.guild.ledger import GuildLedger
from realm.guild.sparring import Bout, is_due
from realm.guild.tables import of
from realm.records import CampaignKey

sparring_table = Table(
    "sparring",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("hero", String(80), nullable=False),
    Column("campaign", String(80), nullable=False),
    Column("checkpoint", String(200), nullable=False),
    Column("skill", String(40), nullable=False),
    Column("level", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    Column("practices", Integer, nullable=False),
    Column("asked", Integer, nullable=False),
    Column("wrong", Integer, nullable=False),
    Column("examples", Integer, nullable=False),
    Column("quest", String(200), nullable=False),
    Column("time", Float, nullable=False),
    Index("ix_sparring_skill", "hero", "campaign", "skill", "id"),
)


@dataclass(frozen=True, slots=True)
class Held:
    """A round of sparring on record."""

    step: int
    practices: int
    """Practice quests of the campaign until then."""
    time: float


class SparringLedger:
    """Reads and writes the table; each fact is recorded in the transaction of its row."""

    def __init__(self, db: Database, events: Events, clock: Callable[[], float] = time.time) -> None:
        self._db = db
        self._events = events
        self._clock = clock

    def record(self, key: CampaignKey, bout: Bout, *, step: int, quest: str, practices: int = 0) -> None:
        """Note a bout of the checkpoint at `step`; `quest` is the file's name, empty where none was written."""
        fact = SparringHeld(
            hero=key.hero,
            campaign=key.campaign,
            checkpoint=f"{key}@{step}",
            skill=bout.skill,
            level=bout.level,
            asked=bout.asked,
            wrong=bout.wrong,
            examples=len(bout.examples),
            quest=quest,
        )
        row = asdict(fact) | {"step": step, "practices": practices, "time": self._clock()}
        with self._db.write() as connection:
            connection.execute(sparring_table.insert(), row)
            self._events.append_in(connection, fact)

    def newest(self, key: CampaignKey, skill: str) -> Held | None:
        """The last bout in a skill."""
        t = sparring_table
        query = select(t.c.step, t.c.practices, t.c.time).where(of(t, key, skill)).order_by(t.c.id.desc()).limit(1)
        with self._db.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Held(*row)

    def due(
        self, key: CampaignKey, guild: GuildLedger, levels: Mapping[str, int], rule: SparringSettings
    ) -> Iterator[tuple[str, int, int]]:
        """Skills in which it is time to spar, with the level and how many practice quests there were so far.

        `levels` maps each skill in focus to its highest level. A skill that is mastered to its end needs no sparring.
        """
        if not rule.every and not rule.stalled_after:
            return
        practices = guild.practice_count(key)
        for skill, highest in levels.items():
            state, held = guild.state(key, skill), self.newest(key, skill)
            taken = guild.examinations(key, skill, state.frontier, limit=max(1, rule.stalled_after))
            since = [e for e in taken if held is None or e.step > held.step]
            made = practices - (held.practices if held else 0)
            if state.frontier <= highest and is_due(rule, state.level, made, since):
                yield skill, state.frontier, practices
