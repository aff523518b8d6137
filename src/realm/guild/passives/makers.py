"""Problems of the extended canaries that no primitive asks alone: series, memory, choices, English. Knows no set."""

from __future__ import annotations

import tomllib
from functools import cache
from math import comb, factorial, perm
from pathlib import Path
from random import Random
from typing import Any

from realm.guild.primitives.draft import WORD, Draft, Maker, letters, number

FILE = Path(__file__).with_name("phrases.toml")


@cache
def _phrases() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def _word(question: str, answer: str) -> Draft:
    return Draft(f"{question} {WORD}", answer, question, "word")


def _numbered(question: str, value: int) -> Draft:
    return number(question, value, question)


# -- counting ------------------------------------------------------------------------------------------------------
def count_items(draw: Random) -> Draft:
    colours = draw.choices(_phrases()["colours"][:4], k=draw.randint(5, 9))
    wanted = draw.choice(colours)
    return _numbered(f"How many times is {wanted} in this list: {', '.join(colours)}?", colours.count(wanted))


def count_words(draw: Random) -> Draft:
    chosen = draw.sample(_phrases()["things"], draw.randint(3, 9))
    return _numbered(f"How many words stand between the brackets: [{' '.join(chosen)}]?", len(chosen))


def count_even(draw: Random) -> Draft:
    row = [draw.randint(1, 50) for _ in range(draw.randint(4, 8))]
    return _numbered(f"How many of these numbers are even: {', '.join(map(str, row))}?", sum(n % 2 == 0 for n in row))


# -- string_craft --------------------------------------------------------------------------------------------------
def replace_letter(draw: Random) -> Draft:
    text = letters(draw, 4, 7, "abcde")
    old = draw.choice(text)
    question = f"Write {text} with each {old} replaced by x."
    return Draft(f"{question} Answer with the letters only.", text.replace(old, "x"), question)


def first_letters(draw: Random) -> Draft:
    chosen = draw.sample(_phrases()["things"], draw.randint(3, 5))
    question = f"Write the first letter of each word, joined together: {' '.join(chosen)}."
    return Draft(f"{question} Answer with the letters only.", "".join(word[0] for word in chosen), question)


# -- sequence ------------------------------------------------------------------------------------------------------
def _next(row: list[int]) -> Draft:
    return _numbered(f"What comes next: {', '.join(map(str, row[:-1]))}?", row[-1])


def steps(draw: Random) -> Draft:
    start, step = draw.randint(0, 40), draw.choice((-4, -3, -2, 2, 3, 4, 5, 6, 7))
    return _next([start + i * step for i in range(6)])


def doubling(draw: Random) -> Draft:
    start, factor = draw.randint(1, 30), draw.choice((2, 3, 4))
    return _next([start * factor**i for i in range(5)])


def two_before(draw: Random) -> Draft:
    row = [draw.randint(1, 9), draw.randint(1, 9)]
    while len(row) < 7:
        row.append(row[-1] + row[-2])
    return _next(row)


def repeating(draw: Random) -> Draft:
    pattern = draw.sample("abcdefgh", draw.randint(2, 4))
    shown = [pattern[i % len(pattern)] for i in range(2 * len(pattern) + draw.randint(1, 3))]
    return _word(f"What comes next: {' '.join(shown[:-1])}?", shown[-1])


def alphabet(draw: Random) -> Draft:
    start, step = draw.randint(0, 8), draw.randint(1, 3)
    row = [chr(ord("a") + start + i * step) for i in range(6)]
    return _word(f"What comes next: {' '.join(row[:-1])}?", row[-1])


# -- memory --------------------------------------------------------------------------------------------------------
def recall_pair(draw: Random) -> Draft:
    names = draw.sample(_phrases()["things"], draw.randint(3, 6))
    held = {name: draw.randint(1, 99) for name in names}
    wanted = draw.choice(names)
    told = ", ".join(f"{name} is {value}" for name, value in held.items())
    return _numbered(f"Remember: {told}. What is {wanted}?", held[wanted])


def recall_place(draw: Random) -> Draft:
    chosen = draw.sample(_phrases()["things"], draw.randint(4, 6))
    at = draw.randrange(4)
    place = ("first", "second", "third", "fourth")[at]
    return _word(f"Which word is the {place} of this list: {', '.join(chosen)}?", chosen[at])


def recall_before(draw: Random) -> Draft:
    chosen = draw.sample(_phrases()["things"], draw.randint(4, 6))
    at = draw.randint(1, len(chosen) - 1)
    return _word(f"Which word stands just before {chosen[at]} in this list: {', '.join(chosen)}?", chosen[at - 1])


def recall_changed(draw: Random) -> Draft:
    thing, other = draw.sample(_phrases()["things"], 2)
    before, after, third = draw.sample(_phrases()["colours"], 3)
    told = f"The {thing} was {before}. It was painted {after}. The {other} beside it stayed {third}."
    return _word(f"{told} What colour is the {thing} now?", after)


# -- combinatorics -------------------------------------------------------------------------------------------------
def choices(draw: Random) -> Draft:
    n = draw.randint(3, 9)
    k = draw.randint(1, min(4, n - 1))
    return _numbered(f"In how many ways can one choose {k} of {n} different books, in any order?", comb(n, k))


def arrangements(draw: Random) -> Draft:
    n = draw.randint(2, 6)
    chosen = draw.sample(_phrases()["things"], n)
    return _numbered(f"In how many orders can these stand in a row: {', '.join(chosen)}?", factorial(n))


def prizes(draw: Random) -> Draft:
    n, k = draw.randint(3, 9), draw.randint(2, 3)
    return _numbered(f"{n} runners, {k} different medals, one each: in how many ways can they be given?", perm(n, k))


def outfits(draw: Random) -> Draft:
    a, b, c = draw.randint(2, 6), draw.randint(2, 6), draw.randint(2, 4)
    return _numbered(f"{a} shirts, {b} trousers and {c} hats: how many outfits of one of each are there?", a * b * c)


def handshakes(draw: Random) -> Draft:
    n = draw.randint(3, 30)
    return _numbered(f"{n} people all shake hands once with each other. How many handshakes is that?", comb(n, 2))


# -- language_basics -----------------------------------------------------------------------------------------------
ASKED = {
    "plural": "What is the plural of {}?",
    "past": "What is the simple past of the verb {}?",
    "feminine": "What is the female word for {}?",
    "comparative": "What is the comparative of {}?",
    "article": "Which article stands before the word {}: a or an?",
}


def form_of_word(draw: Random) -> Draft:
    table = draw.choice(list(ASKED))
    given, answer = draw.choice(_phrases()[table])
    return _word(ASKED[table].format(given), answer)


def first_in_dictionary(draw: Random) -> Draft:
    chosen = draw.sample(_phrases()["things"], draw.randint(3, 5))
    return _word(f"Which of these words comes first in a dictionary: {', '.join(chosen)}?", min(chosen))


Makers = tuple[Maker, ...]
COUNTING: Makers = (count_items, count_words, count_even)
STRINGS: Makers = (replace_letter, first_letters)
SEQUENCE: Makers = (steps, doubling, two_before, repeating, alphabet)
MEMORY: Makers = (recall_pair, recall_place, recall_before, recall_changed)
COMBINATORICS: Makers = (choices, arrangements, prizes, outfits, handshakes)
LANGUAGE: Makers = (form_of_word, form_of_word, first_in_dictionary)
