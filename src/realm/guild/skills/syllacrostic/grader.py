"""Grading SY: each form of an answer by its own reader, word by word. Knows only what the problem carries."""

from __future__ import annotations

from collections.abc import Sequence

from realm.guild.skill import Problem, Score

from .formats import FORMS, Entry, same_counts
from .solutions import Tiles

LONGEST = 3
"""A response may be this many times as long as the answer, and 200 characters; beyond that it is not read."""


def grade(problem: Problem, response: str) -> Score:
    """1.0 and correct when every word is right, in the form that was asked for and with nothing beside it.

    Where some words are wrong, the share of the right ones, provided that the answer has as many words as there are
    clues, all different, each of which the tiles can spell. Capitals do not matter.
    """
    if len(response) > LONGEST * len(problem.answer) + 200:
        return Score(0.0, False, "far longer than any answer")
    text = response.strip()
    wanted = problem.meta["format"]
    if wanted == "counts":
        right = same_counts(text, problem.answer)
        return Score(float(right), right, "exactly right" if right else "the counts are wrong, or not as asked")
    entries = FORMS[wanted].read(text, problem.meta["keys"])
    if entries is None:
        return Score(0.0, False, f"not in the form that was asked for ({wanted})")
    return _compare([_plain(entry) for entry in entries], problem.meta["words"], problem.meta["bank"])


def _plain(entry: Entry) -> Entry:
    """In small letters; what is not ASCII is no word of the bank and stays as it is."""
    word, parts = entry
    if parts is not None:
        parts = tuple(part.lower() if part.isascii() else part for part in parts)
    return (word.lower() if word.isascii() else word), parts


def _compare(entries: Sequence[Entry], words: Sequence[Sequence[str]], bank: Sequence[str]) -> Score:
    if len(entries) != len(words):
        return Score(0.0, False, f"{len(entries)} words for {len(words)} clues")
    given = [word for word, _ in entries]
    if len(set(given)) < len(given):
        return Score(0.0, False, "a word stands twice")
    tiles = Tiles(bank)
    for word in given:
        if not word or not tiles.can_lay(word):
            return Score(0.0, False, "a word that the tiles cannot spell")
    right = sum(
        word == "".join(expected) and parts in (None, tuple(expected))
        for (word, parts), expected in zip(entries, words, strict=True)
    )
    if right == len(words):
        return Score(1.0, True, "exactly right")
    return Score(right / len(words), False, f"{right} of {len(words)} words")
