"""Reads what examinations and canaries told about primitives, and what was trained in between. Writes nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Table, func, select

from realm.db import Database
from realm.guild.passives.ledger import canary_sitting_table
from realm.guild.passives.sets import CORE, SKILL
from realm.guild.primitives.rolling import Reading
from realm.guild.tables import examination_table, level_tokens_table, of
from realm.records import CampaignKey

CHECKPOINTS = 200
"""Checkpoints that a history looks back over by default."""


class Evidence:
    """Readings of primitives in one database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def examinations(
        self, key: CampaignKey, skill: str | None = None, *, checkpoints: int = CHECKPOINTS
    ) -> list[Reading]:
        """What the examinations of the newest `checkpoints` told, oldest first; of one skill or of all."""
        t = examination_table
        rows = self._newest(t, key, skill, checkpoints, t.c.step, t.c.skill, t.c.level, t.c.primitives)
        return sorted(Reading(step, name, str(level), _counts(told)) for step, name, level, told in rows)

    def canaries(self, key: CampaignKey, *, checkpoints: int = CHECKPOINTS) -> list[Reading]:
        """What the canaries of the newest `checkpoints` told, oldest first. No skill is trained by them."""
        t = canary_sitting_table
        rows = self._newest(t, key, None, checkpoints, t.c.step, t.c.module, t.c.problem_set, t.c.primitives)
        apart = [row for row in rows if row.module != CORE]
        return sorted(Reading(step, SKILL, f"{module}/{of_set}", _counts(told)) for step, module, of_set, told in apart)

    def _newest(
        self, table: Table, key: CampaignKey, skill: str | None, checkpoints: int, *columns: Column[Any]
    ) -> Sequence[Any]:
        """The columns of all rows of a campaign at the newest `checkpoints` that the table knows."""
        mine, step = of(table, key, skill), table.c.step
        steps = select(step).where(mine).distinct().order_by(step.desc()).limit(checkpoints)
        with self._db.read() as connection:
            first = min(connection.scalars(steps), default=None)
            return connection.execute(select(*columns).where(mine, step >= first)).all() if first is not None else []

    def tokens(self, key: CampaignKey) -> dict[int, dict[str, int]]:
        """Step of a checkpoint -> skill -> tokens trained since the checkpoint before."""
        t = level_tokens_table
        query = select(t.c.step, t.c.skill, func.sum(t.c.tokens)).where(of(t, key)).group_by(t.c.step, t.c.skill)
        found: dict[int, dict[str, int]] = {}
        with self._db.read() as connection:
            for step, skill, tokens in connection.execute(query):
                found.setdefault(step, {})[skill] = int(tokens)
        return found


def _counts(told: str) -> dict[str, tuple[int, int]]:
    return {name: (correct, n) for name, (correct, n) in json.loads(told).items()}
