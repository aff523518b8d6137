"""Two real skills, small enough to answer by hand: doubling (numbers of `level` digits) and parity (a coin's game)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from realm.errors import SkillError
from realm.guild.engine import SkillEngine
from realm.guild.skill import Display, LevelRow, Problem, Score, Side, Skill, SkillSpec, Thresholds, side_of
from realm.registry import Registry


def spec(name: str) -> SkillSpec:
    return SkillSpec(
        id=name,
        name=name.title(),
        description=f"Says {name}.",
        display=Display(icon="number", color="#336699", short=name[:3].upper()),
        thresholds=Thresholds(),
        primitives=("add_two_digit", "parity"),
        levels=tuple(LevelRow(level=n) for n in range(1, 5)),
    )


class NumberSkill(Skill):
    """Asks about numbers of at most `level + 2` digits."""

    def __init__(self, name: str, reply: Callable[[int], str]) -> None:
        super().__init__(spec(name))
        self.reply = reply

    def generate(self, level: int, seed: str, *, side: Side = "train", kind: Any = None) -> Problem:
        self.spec.check_level(level)
        draw = random.Random(seed)
        for _ in range(1000):
            number = draw.randrange(10 ** (level + 2))
            if side_of(str(number)) == side:
                primitive = "parity" if number % 5 == 0 else "add_two_digit"
                return Problem(
                    self.id,
                    level,
                    f"{self.id} {level} {number}",
                    self.reply(number),
                    str(number),
                    (primitive,),
                    {"number": number},
                )
        raise SkillError(f"{self.id} has no problem on that side.")

    def score(self, problem: Problem, response: str) -> Score:
        right = response == problem.answer
        return Score(float(right), right, "" if right else "another number")


def double(number: int) -> str:
    return str(2 * number)


def parity(number: int) -> str:
    return "even" if number % 2 == 0 else "odd"


def tiny_engine() -> SkillEngine:
    registry: Registry[Skill] = Registry("skill")
    registry.register("double", lambda: NumberSkill("double", double))
    registry.register("parity", lambda: NumberSkill("parity", parity))
    return SkillEngine(registry)


def knows_all(prompts: Sequence[str]) -> list[str]:
    """Answers any prompt of the tiny skills."""
    replies = {"double": double, "parity": parity}
    return [replies[name](int(number)) for name, _, number in map(str.split, prompts)]
