"""Personal bests of a campaign, kept as they are reached: the only writer of their table. Decides no level.

Kept in rows of their own because the page asks for them at every examination, and a campaign may have 100,000.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from sqlalchemy import Connection, delete, func, select

from realm.guild.progression import Change, Examination, SkillState
from realm.guild.tables import (
    Best,
    Bests,
    as_examination,
    examination_table,
    level_transition_table,
    of,
    personal_best_table,
)
from realm.records import CampaignKey

Kind = Literal["examination", "level"]
_t = personal_best_table


def note(connection: Connection, key: CampaignKey, taken: Iterable[Examination], levels: Iterable[Best]) -> None:
    """Keep what is better than before: of examinations of a frontier, and of the levels that skills stand at."""
    if connection.scalar(select(func.count()).select_from(_t).where(of(_t, key))) == 0:
        recount(connection, key)
        return
    for e in taken:
        if e.role == "frontier" and e.n:
            _keep(connection, key, "examination", "", _of_examination(e))
    for best in levels:
        _keep(connection, key, "level", best.skill, best)


def recount(connection: Connection, key: CampaignKey) -> None:
    """Find the bests anew from all that is stored: examinations came late, or were forgotten."""
    connection.execute(delete(_t).where(of(_t, key)))
    e = examination_table
    share = e.c.correct * 1.0 / e.c.n
    asked = select(e.c.id).where(of(e, key), e.c.role == "frontier", e.c.n > 0)
    best = connection.scalar(asked.order_by(share.desc(), e.c.step).limit(1))
    if best is not None:
        row = connection.execute(select(e).where(e.c.id == best)).one()
        _keep(connection, key, "examination", "", _of_examination(as_examination(row)))
    t = level_transition_table
    mastered: dict[str, set[int]] = {}
    for change in connection.execute(select(t).where(of(t, key)).order_by(t.c.step, t.c.id)):
        held = mastered.setdefault(change.skill, set())
        (held.add if change.kind == "gained" else held.discard)(change.level)
        level = SkillState(frozenset(held)).level
        _keep(
            connection, key, "level", change.skill,
            Best(change.skill, level, float(level), 0, change.step, change.tokens, change.time),
        )  # fmt: skip


def of_changes(skill: str, level: int, changes: Sequence[Change]) -> list[Best]:
    """The level that a skill stands at after its changes."""
    if not changes:
        return []
    e = changes[-1].examination
    return [Best(skill, level, float(level), 0, e.step, e.tokens, e.time)]


def read(connection: Connection, key: CampaignKey) -> Bests:
    """Highest level of each skill, and the best examination of a frontier level."""
    rows = connection.execute(select(_t).where(of(_t, key)).order_by(_t.c.skill)).all()
    levels = {row.skill: row.level for row in rows if row.kind == "level"}
    found = next((row for row in rows if row.kind == "examination"), None)
    return Bests(levels, _examination(connection, key, found) if found else None)


def _examination(connection: Connection, key: CampaignKey, best: Any) -> Examination | None:
    e = examination_table
    query = select(e).where(of(e, key, best.skill), e.c.level == best.level, e.c.step == best.step)
    row = connection.execute(query).one_or_none()
    return None if row is None else as_examination(row)


def _of_examination(e: Examination) -> Best:
    return Best(e.skill, e.level, e.accuracy, e.n, e.step, e.tokens, e.time)


def _keep(connection: Connection, key: CampaignKey, kind: Kind, owner: str, best: Best) -> None:
    """Replace what stands if this is better; equal ones keep the earlier."""
    mine = [_t.c.kind == kind] if kind == "examination" else [_t.c.kind == kind, _t.c.skill == owner]
    where = (of(_t, key), *mine)
    before = connection.scalar(select(_t.c.value).where(*where))
    if before is not None and before >= best.value:
        return
    connection.execute(delete(_t).where(*where))
    connection.execute(
        _t.insert(),
        {
            "hero": key.hero,
            "campaign": key.campaign,
            "kind": kind,
            "skill": best.skill,
            "level": best.level,
            "value": best.value,
            "n": best.n,
            "step": best.step,
            "tokens": best.tokens,
            "time": best.time,
        },
    )
