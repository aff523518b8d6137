"""BIN as a skill: its description, its generator and its grader behind the one interface."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from realm.guild.review import Review
from realm.guild.skill import Problem, Score, Side, Skill, load_spec

from .generator import Generator
from .grader import grade
from .layout import DIFFICULTIES, Difficulty
from .review import BinaryReview
from .spec import BinSpec
from .words import tokens

DESCRIPTION = Path(__file__).parent.parent / "bin.yaml"


class BinarySkill(Skill):
    """Binary arithmetic."""

    spec: BinSpec

    def __init__(self, description: Path = DESCRIPTION) -> None:
        """Raises SkillError when the description is wrong."""
        super().__init__(load_spec(description, BinSpec))
        self._generator = Generator(self.spec)

    def generate(self, level: int, seed: str, *, side: Side = "train", kind: Difficulty | None = None) -> Problem:
        return self._generator.problem(level, seed, side, kind)

    def score(self, problem: Problem, response: str) -> Score:
        return grade(problem, response)

    def mix(self, level: int) -> Mapping[str, float]:
        return {name: share / 100 for name, share in zip(DIFFICULTIES, self.spec.shares(level), strict=True)}

    def review(self) -> Review:
        return BinaryReview()

    def vocabulary(self) -> tuple[str, ...]:
        return tokens(self.spec)


def vocabulary() -> tuple[str, ...]:
    """All tokens of BIN's prompts and answers: any of them is a concatenation of these."""
    return BinarySkill().vocabulary()
