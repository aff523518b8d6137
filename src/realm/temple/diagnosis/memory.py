"""Memory growth with a forecast of when it will be used up. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from realm.guild.level_cap import student_t
from realm.temple.diagnosis.advice import Diagnosis

FEWEST_SAMPLES = 5
NAME = "memory"
HORIZON_SECONDS = 7 * 86_400.0
"""Further ahead a straight line says nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Memory in use at a time (seconds on any clock)."""

    time: float
    used_bytes: float


@dataclass(frozen=True, slots=True)
class Growth:
    """Bytes per second by least squares, with the 95 % interval of that slope."""

    bytes_per_second: float
    low: float
    high: float


def growth(samples: Sequence[Sample]) -> Growth | None:
    """How fast memory grows; None for too few samples."""
    n = len(samples)
    if n < FEWEST_SAMPLES:
        return None
    middle, mean = fmean(s.time for s in samples), fmean(s.used_bytes for s in samples)
    spread = sum((s.time - middle) ** 2 for s in samples)
    if spread == 0:
        return None
    slope = sum((s.time - middle) * (s.used_bytes - mean) for s in samples) / spread
    left = sum((s.used_bytes - mean - slope * (s.time - middle)) ** 2 for s in samples)
    half = student_t(n - 2) * (left / (n - 2) / spread) ** 0.5
    return Growth(slope, slope - half, slope + half)


def forecast(samples: Sequence[Sample], limit_bytes: float) -> Diagnosis:
    """Whether memory grows, and when it reaches the limit at this rate. The last sample is taken for now."""
    found = growth(samples)
    if found is None:
        return Diagnosis(NAME, "fine", f"{len(samples)} samples say nothing about growth; {FEWEST_SAMPLES} would.")
    per_hour = 3600 * found.bytes_per_second / 1e6
    now = samples[-1].used_bytes
    words = f"{now / 1e9:.2f} of {limit_bytes / 1e9:.2f} GB in use"
    if found.low <= 0:
        return Diagnosis(NAME, "fine", f"{words}, no growth beyond chance ({per_hour:+.0f} MB an hour).")
    seconds = max(0.0, limit_bytes - now) / found.bytes_per_second
    if seconds > HORIZON_SECONDS:
        return Diagnosis(NAME, "note", f"{words}, growing by {per_hour:.1f} MB an hour: full in more than a week.")
    soon = max(0.0, limit_bytes - now) / found.high
    seen = f"{words}, growing by {per_hour:.0f} MB an hour: full in {_time(soon)} to {_time(seconds)} or later."
    return Diagnosis(NAME, "bad", seen, _LEAK)


_LEAK = (
    "Start the training process anew before then: realm stop-all, realm start-all (nothing is lost). A dataset or a "
    "tracker that keeps everything is the usual cause: training.report_to, max_length, the size of the quest."
)


def _time(seconds: float) -> str:
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 2 * 86_400 else f"{seconds / 86_400:.0f} days"
