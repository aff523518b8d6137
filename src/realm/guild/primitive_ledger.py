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
