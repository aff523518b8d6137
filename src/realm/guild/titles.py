"""Titles: which one a hero has earned, by the table in titles.yaml. Knows no ledger: what is true is handed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from realm.errors import SkillError

BUILT_IN = Path(__file__).with_name("titles.yaml")


class Conditions(BaseModel):
    """Least values, all of which must be reached."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hero_level: int = Field(0, ge=0)
    quests: int = Field(0, ge=0)
    total_levels: int = Field(0, ge=0)
    accuracy: float = Field(0.0, ge=0, le=1)
    level: int = Field(0, ge=0)


class Title(BaseModel):
    """One row of the table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field(min_length=1)
    priority: int
    per_skill: bool = False
    when: Conditions = Conditions()

    @model_validator(mode="after")
    def _asks_what_it_can_know(self) -> Title:
        asked = self.when.model_fields_set
        if not self.per_skill and "level" in asked:
            raise ValueError(f"{self.title}: `level` is a skill's; say per_skill, or use total_levels")
        if self.per_skill and asked - {"level"}:
            raise ValueError(f"{self.title}: a title per skill knows `level` only")
        return self


@dataclass(frozen=True, slots=True)
class Deeds:
    """What a hero has done."""

    hero_level: int = 0
    quests: int = 0
    total_levels: int = 0
    accuracy: float = 0.0


def load(path: Path = BUILT_IN) -> tuple[Title, ...]:
    """The table of titles. Raises SkillError that names every mistake in it."""
    try:
        return TypeAdapter(tuple[Title, ...]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise SkillError(f"{path} holds no table of titles: {error}", hint="Mend the rows that are named.") from error


def hero_title(titles: Sequence[Title], deeds: Deeds) -> str:
    """The hero's own title; empty when no row holds."""
    held = [t for t in titles if not t.per_skill and _reached(t.when, deeds)]
    return max(held, key=lambda t: t.priority).title if held else ""


def skill_title(titles: Sequence[Title], skill_name: str, level: int) -> str:
    """The title in one skill; empty when no row holds."""
    held = [t for t in titles if t.per_skill and level >= t.when.level]
    return max(held, key=lambda t: t.priority).title.replace("{skill}", skill_name) if held else ""


def _reached(when: Conditions, deeds: Deeds) -> bool:
    return (
        deeds.hero_level >= when.hero_level
        and deeds.quests >= when.quests
        and deeds.total_levels >= when.total_levels
        and deeds.accuracy >= when.accuracy
    )
