"""Achievements, streaks and gold: what a campaign's facts add up to. Pure: knows no database and no page.

`Tally.after` takes one fact at a time, so facts may come in any pieces; a tally only counts up or starts a streak anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from realm.errors import SkillError
from realm.events import (
    ChampionChanged,
    CheckpointSaved,
    ExaminationTaken,
    LevelGained,
    LevelLost,
    QuestCompleted,
    Recorded,
    RunFinished,
    StepsReached,
    StrainZoneEntered,
)
from realm.guild.hero_stats import GOLD_PER_QUEST
from realm.guild.mastery import Rule, Rules
from realm.guild.progression import hero_level
from realm.guild.titles import Deeds

BUILT_IN = Path(__file__).with_name("achievements.yaml")
Measure = Literal[
    "steps", "hero_level", "checkpoints", "accuracy", "skills", "productive", "stretch", "champions", "caps",
    "calm_hours", "recovered",
]  # fmt: skip
TRAINING = frozenset({"run_started", "run_finished", "checkpoint_saved", "steps_reached"})
"""Facts that say that the hero trains: what days are counted by."""
BREAKS = frozenset({"service_started", "service_crashed", "service_gave_up", "service_stopped", "run_failed"})
"""Facts that end a calm stretch. They name no campaign, but for the last."""
CAPS = frozenset({"campaign_maxed_out"})
"""Facts that say that a level cap was found."""
CALM_GAP_SECONDS = 7200.0
"""Two signs of training further apart are not one stretch."""
KINDS = TRAINING | BREAKS | CAPS | {
    "quest_completed", "examination_taken", "level_gained", "level_lost", "strain_zone_entered", "champion_changed",
}  # fmt: skip
"""The kinds of facts that a tally looks at."""
_SLACK = 1e-9


class Achievement(BaseModel):
    """One row of the catalogue."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern="^[a-z0-9_]{1,80}$")
    name: str = Field(min_length=1)
    description: str = Field(min_length=1)
    measure: Measure
    at: float = Field(gt=0)


@dataclass(frozen=True, slots=True)
class Tally:
    """What the facts of one campaign add up to. Times are Unix seconds, days those of this machine."""

    steps: int = 0
    checkpoints: int = 0
    last_checkpoint: int = 0
    """Highest step of a checkpoint: one that is saved again is not counted again."""
    accuracy: float = 0.0
    productive: int = 0
    stretch: int = 0
    champions: int = 0
    caps: int = 0
    recovered: int = 0
    quests: int = 0
    mastered: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    slipped: tuple[str, ...] = ()
    """`skill/level` of mastered levels that regressed, or were lost for it, and are not back."""
    examined: Mapping[str, int] = field(default_factory=dict)
    """`skill/level` -> step of its last examination: a checkpoint counts once."""
    newest: tuple[int, int, int] = (0, 0, 0)
    """Step, right answers and problems of the newest examination of frontier levels."""
    passes: int = 0
    best_passes: int = 0
    day: int = 0
    """The last day of training, as an ordinal."""
    days: int = 0
    best_days: int = 0
    calm_since: float = 0.0
    calm_until: float = 0.0
    best_calm_seconds: float = 0.0

    @property
    def hero_level(self) -> int:
        return hero_level(self.steps)

    @property
    def gold(self) -> int:
        return self.quests * GOLD_PER_QUEST

    @property
    def skills(self) -> int:
        """Skills above level 0."""
        return sum(1 in levels for levels in self.mastered.values())

    @property
    def calm_hours(self) -> float:
        return self.best_calm_seconds / 3600

    def level(self, skill: str) -> int:
        """A skill's level: all levels up to it are mastered."""
        levels, level = self.mastered.get(skill, ()), 0
        while level + 1 in levels:
            level += 1
        return level

    @property
    def deeds(self) -> Deeds:
        """What titles are given for."""
        _, correct, n = self.newest
        total = sum(self.level(skill) for skill in self.mastered)
        return Deeds(self.hero_level, self.quests, total, correct / n if n else 0.0)

    def days_in_a_row(self, now: float) -> int:
        """The days in a row that lead up to today or yesterday; an older run is over."""
        return self.days if ordinal(now) - self.day <= 1 else 0

    def after(self, recorded: Recorded, rules: Rules) -> Tally:
        """The tally once this fact has happened too."""
        tally, fact = self, recorded.fact
        if recorded.kind in TRAINING:
            tally = tally._trained(recorded.time)
        elif recorded.kind in BREAKS:
            tally = replace(tally, calm_since=0.0, calm_until=0.0)
        if recorded.kind in CAPS:
            return replace(tally, caps=tally.caps + 1)
        match fact:
            case StepsReached(step=step) | RunFinished(step=step):
                return replace(tally, steps=max(tally.steps, step))
            case CheckpointSaved(step=step):
                return tally._sealed(step)
            case StrainZoneEntered(zone=zone):
                return tally._entered(zone)
            case ChampionChanged(accuracy=accuracy):
                return replace(tally, champions=tally.champions + (accuracy > 0))
            case QuestCompleted():
                return replace(tally, quests=tally.quests + 1)
            case LevelGained(skill=skill, level=level):
                return tally._held(skill, level)
            case LevelLost(skill=skill, level=level):
                left = tuple(n for n in tally.mastered.get(skill, ()) if n != level)
                return replace(tally, mastered={**tally.mastered, skill: left})  # its examinations told that it slipped
            case ExaminationTaken():
                return tally._sat(fact, rules.of(fact.skill))
        return tally

    def _trained(self, moment: float) -> Tally:
        today = ordinal(moment)
        goes_on = moment - self.calm_until <= CALM_GAP_SECONDS
        since = self.calm_since if goes_on and self.calm_since else moment
        calm = max(self.best_calm_seconds, moment - since)
        tally = replace(self, calm_since=since, calm_until=moment, best_calm_seconds=calm)
        if today <= self.day:
            return tally
        days = self.days + 1 if today == self.day + 1 else 1
        return replace(tally, day=today, days=days, best_days=max(days, self.best_days))

    def _sealed(self, step: int) -> Tally:
        tally = replace(self, steps=max(self.steps, step))
        if step <= self.last_checkpoint:
            return tally
        return replace(tally, checkpoints=self.checkpoints + 1, last_checkpoint=step)

    def _entered(self, zone: str) -> Tally:
        if zone == "productive":
            return replace(self, productive=self.productive + 1)
        return replace(self, stretch=self.stretch + 1) if zone == "stretch" else self

    def _held(self, skill: str, level: int) -> Tally:
        levels = tuple(sorted({*self.mastered.get(skill, ()), level}))
        return replace(self, mastered={**self.mastered, skill: levels})._back(skill, level)

    def _slip(self, skill: str, level: int) -> Tally:
        return replace(self, slipped=tuple(sorted({*self.slipped, f"{skill}/{level}"})))

    def _back(self, skill: str, level: int) -> Tally:
        name = f"{skill}/{level}"
        if name not in self.slipped:
            return self
        return replace(self, slipped=tuple(n for n in self.slipped if n != name), recovered=self.recovered + 1)

    def _sat(self, fact: ExaminationTaken, rule: Rule) -> Tally:
        name = f"{fact.skill}/{fact.level}"
        if fact.step <= self.examined.get(name, -1):
            return self
        tally = replace(self, examined={**self.examined, name: fact.step})
        if fact.role == "frontier":
            return tally._attempted(fact, passed=fact.n > 0 and fact.accuracy >= rule.threshold - _SLACK)
        if fact.level not in self.mastered.get(fact.skill, ()):
            return tally
        holds = fact.accuracy >= rule.threshold - rule.tolerance - _SLACK
        return tally._back(fact.skill, fact.level) if holds else tally._slip(fact.skill, fact.level)

    def _attempted(self, fact: ExaminationTaken, *, passed: bool) -> Tally:
        step, correct, n = self.newest if self.newest[0] == fact.step else (fact.step, 0, 0)
        passes = self.passes + 1 if passed else 0
        return replace(
            self,
            newest=(step, correct + fact.correct, n + fact.n),
            accuracy=max(self.accuracy, fact.accuracy),
            passes=passes,
            best_passes=max(passes, self.best_passes),
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Tally:
        mastered = {skill: tuple(levels) for skill, levels in values["mastered"].items()}
        lists = {"mastered": mastered, "slipped": tuple(values["slipped"]), "newest": tuple(values["newest"])}
        return cls(**{**values, **lists})


def reached(catalogue: Sequence[Achievement], tally: Tally) -> list[Achievement]:
    """The achievements whose measure is there, in the order of the catalogue."""
    return [each for each in catalogue if progress(each, tally) >= each.at - _SLACK]


def progress(achievement: Achievement, tally: Tally) -> float:
    """How far a tally has come on the achievement's measure."""
    return float(getattr(tally, achievement.measure))


def ordinal(moment: float) -> int:
    """The day of a moment on this machine's clock; the next day's is one more."""
    return date.fromtimestamp(moment).toordinal()


def load(path: Path = BUILT_IN) -> tuple[Achievement, ...]:
    """The catalogue. Raises SkillError that names every mistake in it."""
    try:
        rows = TypeAdapter(tuple[Achievement, ...]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        hint = f"Mend the rows that are named; measures: {', '.join(get_args(Measure))}."
        raise SkillError(f"{path} holds no catalogue of achievements: {error}", hint=hint) from error
    if len({row.id for row in rows}) < len(rows):
        raise SkillError(f"{path} has an id twice.", hint="Give each achievement an id of its own.")
    return rows
