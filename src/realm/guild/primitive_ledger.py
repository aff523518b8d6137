"""How well each primitive goes, from the stored examinations. Writes nothing."""

from __future__ import annotations

import json

from sqlalchemy import and_, func, select

from realm.guild.examination_ledger import ExaminationLedger
from realm.guild.tables import PrimitiveAccuracy, examination_table, of
from realm.records import CampaignKey


class PrimitiveLedger(ExaminationLedger):
    """Reads primitives out of `examination`."""

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
