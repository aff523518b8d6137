"""The symbol language: other characters for the digits and the operations, told by a key at the top of the prompt."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .expression import Script
from .operations import OPERATIONS

PLAIN = Script()


class Symbols(BaseModel):
    """Which symbols there are, from which level they are used, and how often."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_level: int = Field(ge=1)
    """First level with renamed symbols."""
    share: float = Field(ge=0, le=1)
    """Share of the problems from that level on that are written in renamed symbols."""
    digits: tuple[tuple[str, str], ...]
    """Pairs that may stand for the two digits, in either order."""
    operations: tuple[str, ...]
    """Symbols that may stand for operations."""

    @model_validator(mode="after")
    def _one_meaning_each(self) -> Symbols:
        everything = [s for pair in self.digits for s in pair] + list(self.operations)
        if len(set(everything)) != len(everything):
            raise ValueError("a symbol stands twice in the pools of digits and operations")
        if len(self.operations) < len(OPERATIONS):
            raise ValueError(f"{len(OPERATIONS)} operation symbols are needed, {len(self.operations)} are given")
        return self

    def draw(self, rng: Random, level: int, names: Iterable[str], width: int) -> Script:
        """The script of one problem with the operations `names`: plain, or with every digit and operation renamed."""
        if level < self.from_level or rng.random() >= self.share:
            return Script(width=width) if width else PLAIN
        pair = list(self.digits[int(rng.random() * len(self.digits))])
        if rng.random() < 0.5:
            pair.reverse()
        used = list(dict.fromkeys(names))
        digits = str.maketrans("01", "".join(pair))
        return Script(digits, dict(zip(used, rng.sample(self.operations, len(used)), strict=True)), width)
