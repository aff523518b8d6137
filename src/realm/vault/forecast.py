"""When the disk will be full if it goes on like this. Pure: no disk, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

DAY_SECONDS = 86_400.0
LOOK_BACK_SECONDS = 7 * DAY_SECONDS
SHORTEST_SECONDS = 600.0
"""A rate from less time than this would be noise."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Room on the workspace's disk at a time. Times are Unix seconds."""

    time: float
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """`bytes_per_day` is how fast free room shrinks (negative: it grows); None where too little is known."""

    free_bytes: int
    bytes_per_day: float | None
    days_left: float | None
    """Until `min_free_bytes` is reached; None where that is not in sight."""

    @property
    def words(self) -> str:
        if self.bytes_per_day is None:
            return "too little is known yet to say how long the disk will last"
        if self.days_left is None:
            return "at the present rate the disk does not fill up"
        return f"at the present rate the disk is full in {self.days_left:.1f} days"


def forecast(samples: Sequence[Sample], *, min_free_bytes: int = 0) -> Forecast | None:
    """The line of least squares through the samples of the last seven days; None without any sample."""
    if not samples:
        return None
    ordered = sorted(samples, key=lambda each: each.time)
    newest = ordered[-1]
    recent = [each for each in ordered if each.time >= newest.time - LOOK_BACK_SECONDS]
    slope = _slope(recent) if newest.time - recent[0].time >= SHORTEST_SECONDS else None
    if slope is None:
        return Forecast(newest.free_bytes, None, None)
    room = max(0, newest.free_bytes - min_free_bytes)
    return Forecast(newest.free_bytes, -slope * DAY_SECONDS, room / (-slope * DAY_SECONDS) if slope < 0 else None)


def _slope(samples: Sequence[Sample]) -> float | None:
    """Bytes per second."""
    mean_time = sum(each.time for each in samples) / len(samples)
    mean_free = sum(each.free_bytes for each in samples) / len(samples)
    spread = sum((each.time - mean_time) ** 2 for each in samples)
    together = sum((each.time - mean_time) * (each.free_bytes - mean_free) for each in samples)
    return together / spread if spread else None
