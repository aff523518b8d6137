"""Knows every canary's question and recognises it inside any text, so that nothing may train on one. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from realm.guild.passives.sets import MODULES, problems
from realm.records import Row, texts

WINDOW = 4
"""Words that are looked up at once; each canary has such a run of words."""

SIGN = "answer"
"""A word of every canary's question."""

_Words = tuple[str, ...]


def is_canary(text: str) -> bool:
    """Whether a canary's whole question stands in the text, whatever its case, its line breaks and its surroundings."""
    folded = text.casefold()
    if SIGN not in folded:  # most texts end here: looking at every word of a big file would take its time
        return False
    words, index = tuple(folded.split()), _index()
    for at in range(len(words) - WINDOW + 1):
        for offset, question in index.get(words[at : at + WINDOW], ()):
            begin = at - offset
            if begin >= 0 and _same(words[begin : begin + len(question)], question):
                return True
    return False


def holds_canary(row: Row) -> bool:
    """The same of a training row, in any of its texts; its `meta` is never trained on and not looked at."""
    return any(is_canary(text) for key, value in row.items() if key != "meta" for text in texts(value))


def without_canaries(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows that may be trained on, in their order."""
    return (row for row in rows if not holds_canary(row))


def _same(found: _Words, question: _Words) -> bool:
    """The inner words equal; before the first and after the last may stand other signs, such as quotes."""
    if len(found) != len(question) or found[1:-1] != question[1:-1]:
        return False
    last = question[-1].rstrip(".")
    before, after = found[0].removesuffix(question[0]), found[-1].removeprefix(last)
    touched = found[0].endswith(question[0]) and found[-1].startswith(last)
    return touched and not any(sign.isalnum() for sign in before + after)


def _words(text: str) -> _Words:
    return tuple(text.casefold().split())


@cache
def _index() -> Mapping[_Words, tuple[tuple[int, _Words], ...]]:
    """A run of words -> the questions that are looked for there, and where in them the run stands.

    Each question stands under its rarest run, which never holds its first or last word.
    """
    questions = {_words(problem.prompt) for name in MODULES for problem in problems(name)}
    common = Counter(run for question in questions for _, run in _runs(question))
    index: dict[_Words, list[tuple[int, _Words]]] = {}
    for question in sorted(questions):
        offset, run = min(_runs(question), key=lambda each: (common[each[1]], each[0]))
        index.setdefault(run, []).append((offset, question))
    return {run: tuple(found) for run, found in index.items()}


def _runs(question: _Words) -> list[tuple[int, _Words]]:
    return [(at, question[at : at + WINDOW]) for at in range(1, len(question) - WINDOW)]
