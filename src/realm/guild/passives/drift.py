"""When a set of canaries counts as forgotten: points below the best sitting before. Pure: knows no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import comb
from typing import Literal

from realm.config.schema import PassiveSettings
from realm.guild.progression import Counted
from realm.records import CampaignKey

Severity = Literal["", "warning", "critical"]
_SLACK = 1e-9  # 3/20 and 0.15 are not the same float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting(Counted):
    """One module's canaries at one checkpoint."""

    key: CampaignKey
    step: int
    module: str
    """A canary module, or `core` for all core modules together."""
    problem_set: str
    """Digest of the problems: other sets are never compared."""
    right: tuple[bool, ...]
    """Problem by problem, in the order of the set."""
    primitives: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Primitive -> (correct, n)."""
    template_hash: str = ""
    seconds: float = 0.0
    """Time of the generation in which it was asked."""
    time: float = 0.0
    """Unix seconds."""

    @property
    def n(self) -> int:
        return len(self.right)

    @property
    def correct(self) -> int:
        return sum(self.right)


@dataclass(frozen=True, slots=True)
class Drift:
    """A sitting beside the best so far: one before it, or itself where none was better."""

    sitting: Sitting
    best: Sitting
    severity: Severity

    @property
    def drop(self) -> float:
        """How much lower it is, as a share 0..1."""
        return self.best.accuracy - self.sitting.accuracy

    @property
    def lost(self) -> int:
        """Problems that the best sitting had right and this one has not."""
        return sum(before and not now for before, now in zip(self.best.right, self.sitting.right, strict=True))

    @property
    def gained(self) -> int:
        return sum(now and not before for before, now in zip(self.best.right, self.sitting.right, strict=True))

    @property
    def chance(self) -> float:
        """Probability of so many lost among those that changed if losing and gaining were equally likely."""
        return sign_test(self.lost, self.gained)


def compare(sitting: Sitting, best: Sitting | None, rule: PassiveSettings) -> Drift:
    """Compare a sitting with the best before it; one that is better, or the first, is its own best.

    Fewer than `least_lost` problems less are no drift: of five problems one alone is twenty points.
    """
    if best is None or best.correct < sitting.correct:
        best = sitting
    fewer, points = best.correct - sitting.correct, 100 * (best.accuracy - sitting.accuracy) + _SLACK
    severity: Severity = ""
    if fewer >= rule.least_lost and points >= rule.warning_points:
        severity = "critical" if points >= rule.critical_points else "warning"
    return Drift(sitting, best, severity)


def best_before(earlier: Sequence[Sitting], sitting: Sitting) -> Sitting | None:
    """The best of the same problems at an earlier step; of equals the first."""
    same = [s for s in earlier if s.step < sitting.step and s.problem_set == sitting.problem_set]
    return max(same, key=lambda s: (s.correct, -s.step), default=None)


def sign_test(one: int, other: int) -> float:
    """One-sided: P(at least `one` of `one + other` fair coins fall so). 1 without any."""
    n = one + other
    return sum(comb(n, k) for k in range(one, n + 1)) / (1 << n)
