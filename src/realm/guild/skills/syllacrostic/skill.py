"""SY as a skill: its description, its generator and its grader behind the one interface."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from realm.guild.skill import Problem, Score, Side, Skill, load_spec

from .generator import Generator
from .grader import grade
from .spec import Format, SySpec

DESCRIPTION = Path(__file__).parent.parent / "sy.yaml"


class SyllacrosticSkill(Skill):
    """Syllacrostics. Their kinds are the forms of the answer."""

    spec: SySpec

    def __init__(self, description: Path = DESCRIPTION) -> None:
        """Raises SkillError when the description is wrong. The table of words is read at the first puzzle."""
        super().__init__(load_spec(description, SySpec))
        self._generator = Generator(self.spec)

    def generate(self, level: int, seed: str, *, side: Side = "train", kind: Format | None = None) -> Problem:
        return self._generator.problem(level, seed, side, kind)

    def score(self, problem: Problem, response: str) -> Score:
        return grade(problem, response)

    def mix(self, level: int) -> Mapping[str, float]:
        formats = self.spec.level(level).formats
        return {name: 1 / len(formats) for name in formats}
