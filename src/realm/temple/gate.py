"""Whether a checkpoint may take the champion's place: paired problems before and after. Pure; knows no table.

The sign test is McNemar's exact one (McNemar 1947): of the problems whose answer changed, are more won than lost? The
interval of the difference is Wald's for paired shares.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any, Literal

from realm.guild.passives.drift import sign_test
from realm.guild.progression import Z_95, Examination, Interval

Recommendation = Literal["promote", "keep", "roll_back"]
FULL_PROOF_SHARE = 0.25
"""A run that surely won this share of what was left to win is fully proven."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One level of one skill before and after. Either side may be missing."""

    skill: str
    level: int
    before: Examination | None
    after: Examination | None

    @property
    def is_paired(self) -> bool:
        """Whether the same problems were asked on both sides, answer by answer on record."""
        one, other = self.before, self.after
        return bool(one and other and one.marks and len(one.marks) == len(other.marks) and one.seed == other.seed)

    @property
    def gained(self) -> int:
        """Problems that were wrong before and are right now."""
        return self._changed("0", "1")

    @property
    def lost(self) -> int:
        return self._changed("1", "0")

    def _changed(self, was: str, now: str) -> int:
        if not self.is_paired or self.before is None or self.after is None:
            return 0
        return sum(b == was and a == now for b, a in zip(self.before.marks, self.after.marks, strict=True))

    @property
    def change(self) -> float | None:
        """Accuracy after minus before; None where a side is missing."""
        if self.before is None or self.after is None:
            return None
        return self.after.accuracy - self.before.accuracy

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the change. Not paired: from the ends of the two Wilson intervals, which is wider."""
        if self.before is None or self.after is None:
            return Interval(-1.0, 1.0)
        if self.is_paired:
            return _paired(self.gained, self.lost, self.after.n)
        one, other = self.before.interval, self.after.interval
        return Interval(other.low - one.high, other.high - one.low)

    def is_better(self, significance: float) -> bool:
        if self.is_paired:
            return self.gained > self.lost and sign_test(self.gained, self.lost) <= significance
        return self.interval.low > 0

    def is_worse(self, significance: float) -> bool:
        if self.is_paired:
            return self.lost > self.gained and sign_test(self.lost, self.gained) <= significance
        return self.interval.high < 0

    @property
    def chance(self) -> float | None:
        """Probability of so one-sided a change if winning and losing a problem were equally likely; None unpaired."""
        if not self.is_paired:
            return None
        return sign_test(max(self.gained, self.lost), min(self.gained, self.lost))

    def as_json(self) -> dict[str, Any]:
        low, high = self.interval
        return {
            "skill": self.skill, "level": self.level, "before": _side(self.before), "after": _side(self.after),
            "paired": self.is_paired, "gained": self.gained, "lost": self.lost, "chance": self.chance,
            "change": self.change, "change_low": low, "change_high": high,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Decision:
    """What is recommended, and why; `gate_met` is whether the champion's place is earned."""

    recommendation: Recommendation
    reasons: Sequence[str] = field(default_factory=tuple)

    @property
    def gate_met(self) -> bool:
        return self.recommendation == "promote"

    def as_json(self) -> dict[str, Any]:
        return {"recommendation": self.recommendation, "gate_met": self.gate_met, "reasons": list(self.reasons)}


@dataclass(frozen=True, slots=True)
class Case:
    """What is decided on."""

    comparisons: Sequence[Comparison]
    levels_before: int = 0
    """Mastered levels of all skills, summed."""
    levels_after: int = 0
    harms: Sequence[str] = ()
    """What else speaks against it, one sentence each: failed critical checks, forgotten canaries, leaked rows."""
    is_first: bool = False
    """There is nothing to compare with: no champion yet."""


def decide(case: Case, significance: float) -> Decision:
    """Roll back what did harm, promote what is surely better, keep the rest."""
    worse = [_said(c, "fell") for c in case.comparisons if c.is_worse(significance)]
    if case.levels_after < case.levels_before:
        worse.append(f"{_levels(case.levels_before - case.levels_after)} lost.")
    if case.harms or worse:
        return Decision("roll_back", [*case.harms, *worse])
    better = [_said(c, "rose") for c in case.comparisons if c.is_better(significance)]
    if case.levels_after > case.levels_before:
        better.insert(0, f"{_levels(case.levels_after - case.levels_before)} mastered.")
    if better:
        return Decision("promote", better)
    if case.is_first and any(c.after and c.after.correct for c in case.comparisons):
        return Decision("promote", ["It is the first that answers anything right, and nothing speaks against it."])
    return Decision("keep", ["No examination changed by more than chance."])


def proof(comparisons: Iterable[Comparison], levels_gained: int) -> float:
    """How surely a run taught anything, 0..1.

    1 where it mastered a level. Else the lower end of the rise of accuracy on the level that rose most, against a
    quarter of what was left to win there: 0 where chance explains it.
    """
    if levels_gained > 0:
        return 1.0
    return max((_risen(c) for c in comparisons if c.before and c.after), default=0.0)


def _risen(comparison: Comparison) -> float:
    assert comparison.before is not None
    room = max(0.05, 1 - comparison.before.accuracy)
    return max(0.0, min(1.0, comparison.interval.low / (FULL_PROOF_SHARE * room)))


def _paired(gained: int, lost: int, n: int) -> Interval:
    middle = (gained - lost) / n
    half = Z_95 / n * sqrt(max(0.0, gained + lost - (gained - lost) ** 2 / n))
    return Interval(max(-1.0, middle - half), min(1.0, middle + half))


def _side(examination: Examination | None) -> dict[str, Any] | None:
    if examination is None:
        return None
    low, high = examination.interval
    return {
        "step": examination.step, "n": examination.n, "correct": examination.correct,
        "accuracy": examination.accuracy, "low": low, "high": high,
    }  # fmt: skip


def _said(c: Comparison, verb: str) -> str:
    assert c.before is not None and c.after is not None
    share = f"{c.before.accuracy:.0%} to {c.after.accuracy:.0%}"
    pairs = f" ({c.gained} problems won, {c.lost} lost, chance {c.chance:.2g})" if c.chance is not None else ""
    return f"{c.skill} level {c.level} {verb} from {share}{pairs}."


def _levels(count: int) -> str:
    return "One level was" if count == 1 else f"{count} levels were"
