"""When training on generated data should pause: too little variety, or training that has gone wrong. Pure rules.

Knows texts, examinations and advice; no file, no database, no clock. docs/curriculum.md has the measured figures.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from realm.config.schema import GuardSettings
from realm.guild.progression import Examination
from realm.guild.strain import Advice
from realm.records import LevelCell

PIECE = 3
"""Characters of the pieces whose entropy is measured."""
JUDGED_FROM, JUDGED_ROWS = 32, 256
"""Rows of a level from which its variety is judged, and at most looked at."""


@dataclass(frozen=True, slots=True)
class Variety:
    """How varied some rows are."""

    rows: int
    distinct: int
    entropy_bits: float
    """Shannon entropy of the three-character pieces of all rows, in bits."""

    @property
    def unique(self) -> float:
        """Share of different rows, 0..1."""
        return self.distinct / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class Trip:
    """A guard that says no: which, why, and what a person can do."""

    guard: str
    """variety, overload or falling."""
    why: str
    fix: str


def variety(texts: Sequence[str]) -> Variety:
    """Measure rows. Entropy is that of the pieces' frequencies over all rows together (Shannon 1948)."""
    pieces = Counter(
        text[start : start + PIECE] for text in texts for start in range(max(1, len(text) - PIECE + 1)) if text
    )
    total = pieces.total()
    entropy = -sum(n / total * math.log2(n / total) for n in pieces.values()) if total else 0.0
    return Variety(len(texts), len(set(texts)), abs(entropy))


def collapsed(cell: LevelCell, drawn: Variety, reference: Variety, settings: GuardSettings) -> Trip | None:
    """Whether a level's generated rows vary too little to be trained on. Below 32 rows nothing is said.

    `reference` is what the skill's own level gives in as many rows: a space of few problems is no collapse by
    itself. Fewer than `min_distinct` different rows always are.
    """
    if drawn.rows < JUDGED_FROM:
        return None
    skill, level = cell
    whose = f"practice of {skill} level {level}"
    fix = f"Look at what it gives: realm skill sample {skill} --level {level}; mend the skill, then"
    if drawn.distinct < settings.min_distinct:
        why = f"{drawn.rows} problems for {whose} held {drawn.distinct} different ones."
    elif drawn.unique < settings.min_unique_ratio * reference.unique:
        why = (
            f"{drawn.unique:.0%} of the problems for {whose} were different ones, "
            f"where the level gives {reference.unique:.0%}."
        )
    elif drawn.entropy_bits < settings.min_entropy_ratio * reference.entropy_bits:
        why = (
            f"The text of {whose} had {drawn.entropy_bits:.1f} bits of entropy, "
            f"where the level gives {reference.entropy_bits:.1f}."
        )
    else:
        return None
    return Trip("variety", why, f"{fix} realm practice resume")


def overloaded(advice: Sequence[Mapping[str, Advice]], settings: GuardSettings) -> Trip | None:
    """Whether a skill's strain is in overload and does not fall, practice after practice.

    `advice` is what each practice quest was planned by, newest first, and before them what the meters say now.
    """
    for skill in advice[0] if advice else ():
        row = sum(1 for _ in takewhile("back_off".__eq__, (told.get(skill) for told in advice)))
        if row > settings.overload_quests:
            why = f"Strain of {skill} stayed in overload through {settings.overload_quests} practice quests."
            return Trip(
                "overload", why, "Lower training.learning_rate or give it easier data, then realm practice resume"
            )
    return None


def falling(skill: str, taken: Sequence[Examination], loss: float | None, settings: GuardSettings) -> Trip | None:
    """Whether training is without loss and held-out accuracy falls: memory instead of a rule.

    `taken` are examinations of one level, newest first; `loss` is the mean training loss of the last steps. A fall is
    one from above the newest interval: the newest upper bound (Wilson, 95 %) lies below the lower bound of the best.
    """
    looked_at = [e for e in taken[: settings.falling_examinations] if e.n]
    if loss is None or loss >= settings.zero_loss or len(looked_at) < 2:
        return None
    newest, best = looked_at[0], max(looked_at, key=lambda e: e.accuracy)
    if newest.interval.high >= best.interval.low:
        return None
    why = (
        f"Training loss is {loss:.3f} and accuracy of {skill} level {newest.level} on held-out problems "
        f"fell from {best.accuracy:.0%} to {newest.accuracy:.0%}."
    )
    return Trip(
        "falling", why, "Practise wider (curriculum.levels_above) or add data of your own, then realm practice resume"
    )


def by_cell(problems: Iterable[tuple[LevelCell, str]]) -> dict[LevelCell, list[str]]:
    """The texts of each level, at most as many as are looked at."""
    texts: dict[LevelCell, list[str]] = {}
    for cell, text in problems:
        held = texts.setdefault(cell, [])
        if len(held) < JUDGED_ROWS:
            held.append(text)
    return texts
