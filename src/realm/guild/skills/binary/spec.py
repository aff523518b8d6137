"""BIN's description as its YAML gives it: level table, mixes, operations, symbols. Knows no problem."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from realm.guild.skill import LevelRow, SkillSpec

from .operations import OPERATIONS
from .symbols import Symbols

Group = Literal["unsigned", "signed", "comparison", "shift", "conversion"]


class BinLevel(LevelRow):
    """A level of BIN."""

    bits: int = Field(ge=1, le=64)
    """Most binary digits of an operand."""


class Mix(BaseModel):
    """Shares of the difficulties in percent, for a band of levels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    levels: tuple[int, int]
    """First and last level of the band."""
    easy: int = Field(ge=0)
    medium: int = Field(ge=0)
    hard: int = Field(ge=0)
    expert: int = Field(ge=0)

    @model_validator(mode="after")
    def _all_of_it(self) -> Mix:
        if self.easy + self.medium + self.hard + self.expert != 100:
            raise ValueError(f"the shares of levels {self.levels[0]}-{self.levels[1]} do not add up to 100")
        return self


class BinSpec(SkillSpec):
    """The description of BIN."""

    levels: tuple[BinLevel, ...]
    shorter: tuple[float, ...]
    """Chance that a problem's longest operand has the level's bits, one bit less, ...; what is left is uniform."""
    mix: tuple[Mix, ...]
    """Shares of the difficulties, by band of levels."""
    depth: dict[Literal["easy", "medium", "hard", "expert"], tuple[int, int]]
    """Least and greatest nesting depth of a difficulty."""
    operations: dict[Group, tuple[str, ...]]
    """The operations that are asked, by group."""
    auxiliary_share: float = Field(ge=0, le=1)
    """Share of the problems that are auxiliary tasks."""
    symbols: Symbols
    """The symbol language."""

    @model_validator(mode="after")
    def _complete(self) -> BinSpec:
        unknown = [name for names in self.operations.values() for name in names if name not in OPERATIONS]
        if unknown:
            raise ValueError(f"operations: no operation is named {unknown[0]!r}; there are {', '.join(OPERATIONS)}")
        for row in self.levels:
            self.mix_of(row.level)
        return self

    def level(self, number: int) -> BinLevel:
        """The row of a level. Raises SkillError where there is none."""
        self.check_level(number)
        return self.levels[number - 1]

    def shares(self, level: int) -> list[int]:
        """Percent of easy, medium, hard and expert problems at a level."""
        mix = self.mix_of(level)
        return [mix.easy, mix.medium, mix.hard, mix.expert]

    def mix_of(self, level: int) -> Mix:
        for mix in self.mix:
            if mix.levels[0] <= level <= mix.levels[1]:
                return mix
        raise ValueError(f"mix: no band holds level {level}")
