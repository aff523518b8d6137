"""When a level of one skill counts as mastered: the skill's own thresholds, unless a setting overrides them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from realm.config.schema import CurriculumSettings
from realm.errors import RealmError
from realm.guild.engine import SkillEngine
from realm.guild.skill import Thresholds

_OWN, _USUAL = Thresholds(), CurriculumSettings()


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule of one skill. The defaults are those of a skill whose description leaves them out."""

    threshold: float = _OWN.level_up
    """Accuracy that counts as passed."""
    consecutive: int = _OWN.examinations
    """Passed examinations in a row, each at another checkpoint."""
    problems: int = _OWN.problems
    """Problems of an examination at the frontier."""
    tolerance: float = _USUAL.tolerance
    """A mastered level may fall this far below the threshold."""
    unmaster_after: int = _USUAL.unmaster_after
    """Examinations below that bound until a level is lost."""

    @classmethod
    def of(cls, thresholds: Thresholds, settings: CurriculumSettings) -> Self:
        """A skill's thresholds with what the settings set explicitly in their place."""
        return cls(
            threshold=thresholds.level_up if settings.threshold is None else settings.threshold,
            consecutive=thresholds.examinations if settings.consecutive is None else settings.consecutive,
            problems=thresholds.problems if settings.exam_problems is None else settings.exam_problems,
            tolerance=settings.tolerance,
            unmaster_after=settings.unmaster_after,
        )


class Rules:
    """The rule of each skill by its name. One that is not installed, or is broken, has the default thresholds."""

    def __init__(self, engine: SkillEngine, settings: CurriculumSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._known: dict[str, Rule] = {}

    def of(self, skill: str) -> Rule:
        if skill not in self._known:
            self._known[skill] = Rule.of(self._thresholds(skill), self._settings)
        return self._known[skill]

    def _thresholds(self, skill: str) -> Thresholds:
        try:
            return self._engine.get(skill).spec.thresholds
        except RealmError:
            return _OWN
