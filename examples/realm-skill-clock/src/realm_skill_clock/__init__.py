"""Clock times as a skill of Realm: its description, its generator and its grader."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any, Literal

from pydantic import Field

from realm.errors import SkillError
from realm.guild.skill import LevelRow, Problem, Score, Side, Skill, SkillSpec, load_spec, side_of

DAY = 24 * 60
TRIES = 1000
Ask = Literal["later", "earlier", "between"]


class ClockLevel(LevelRow):
    """A level of CLOCK."""

    grain: int = Field(ge=1, le=60)
    """Times and durations are multiples of so many minutes."""
    longest: int = Field(ge=1)
    """Longest duration in minutes."""
    asks: tuple[Ask, ...] = Field(min_length=1)
    """What may be asked."""


class ClockSpec(SkillSpec):
    """The description of CLOCK."""

    levels: tuple[ClockLevel, ...]


class ClockSkill(Skill):
    """Clock times."""

    spec: ClockSpec

    def __init__(self) -> None:
        super().__init__(load_spec(Path(__file__).with_name("clock.yaml"), ClockSpec))

    def generate(self, level: int, seed: str, *, side: Side = "train", kind: Any = None) -> Problem:
        self.spec.check_level(level)
        row, draw = self.spec.levels[level - 1], Random(seed)
        for _ in range(TRIES):
            problem = self._problem(row, draw)
            if side_of(problem.content) == side:
                return problem
        raise SkillError(f"Level {level} has no problem on the side {side!r}.")

    def score(self, problem: Problem, response: str) -> Score:
        right = response.strip() == problem.answer
        return Score(float(right), right, "exactly right" if right else "not the answer")

    def _problem(self, row: ClockLevel, draw: Random) -> Problem:
        ask = draw.choice(row.asks)
        start = draw.randrange(DAY // row.grain) * row.grain
        minutes = draw.randint(1, row.longest // row.grain) * row.grain
        if ask == "between":
            minutes %= DAY
            end = (start + minutes) % DAY
            prompt, answer = f"{time(start)} to {time(end)}", duration(minutes)
        else:
            moved = start + minutes if ask == "later" else start - minutes
            prompt = f"{time(start)} {'+' if ask == 'later' else '-'} {duration(minutes)}"
            answer = moment(moved)
        return Problem(
            skill=self.id,
            level=row.level,
            prompt=prompt,
            answer=answer,
            content=f"{ask}({start},{minutes})",
            primitives=primitives(ask, start, minutes),
            form=ask,
        )


def time(minutes: int) -> str:
    """A time of the day: `09:05`."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


def duration(minutes: int) -> str:
    """Hours and minutes: `13h05`."""
    return f"{minutes // 60}h{minutes % 60:02}"


def moment(minutes: int) -> str:
    """A time of the day, with the number of days when it is another day: `01:10 +1`."""
    days, rest = divmod(minutes, DAY)
    return f"{time(rest)} {days:+}" if days else time(rest)


def primitives(ask: Ask, start: int, minutes: int) -> tuple[str, ...]:
    """What has to be done: add or take away; carry over 60 minutes or 24 hours; see which time is the later one."""
    used = ["add_two_digit" if ask == "later" else "sub_two_digit"]
    carries = start % 60 + minutes % 60 >= 60 or not 0 <= start + (minutes if ask == "later" else -minutes) < DAY
    return (*used, *(["modulo"] if carries else []), *(["compare_integers"] if ask == "between" else []))
