"""What an answer to a prompt-only row is worth, 0 to 1: by the grader of the row's skill, or by the row's own answer.

Knows no model and no file. A row is a `records.Row` with `prompt`, an `answer`, and `skill` and `level` in its `meta`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

from realm.config.schema import REWARDED, Hyperparameters
from realm.errors import SkillBroken, SkillError
from realm.guild.engine import SkillEngine
from realm.guild.primitives import grading
from realm.guild.skill import Problem
from realm.records import Row
from realm.registry import nearest

KEPT_JUDGEMENTS = 100_000
"""Rows of which it is remembered whether they can be graded."""
_NO_ANSWER = "\x00"
"""No skill's answer: a grader that can read a problem calls it wrong."""


class Rewards:
    """Grades answers with the skills of one engine."""

    def __init__(self, engine: SkillEngine) -> None:
        self._engine = engine
        self._judged: dict[tuple[Any, ...], str] = {}

    def grade(self, rows: Sequence[Row], answers: Sequence[str]) -> list[float]:
        """The worth of each answer to its own row; NaN where nobody can grade the row.

        A skill gives its own value, with the credit that it has for shown work; an answer without a skill is compared
        with the row's. Raises SkillBroken when a grader fails on a row that it could grade before: the skill is then
        set aside.
        """
        try:
            return [self._worth(row, answer) for row, answer in zip(rows, answers, strict=True)]
        except SkillBroken as broken:
            self._engine.set_aside(broken)
            raise

    def why_not(self, row: Row) -> str:
        """Why nobody can grade answers to this row, as the end of a sentence about it; empty when somebody can."""
        problem = problem_of(row)
        key = (problem.skill, problem.level, problem.prompt, problem.answer)
        if key not in self._judged:
            if len(self._judged) >= KEPT_JUDGEMENTS:
                self._judged.clear()
            self._judged[key] = self._reason(problem)
        return self._judged[key]

    def _worth(self, row: Row, answer: str) -> float:
        if self.why_not(row):
            return nan
        problem = problem_of(row)
        if problem.skill:
            return float(self._engine.get(problem.skill).score(problem, answer).value)
        return float(same(problem.answer, answer))

    def _reason(self, problem: Problem) -> str:
        if not problem.skill:
            return "" if problem.answer.strip() else "names no skill and holds no answer, so nobody can grade it"
        if problem.skill not in self._engine.names():
            guess = nearest(problem.skill, self._engine.names())
            meant = f" (did you mean {guess!r}?)" if guess else ""
            return f"names the skill {problem.skill[:40]!r}, which is not installed{meant}"
        if not problem.answer.strip():
            return f"names the skill {problem.skill!r} but holds no answer to grade by"
        return self._tried(problem)

    def _tried(self, problem: Problem) -> str:
        """Whether the grader can tell the row's answer from a wrong one: what a file holds must not break a skill."""
        try:
            skill = self._engine.get(problem.skill)
            skill.spec.check_level(problem.level)
            right, wrong = skill.score(problem, problem.answer), skill.score(problem, _NO_ANSWER)
        except SkillError as error:
            why = error.why if isinstance(error, SkillBroken) else error.message
            return f"cannot be graded by the skill {problem.skill!r} ({why.rstrip('.')})"
        if not right.correct:
            return f"holds an answer that the skill {problem.skill!r} calls wrong ({right.reason})"
        return "" if not wrong.correct else f"is graded as right by the skill {problem.skill!r} whatever is answered"


def told(method: str, settings: Hyperparameters) -> str:
    """The method as the facts of a run name it: a control is told from the real thing."""
    return f"{method}, control with random rewards" if method in REWARDED and settings.random_reward else method


def problem_of(row: Row) -> Problem:
    """The row as a problem of the skill that it names; its skill is empty when it names none."""
    about = row.get("meta")
    about = about if isinstance(about, Mapping) else {}
    skill, level = about.get("skill"), about.get("level")
    answer, prompt, primitives = row.get("answer", about.get("answer")), row["prompt"], about.get("primitives")
    return Problem(
        skill=skill if isinstance(skill, str) else "",
        level=level if isinstance(level, int) and not isinstance(level, bool) else 0,
        prompt=prompt if isinstance(prompt, str) else _asked(prompt),
        answer="" if answer is None else str(answer),
        content="",
        primitives=tuple(map(str, primitives)) if isinstance(primitives, list | tuple) else (),
        meta=about,
        form=str(about.get("form", "")),
    )


def same(answer: str, response: str) -> bool:
    """Whether a response is the answer, but for case, spacing, width of characters and one plain wrapping."""
    problem = Problem("", 0, "", _plain(answer), "", form="word")
    return grading.grade(problem, _plain(response)).correct


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).split())


def _asked(messages: Sequence[Mapping[str, Any]]) -> str:
    return str(messages[-1].get("content", "")) if messages else ""
