"""Facts that a running training tells of itself: steps reached and zones of strain entered. Knows no database."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from statistics import fmean

from realm.config.schema import StrainSettings
from realm.events import Fact, StepsReached, StrainZoneEntered
from realm.guild.progression import STEPS_PER_HERO_LEVEL, hero_level
from realm.guild.strain import ADVICE_SAMPLES, zone_of

FIRST_STEPS = frozenset({1, 100})


class Marks:
    """What is worth a fact, step by step. A zone is told once; after a restart it may be told again."""

    def __init__(self, settings: StrainSettings) -> None:
        self._settings = settings
        self._strains: dict[str, deque[float]] = {}
        self._told: set[tuple[str, str]] = set()

    def after(self, step: int, skill: str, strain: float) -> list[Fact]:
        """What the step of that number, trained on that skill (or none) with that strain, has reached."""
        return [*self._steps(step), *self._zone(step, skill, strain)]

    def _steps(self, step: int) -> Iterator[Fact]:
        if step in FIRST_STEPS or step % STEPS_PER_HERO_LEVEL == 0:
            yield StepsReached(step=step, hero_level=hero_level(step))

    def _zone(self, step: int, skill: str, strain: float) -> Iterator[Fact]:
        newest = self._strains.setdefault(skill, deque(maxlen=ADVICE_SAMPLES))
        newest.append(strain)
        if len(newest) < ADVICE_SAMPLES:
            return
        zone = zone_of(fmean(newest), self._settings)
        if (skill, zone) not in self._told:
            self._told.add((skill, zone))
            yield StrainZoneEntered(skill=skill, zone=zone, step=step)
