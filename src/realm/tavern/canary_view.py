"""What the page says about canaries, from their ledger. Writes nothing."""

from __future__ import annotations

from realm.guild.passives.drift import Drift
from realm.guild.passives.ledger import CanaryLedger
from realm.guild.passives.sets import CORE, MODULES
from realm.records import CampaignKey
from realm.tavern.shown import Canary

SHOWN_CHECKPOINTS = 60
ORDER = (CORE, *MODULES)


class CanaryReader:
    """Reads the canaries of one campaign; again only after a checkpoint was asked."""

    def __init__(self, ledger: CanaryLedger, key: CampaignKey) -> None:
        self._ledger = ledger
        self._key = key
        self._read: tuple[tuple[int, float], list[Canary]] = ((0, 0.0), [])

    def read(self) -> list[Canary]:
        """Each set that was ever asked: the core together, then module by module."""
        stamp = self._ledger.stamp()
        if self._read[0] != stamp:
            standing = self._ledger.standing(self._key)
            self._read = stamp, [self._canary(standing[name]) for name in ORDER if name in standing]
        return self._read[1]

    def _canary(self, drift: Drift) -> Canary:
        now, best = drift.sitting, drift.best
        kind = MODULES[now.module].kind if now.module in MODULES else "together"
        history = self._ledger.history(self._key, now.module, limit=SHOWN_CHECKPOINTS)
        return Canary(
            now.module, kind, now.step, now.n, now.accuracy, *now.interval, best.step, best.accuracy, drift.severity,
            [sitting.accuracy for sitting in history if sitting.problem_set == now.problem_set],
        )  # fmt: skip
