"""Grading BIN. Knows only the problem's own answer and which of its lines are the result; it calculates nothing."""

from __future__ import annotations

from collections import Counter

from realm.guild.skill import Problem, Score

from .expression import OVERFLOW, SIGNS, TRUTHS
from .work import LINE_NAMES

LONGEST = 4
"""A response may be this many times as long as the answer, and 200 characters; beyond that it is not read."""

FORM = "\n0123456789-=:,()r" + "".join((*TRUTHS.values(), *SIGNS.values(), OVERFLOW))
"""Characters that faulty work may hold beside those of the answer."""


def grade(problem: Problem, response: str) -> Score:
    """1.0 for the answer itself. With shown work, the right result with faulty or missing work is correct, but below 1.

    The result must stand exactly once, nothing may stand beside it that could be taken for another result, and every
    other line must be of a kind that the answer has there.
    """
    answer = problem.answer
    if len(response) > LONGEST * len(answer) + 200:
        return Score(0.0, False, "far longer than any answer")
    text = response.strip()
    if text == answer:
        return Score(1.0, True, "exactly right")
    final = list(problem.meta["final"])
    lines, expected = text.split("\n"), answer.split("\n")
    work = _without(lines, final)
    if work is None:
        return Score(0.0, False, "the result is missing or wrong")
    wanted = _without(expected, final) or []
    digits = problem.meta["digits"]
    if not set(text) <= {*answer, *digits, *FORM} or not _may_stand(work, wanted, final, digits):
        return Score(0.0, False, "something stands beside the result")
    right = (Counter(work) & Counter(wanted)).total()
    return Score(0.5 + 0.5 * right / (len(wanted) + 1), True, f"right result; {right} of {len(wanted)} lines of work")


def _without(lines: list[str], final: list[str]) -> list[str] | None:
    """The other lines, or None when the final ones do not stand there once each in their order."""
    wanted = set(final)
    return [line for line in lines if line not in wanted] if [li for li in lines if li in wanted] == final else None


def _may_stand(work: list[str], wanted: list[str], final: list[str], digits: str) -> bool:
    allowed = Counter(_kind(line, digits) for line in wanted)
    found = Counter(_kind(line, digits) for line in work)
    left_sides = {line.rpartition("=")[0] for line in final if "=" in line}
    return found <= allowed and not any(line.rpartition("=")[0] in left_sides for line in work)


def _kind(line: str, digits: str) -> str:
    """What a line is, by its form alone."""
    for name in LINE_NAMES:
        if line.startswith(name):
            return name
    if line.count("=") != 1:
        return "operands" if ":" in line else line
    if any(digit in line for digit in digits):
        return "nested equation" if "(" in line else "equation"
    return "decimal equation"
