"""Accuracy per primitive over checkpoints: rolling, its history, the weakest. Pure: knows no database and no model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from realm.guild.primitives.catalogue import CATALOGUE
from realm.guild.progression import Counted

WINDOW = 10
"""Checkpoints that a rolling accuracy looks back over."""
LEAST = 5
"""Asked fewer times, a primitive is not called weak."""


@dataclass(frozen=True, slots=True, order=True)
class Reading:
    """What one fixed set of problems (a cell) told about primitives at one checkpoint."""

    step: int
    skill: str
    cell: str
    """A level of the skill, or a canary module."""
    primitives: Mapping[str, tuple[int, int]] = field(compare=False)
    """Primitive -> (correct, n)."""


@dataclass(frozen=True, slots=True)
class Share(Counted):
    """Right answers among those asked."""

    correct: int
    n: int

    def __add__(self, other: Share) -> Share:
        return Share(self.correct + other.correct, self.n + other.n)


NOTHING = Share(0, 0)


def series(readings: Iterable[Reading], window: int = WINDOW) -> dict[str, list[tuple[int, Share]]]:
    """Primitive -> (step, rolling share) at each checkpoint where it was asked, oldest first.

    At a checkpoint each cell counts once, by its newest reading within the last `window` checkpoints: the sets are
    fixed, so pooling several readings of one cell would count its problems again and narrow the interval falsely.
    """
    found: dict[str, list[tuple[int, Share]]] = {}
    newest: dict[tuple[str, str], tuple[int, Reading]] = {}
    by_step = groupby(sorted(readings), key=lambda reading: reading.step)
    for place, (step, group) in enumerate(by_step):
        asked: set[str] = set()
        for reading in group:
            newest[reading.skill, reading.cell] = place, reading
            asked.update(reading.primitives)
        newest = {cell: held for cell, held in newest.items() if held[0] > place - window}
        pooled = pool(reading for _, reading in newest.values())
        for name in asked:
            found.setdefault(name, []).append((step, pooled[name]))
    return found


def rolling(readings: Iterable[Reading], window: int = WINDOW) -> dict[str, Share]:
    """Primitive -> share over the last `window` checkpoints, by name; each cell counts once."""
    held = sorted(readings)
    recent = set(sorted({reading.step for reading in held})[-window:])
    newest = {(reading.skill, reading.cell): reading for reading in held if reading.step in recent}
    return dict(sorted(pool(newest.values()).items()))


def pool(readings: Iterable[Reading]) -> dict[str, Share]:
    """Primitive -> right answers and questions of all readings together."""
    found: dict[str, Share] = {}
    for reading in readings:
        for name, (correct, n) in reading.primitives.items():
            found[name] = found.get(name, NOTHING) + Share(correct, n)
    return found


def weakest(shares: Mapping[str, Share], count: int = 3, least: int = LEAST) -> list[str]:
    """The primitives that go worst, worst first; those asked fewer than `least` times wait."""
    asked = [name for name, share in shares.items() if share.n >= least]
    return sorted(asked, key=lambda name: (shares[name].accuracy, name))[:count]


def families(shares: Mapping[str, Share]) -> dict[str, Share]:
    """`family/member` -> share of its primitives together: what a hero is like across skills."""
    found: dict[str, Share] = {}
    for name, share in shares.items():
        if primitive := CATALOGUE.get(name):
            family = f"{primitive.family}/{primitive.member}"
            found[family] = found.get(family, NOTHING) + share
    return dict(sorted(found.items()))


def held_back(name: str, shares: Mapping[str, Share], threshold: float) -> list[str]:
    """The prerequisites of a primitive, near or far, that are themselves below the threshold: where to begin."""
    seen: dict[str, None] = {}
    waiting: Sequence[str] = CATALOGUE[name].needs if name in CATALOGUE else ()
    while waiting:
        seen |= dict.fromkeys(waiting)
        waiting = [need for each in waiting for need in CATALOGUE[each].needs if need not in seen]
    return [need for need in seen if need in shares and shares[need].accuracy < threshold]
