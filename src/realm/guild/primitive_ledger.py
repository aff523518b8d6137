"""How well each primitive goes, from the stored examinations. Writes nothing."""

from __future__ import annotations

import json

from realm.guild.examination_ledger import ExaminationLedger, newest_rows
from realm.guild.tables import PrimitiveAccuracy, examination_table
from realm.records import CampaignKey


class PrimitiveLedger(ExaminationLedger):
    """Reads primitives out of `examination`."""

    def primitives(self, key: CampaignKey, skill: str, level: int | None = None) -> list[PrimitiveAccuracy]:
        """Accuracy of each primitive over the newest examination of each level (or of one level), by name.

        Each level's set of problems is fixed: taking only its newest examination counts no problem twice, so that
        the interval is as wide as it should be.
        """
        counts: dict[str, tuple[int, int]] = {}
        t = examination_table
        with self._db.read() as connection:
            for found, text in newest_rows(connection, key, skill, [t.c.level, t.c.primitives]):
                for name, (correct, n) in json.loads(text).items() if level in (None, found) else ():
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
        weak = [p for p in found if p.n >= least and p.accuracy < self.rules.of(skill).threshold]
        return sorted(weak, key=lambda p: (p.accuracy, p.name))
