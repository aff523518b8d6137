"""What a skill is: a generator, a grader, a table of levels, a set of primitives. Knows no model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from realm.errors import SkillError
from realm.guild import description
from realm.guild.primitives import CATALOGUE
from realm.guild.review import Review
from realm.registry import nearest

Side = Literal["train", "exam"]
HELD_OUT_ONE_IN = 10


@dataclass(frozen=True, slots=True)
class Problem:
    """One question with its one right answer.

    `content` is the canonical content: equal for two problems that ask the same thing in other clothes.
    It alone decides the side of the held-out split.
    """

    skill: str
    level: int
    prompt: str
    answer: str
    content: str
    primitives: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    form: str = ""
    """What sort of question it is, where a skill has several: an examination keeps to their shares."""


@dataclass(frozen=True, slots=True)
class Score:
    """`value` in 0..1 may give partial credit for shown work; `correct` is the final result alone, exactly right."""

    value: float
    correct: bool
    reason: str


def side_of(content: str) -> Side:
    """The side a canonical content belongs to, the same on every machine: one in ten is `exam`."""
    digest = blake2b(content.encode(), digest_size=8, person=b"realm-heldout").digest()
    return "exam" if int.from_bytes(digest) % HELD_OUT_ONE_IN == 0 else "train"


class LevelRow(BaseModel):
    """A row of a skill's level table; each skill adds its own parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: int = Field(ge=1)
    """Levels count from 1 without a gap."""


class Display(BaseModel):
    """How a skill is shown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    icon: str = Field(min_length=1)
    """A character or two."""
    color: str = Field(pattern="^#[0-9a-fA-F]{6}$")
    """Accent colour, as `#rrggbb`."""
    short: str = Field(min_length=1, max_length=8)
    """The name where there is little room."""


class Thresholds(BaseModel):
    """When a level counts as mastered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    level_up: float = Field(default=0.80, gt=0, le=1)
    """Least accuracy of an examination that counts."""
    examinations: int = Field(default=3, ge=1)
    """That many in a row, at as many checkpoints."""
    problems: int = Field(default=100, ge=1)
    """Problems of an examination, where the level's space has as many."""


class SkillSpec(BaseModel):
    """A skill's description, read from its YAML: the single source of truth for its level table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern="^[a-z][a-z0-9_]*$")
    """Name in commands, settings and files; the same as that of the entry point."""
    name: str = Field(min_length=1)
    """Name as shown."""
    description: str
    """One or two sentences for who has never seen the skill."""
    display: Display
    """How it is shown."""
    thresholds: Thresholds = Thresholds()
    """When a level counts as mastered."""
    primitives: tuple[str, ...]
    """Names from the catalogue that the skill's problems exercise."""
    levels: tuple[LevelRow, ...]
    """The level table, from level 1 up."""

    @model_validator(mode="after")
    def _sound(self) -> SkillSpec:
        if not self.levels:
            raise ValueError("levels: there must be at least one")
        if [row.level for row in self.levels] != list(range(1, len(self.levels) + 1)):
            raise ValueError("levels: the rows must count 1, 2, 3, ... without a gap")
        for name in self.primitives:
            if name not in CATALOGUE:
                guess = nearest(name, CATALOGUE)
                raise ValueError(f"primitives: there is no {name!r}; " + (f"did you mean {guess!r}?" if guess else ""))
        return self

    def check_level(self, level: int) -> None:
        """Raises SkillError for a level that does not exist."""
        if not 1 <= level <= len(self.levels):
            raise SkillError(
                f"{self.display.short} has no level {level}.", hint=f"Its levels are 1 to {len(self.levels)}."
            )


SpecT = TypeVar("SpecT", bound=SkillSpec)


def load_spec(path: Path, kind: type[SpecT]) -> SpecT:
    """A skill's description from its YAML. Raises SkillError that lists every mistake with its field."""
    return description.read(path, kind)


def spec_schema(kind: type[SkillSpec]) -> dict[str, Any]:
    """What a skill's YAML may hold, as a JSON Schema; the primitives are those of the catalogue."""
    made = description.json_schema(kind)
    made["properties"]["primitives"]["items"]["enum"] = sorted(CATALOGUE)
    return made


class Skill(ABC):
    """A skill of Realm. Deterministic: the same level, seed and side give the same problem on every machine."""

    def __init__(self, spec: SkillSpec) -> None:
        self.spec = spec

    @property
    def id(self) -> str:
        return self.spec.id

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def levels(self) -> int:
        """How many levels there are; they count from 1."""
        return len(self.spec.levels)

    @abstractmethod
    def generate(self, level: int, seed: str, *, side: Side = "train", kind: Any = None) -> Problem:
        """One problem of `level` (1..levels) from a named seed such as `bin/3/practice-17/42`.

        `kind` asks for one of the kinds that `mix` names. Raises SkillError for a level that does not exist or a space
        that holds nothing on that side.
        """

    @abstractmethod
    def score(self, problem: Problem, response: str) -> Score:
        """Grade a response exactly. Never raises, whatever the response holds."""

    def mix(self, level: int) -> Mapping[str, float]:
        """The kinds of problems of a level and their shares, which an examination keeps to. Most skills have one."""
        return {}

    def review(self) -> Review:
        """How answers to its problems are judged and corrected in sparring."""
        return Review()

    def vocabulary(self) -> tuple[str, ...]:
        """Tokens that the skill's problems are made of, for a tokenizer that wants each as one; may be empty."""
        return ()
