"""Which achievements and titles a campaign has earned, each once. The only writer of its tables.

A cursor names the last fact that was counted. Cursor, tally, awards and their facts change in one transaction, which
holds the database's write lock: so counting in other pieces, in two processes or after a kill awards nothing twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Column, Connection, Float, Integer, String, Table, Text, select

from realm.db import Database, metadata
from realm.events import AchievementAwarded, Events, Fact, Recorded, TitleEarned
from realm.guild import achievements, titles
from realm.guild.achievements import KINDS, Achievement, Tally, reached
from realm.guild.mastery import Rules
from realm.guild.tables import of
from realm.guild.titles import Title, hero_title, skill_title
from realm.records import CampaignKey

award_table = Table(
    "award",
    metadata,
    Column("hero", String(80), primary_key=True),
    Column("campaign", String(80), primary_key=True),
    Column("award", String(120), primary_key=True),
    Column("fact", Integer, nullable=False),
    Column("time", Float, nullable=False),
)
tally_table = Table(
    "award_tally",
    metadata,
    Column("hero", String(80), primary_key=True),
    Column("campaign", String(80), primary_key=True),
    Column("fact", Integer, nullable=False),
    Column("tally", Text, nullable=False),
)
PAGE = 1000
"""Facts that are counted in one transaction."""
TITLE = "title:"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a campaign has earned so far."""

    tally: Tally
    earned: Mapping[str, float]
    """Achievement -> when, in Unix seconds."""


class AwardLedger:
    """Counts facts and awards what they add up to."""

    def __init__(
        self,
        db: Database,
        events: Events,
        rules: Rules,
        skill_name: Callable[[str], str] = str.upper,
        *,
        catalogue: Sequence[Achievement] | None = None,
        table_of_titles: Sequence[Title] | None = None,
    ) -> None:
        """`rules` say what counts as passed; `skill_name` gives the name of a skill as titles show it."""
        self._db = db
        self._events = events
        self._rules = rules
        self._skill_name = skill_name
        self.catalogue = achievements.load() if catalogue is None else catalogue
        self._titles = titles.load() if table_of_titles is None else table_of_titles

    def catch_up(self, key: CampaignKey, *, until: int | None = None) -> list[Fact]:
        """Count the facts since the last time (up to the one of id `until`); award and tell what they add up to."""
        told: list[Fact] = []
        while page := self._page(key, until):
            told += self._count(key, page)
            if len(page) < PAGE:
                break
        return told

    def standing(self, key: CampaignKey) -> Standing:
        """What was counted and awarded; writes nothing."""
        query = select(award_table.c.award, award_table.c.time).where(of(award_table, key))
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(award_table.c.time)).all()
            _, tally = _counted(connection, key)
        return Standing(tally, {row.award: row.time for row in rows if not row.award.startswith(TITLE)})

    def _page(self, key: CampaignKey, until: int | None) -> list[Recorded]:
        with self._db.read() as connection:
            after, _ = _counted(connection, key)
        return [r for r in self._events.since(after, kinds=sorted(KINDS), limit=PAGE) if until is None or r.id <= until]

    def _count(self, key: CampaignKey, page: Sequence[Recorded]) -> list[Fact]:
        with self._db.write() as connection:
            after, tally = _counted(connection, key)
            query = select(award_table.c.award).where(of(award_table, key))
            held = set(connection.scalars(query))
            told: list[Fact] = []
            for recorded in (r for r in page if r.id > after and _concerns(r, key)):
                tally = tally.after(recorded, self._rules)
                for award, fact in self._new(key, tally, held, recorded.id):
                    held.add(award)
                    told.append(fact)
                    row = {"award": award, "fact": recorded.id, "time": recorded.time}
                    connection.execute(award_table.insert(), {"hero": key.hero, "campaign": key.campaign, **row})
            self._events.append_in(connection, *told)
            _remember(connection, key, max(after, page[-1].id), tally)
        return told

    def _new(self, key: CampaignKey, tally: Tally, held: set[str], fact: int) -> Iterator[tuple[str, Fact]]:
        names = {"hero": key.hero, "campaign": key.campaign}
        for each in reached(self.catalogue, tally):
            if each.id not in held:
                yield (
                    each.id,
                    AchievementAwarded(
                        achievement=each.id, name=each.name, description=each.description, fact=fact, **names
                    ),
                )
        for skill, title in self._held_titles(tally):
            if title and f"{TITLE}{title}" not in held:
                yield f"{TITLE}{title}", TitleEarned(title=title, skill=skill, **names)

    def _held_titles(self, tally: Tally) -> Iterator[tuple[str, str]]:
        """The titles that are shown now, but for those that everybody has."""
        yield "", hero_title([t for t in self._titles if t.when.model_fields_set], tally.deeds)
        for skill in tally.mastered:
            if level := tally.level(skill):
                yield skill, skill_title(self._titles, self._skill_name(skill), level)


def _concerns(recorded: Recorded, key: CampaignKey) -> bool:
    """Whether a fact is of this campaign, or of the realm as a whole."""
    return (recorded.fact.hero, recorded.fact.campaign) in {(key.hero, key.campaign), ("", "")}


def _counted(connection: Connection, key: CampaignKey) -> tuple[int, Tally]:
    query = select(tally_table.c.fact, tally_table.c.tally).where(of(tally_table, key))
    row = connection.execute(query).one_or_none()
    return (0, Tally()) if row is None else (row.fact, Tally.from_json(json.loads(row.tally)))


def _remember(connection: Connection, key: CampaignKey, fact: int, tally: Tally) -> None:
    connection.execute(tally_table.delete().where(of(tally_table, key)))
    row = {"hero": key.hero, "campaign": key.campaign, "fact": fact, "tally": json.dumps(tally.as_json())}
    connection.execute(tally_table.insert(), row)
