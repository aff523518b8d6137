"""Clues for chosen words: which hints each gets, what is cut, what is not told. Knows no bank and no layout."""

from __future__ import annotations

import re
from collections.abc import Collection, Set
from dataclasses import dataclass
from math import ceil
from random import Random

from .lexicon import Word
from .spec import Channel, SyLevel

AKIN: tuple[Channel, ...] = (
    "synonym", "category", "example", "hypernym", "hyponym", "antonym", "domain", "whole", "part", "similar",
)  # fmt: skip
"""Hints about what a word means, beside its definition. A weak clue has one of these at least."""

SAID: dict[Channel, str] = {
    "definition": "{}", "synonym": "synonym: {}", "category": "category: {}", "example": 'example: "{}"',
    "hypernym": "a kind of {}", "hyponym": "one kind: {}", "antonym": "opposite: {}", "domain": "field: {}",
    "morphology": "affix: {}", "first_letter": "starts with {}", "part_of_speech": "{}", "whole": "part of: {}",
    "part": "has as part: {}", "similar": "similar to: {}", "last_letter": "ends with {}",
}  # fmt: skip
"""How a hint is written."""

SAID_OF_VERBS: dict[Channel, str] = SAID | {"hypernym": "a way to {}", "hyponym": "one way: {}"}

CUT = " ..."


@dataclass(frozen=True, slots=True)
class Clue:
    """What is told of a word. `counted`: it also tells how many syllables the word has."""

    word: Word
    hints: tuple[tuple[Channel, str], ...]
    counted: bool
    text: str

    @property
    def defined(self) -> bool:
        return self.hints[0][0] == "definition"

    @property
    def cut(self) -> bool:
        return self.defined and self.hints[0][1].endswith(CUT)


def _said(word: Word, hints: tuple[tuple[Channel, str], ...]) -> str:
    said = SAID_OF_VERBS if word.hints["part_of_speech"][0] == "verb" else SAID
    return "; ".join([said[channel].format(value) for channel, value in hints])


def share_of(n: int, share: float) -> int:
    """So many of n, rounded half up."""
    return int(n * share + 0.5)


class ClueWriter:
    """Writes clues of one level. `secret`: words that must not be named as a hint."""

    def __init__(self, row: SyLevel, secret: Collection[str]) -> None:
        self._row = row
        self._secret = secret
        self._known: dict[int, dict[Channel, tuple[str, ...]]] = {}
        self._akin = frozenset(channel for channel in AKIN if channel in row.channels)
        self._beside = tuple(channel for channel in row.channels if channel != "definition")

    def write(self, rng: Random, words: list[Word], *, richest: bool) -> list[Clue] | None:
        """A clue for each word; None where one would name the answer of another.

        `richest`: every clue gets the most hints of the level. Words that have no hint beside their definition keep it.
        """
        n = len(words)
        order = sorted(range(n), key=[rng.random() for _ in words].__getitem__)
        weak = self._weak(words, order)
        cut = self._cut(words, [i for i in reversed(order) if i not in weak])
        silent = set(sorted(range(n), key=[rng.random() for _ in words].__getitem__)[: self._silent(n)])
        clues = []
        for i, word in enumerate(words):
            hints = self._hints(rng, word, i in weak, i in cut, richest)
            clues.append(Clue(word, hints, i not in silent, _said(word, hints)))
        answers = {word.text for word in words}
        tokens = re.findall("[a-z]+", " ".join([clue.text for clue in clues]).lower())
        return clues if answers.isdisjoint(tokens) else None

    def _silent(self, n: int) -> int:
        return share_of(n, self._row.single_blanks)

    def _weak(self, words: list[Word], order: list[int]) -> set[int]:
        """Those without a definition: exactly the level's share, where so many words have something else."""
        wanted = len(words) - ceil(len(words) * self._row.definitions - 1e-9)
        able = [i for i in order if not self._akin.isdisjoint(self._told(words[i]))]
        return set(able[:wanted]) if wanted else set()

    def _cut(self, words: list[Word], defined: list[int]) -> set[int]:
        """Those whose definition is cut: the level's share, where so many are long enough."""
        wanted = share_of(len(defined), self._row.truncated)
        if not wanted:
            return set()
        return set([i for i in defined if self._can_be_cut(words[i].hints["definition"][0])][:wanted])

    def _can_be_cut(self, definition: str) -> bool:
        """Long enough, and not in the middle of brackets."""
        kept = self._row.kept_words
        return definition.count(" ") >= kept and ")" not in " ".join(definition.split(" ")[kept:])

    def _beginning(self, definition: str) -> str:
        return " ".join(definition.split(" ")[: self._row.kept_words])

    def _told(self, word: Word) -> dict[Channel, tuple[str, ...]]:
        """What the level may tell of a word beside its definition, without what names a secret word.

        Categories are the same few words for everybody, so none of them is secret.
        """
        found = self._known.get(word.number)
        if found is None:
            found = self._known[word.number] = {}
            for channel in self._beside:
                values = word.hints.get(channel, ())
                if channel in AKIN and channel != "category":
                    values = tuple(value for value in values if value not in self._secret)
                if values:
                    found[channel] = values
        return found

    def _hints(self, rng: Random, word: Word, weak: bool, cut: bool, richest: bool) -> tuple[tuple[Channel, str], ...]:
        least, most = self._row.hints
        n = most if richest or least == most else least + int(rng.random() * (most - least + 1))
        found: list[tuple[Channel, str]] = []
        if weak:
            found.append(self._one_of(rng, word, self._akin, found)[0])
        else:
            definition = word.hints["definition"][0]
            found.append(("definition", self._beginning(definition) + CUT if cut else definition))
        while len(found) < n and (more := self._one_of(rng, word, None, found)):
            found += more
        return tuple(found)

    def _one_of(
        self, rng: Random, word: Word, channels: Set[Channel] | None, known: list[tuple[Channel, str]]
    ) -> list[tuple[Channel, str]]:
        """One more hint from a channel not used yet, if there is any; `channels` None: from any."""
        used = [channel for channel, _ in known]
        if "category" in used or "part_of_speech" in used:  # a category tells the part of speech
            used += ["category", "part_of_speech"]
        told = self._told(word)
        left = [c for c in told if c not in used and (channels is None or c in channels)]
        if not left:
            return []
        channel = left[int(rng.random() * len(left))]
        values = told[channel]
        return [(channel, values[int(rng.random() * len(values))])]
