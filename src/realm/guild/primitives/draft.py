"""What an atomic problem is before it is drawn for a side: question, answer, how it is graded. Knows no split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

Form = Literal["exact", "word", "logic", "list", "json"]
"""How an answer is compared: as it stands; whatever its case; as a formula or a list, whatever its spaces; as JSON."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One question with its one right answer. `content` is what is asked, whatever the wording."""

    prompt: str
    answer: str
    content: str
    form: Form = "exact"


Maker = Callable[[Random], Draft]

NUMBER = "Answer with the number only."
BITS = "Answer in binary, with 0 and 1 only."
YES = "Answer yes or no."
TRUTH = "Answer true or false."
WORD = "Answer with one word."


def number(question: str, value: int, content: str) -> Draft:
    """A whole number in decimal digits."""
    return Draft(f"{question} {NUMBER}", str(value), content)


def bits(question: str, value: int, content: str) -> Draft:
    """A binary number without leading zeros."""
    return Draft(f"{question} {BITS}", f"{value:b}", content)


def yes(question: str, holds: bool, content: str) -> Draft:
    return Draft(f"{question} {YES}", "yes" if holds else "no", content, "word")


def truth(question: str, holds: bool, content: str) -> Draft:
    return Draft(f"{question} {TRUTH}", "true" if holds else "false", content, "word")


def invented(draw: Random, count: int) -> list[str]:
    """Different words that mean nothing, so that no knowledge of the world can answer in place of the rule."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[draw.choice("bdfgklmnprtvz") + draw.choice("aeiou") + draw.choice("bdfgklmnprtvz")] = None
    return list(found)


def letters(draw: Random, least: int, most: int, alphabet: str = "abcdefghijklmnopqrstuvwxyz") -> str:
    return "".join(draw.choices(alphabet, k=draw.randint(least, most)))


def shuffled(draw: Random, items: Sequence[str]) -> list[str]:
    """The items in an order that is not their own, where they have another."""
    if len(set(items)) < 2:
        return list(items)
    while (found := draw.sample(items, len(items))) == list(items):
        pass
    return found
