"""Which checkpoint is the best: by examination, never by training loss. Pure; knows no table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

_Z = 1.96  # two-sided 95 %


@dataclass(frozen=True, slots=True)
class Standing:
    """What an examined checkpoint has shown."""

    id: str
    step: int
    mastered: int
    """Mastered levels of all skills, summed."""
    accuracy: float
    """Pooled over the problems of its newest examinations."""
    n: int
    """Problems that the accuracy stands on."""


def best(standings: Iterable[Standing]) -> Standing | None:
    """The champion: most mastered levels, then the accuracy that its problems can vouch for, then the oldest.

    Levels come first because a hero at a higher level is examined on harder problems. A champion has to be beaten: an
    equal does not take its place. Who has mastered nothing and answered nothing right is none.
    """
    return max((s for s in standings if s.mastered or s.accuracy), key=rank, default=None)


def rank(standing: Standing) -> tuple[int, float, float, int]:
    """What `best` compares. The accuracy counts by its lower bound, so that 5 of 5 does not beat 97 of 100."""
    return standing.mastered, lower_bound(standing.accuracy, standing.n), standing.accuracy, -standing.step


def lower_bound(accuracy: float, n: int) -> float:
    """Lower end of the 95 % Wilson score interval (Wilson 1927); 0 where nothing was asked."""
    if n <= 0:
        return 0.0
    centre = accuracy + _Z**2 / (2 * n)
    spread = _Z * sqrt(accuracy * (1 - accuracy) / n + _Z**2 / (4 * n**2))
    return max(0.0, (centre - spread) / (1 + _Z**2 / n))
