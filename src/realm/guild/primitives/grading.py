"""Compares a response with the one right answer, exactly. Never raises and pays for nothing that stands beside it."""

from __future__ import annotations

import json
import re
from typing import Any

from realm.guild.skill import Problem, Score

LONGEST = 4
"""A response may be this many times as long as the answer, and 200 characters; beyond that it is not read."""
_SAID = re.compile(r"(?:the )?answer(?: is)?\s*[:=]?\s+(.+)", re.IGNORECASE)
_QUOTES = ('"', "'", "`", "**", "$")
_FENCE = re.compile(r"```(?:json)?\s*\n(.*)\n\s*```", re.DOTALL)
_LONGEST_NUMBER = 100


def grade(problem: Problem, response: str) -> Score:
    """1 for the answer, bare or in one of a few plain wrappings ("Answer: 7.", quotes, a code fence); else 0."""
    answer, form = problem.answer, problem.form
    if len(response) > LONGEST * len(answer) + 200:
        return Score(0.0, False, "far longer than any answer")
    text = response.strip()
    right = _same_json(text, answer) if form == "json" else _plain(text, form) == _plain(answer, form)
    return Score(float(right), right, "exactly right" if right else "another answer")


def _plain(text: str, form: str) -> str:
    """The answer without its wrapping, in the one spelling of its form."""
    if said := _SAID.fullmatch(text):
        text = said[1]
    text = _unquoted(text.removesuffix(".").strip()).removesuffix(".")
    if not text.isascii():  # other scripts' digits and letters that lower() would turn into ours
        return text
    if form in ("word", "logic", "list"):
        text = text.lower()
    if form == "list":
        return ",".join(part.strip() for part in text.split(","))
    return " ".join(text.split()) if form == "logic" else text


def _unquoted(text: str) -> str:
    for mark in _QUOTES:
        if len(text) > 2 * len(mark) and text.startswith(mark) and text.endswith(mark):
            return text[len(mark) : -len(mark)]
    return text


def _same_json(text: str, answer: str) -> bool:
    if fenced := _FENCE.fullmatch(text):
        text = fenced[1]
    try:
        return _canonical(text) == _canonical(answer)
    except (ValueError, RecursionError):  # no JSON, or nested beyond reading
        return False


def _canonical(text: str) -> str:
    value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number, parse_int=_integer)
    return json.dumps(value, sort_keys=True)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError("a number beyond reading")
    return int(digits)
