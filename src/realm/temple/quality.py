"""The quality of a run, 0..1, and what of its effort becomes experience. Pure. Definitions: docs/temple.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from realm.guild.level_cap import slope
from realm.temple.check import Status, is_critical

Word = Literal["blessed", "partial", "cursed", "unproven"]

ACCURACY_SHARE, COVERAGE_SHARE, TREND_SHARE = 0.6, 0.2, 0.2
FAILED_FACTOR, LEAST_AFTER_FAILURES = 0.7, 0.3
WARNED_FACTOR, LEAST_AFTER_WARNINGS = 0.9, 0.7
BLESSED_FROM = 0.8
TREND_EXAMINATIONS = 10


@dataclass(frozen=True, slots=True)
class Learning:
    """What the examinations after a run say."""

    accuracy: float
    """Share of right answers, 0..1."""
    coverage: float
    """Share of the skills in focus that were examined, 0..1."""
    trend: float
    """Rise of accuracy over the last ten examinations, -1..1."""

    @property
    def evidence(self) -> float:
        return (
            ACCURACY_SHARE * self.accuracy
            + COVERAGE_SHARE * self.coverage
            + TREND_SHARE * (max(-1.0, min(1.0, self.trend)) + 1) / 2
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Quality:
    """A run's quality, and how it came about: `value = evidence x factor x proof`."""

    value: float
    word: Word
    evidence: float
    factor: float
    proof: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def trend(accuracies: Sequence[float]) -> float:
    """How much the line through the last ten accuracies (oldest first) rises over them, -1..1; 0 for fewer than 3."""
    last = accuracies[-TREND_EXAMINATIONS:]
    line = slope(last)
    return 0.0 if line is None else max(-1.0, min(1.0, line.value * (len(last) - 1)))


def factor(groups: Mapping[str, Status]) -> float:
    """What failed and warned groups leave of the evidence; 0 when a critical group failed."""
    failed = [name for name, status in groups.items() if status == "fail"]
    if any(is_critical(name) for name in failed):
        return 0.0
    warned = sum(status == "warn" for status in groups.values())
    after_failures = max(LEAST_AFTER_FAILURES, FAILED_FACTOR ** len(failed))
    return after_failures * max(LEAST_AFTER_WARNINGS, WARNED_FACTOR**warned)


def quality(learning: Learning, groups: Mapping[str, Status], proof: float = 1.0) -> Quality:
    """The quality of a run.

    `proof`, 0..1, is how surely the examinations show that the run taught anything (`gate.proof`). Without it a run
    of noise would earn by being examined alone: coverage and a flat trend are worth 0.3.
    """
    kept = factor(groups)
    value = learning.evidence * kept * proof
    return Quality(value, _word(value, kept, proof), learning.evidence, kept, proof)


def _word(value: float, kept: float, proof: float) -> Word:
    if kept == 0.0:
        return "cursed"
    if proof == 0.0:
        return "unproven"
    return "blessed" if value >= BLESSED_FROM else "partial"
