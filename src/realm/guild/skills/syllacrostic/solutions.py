"""Whether a puzzle has one solution only. Knows the whole table of words, not only those with clues; no text.

A puzzle is refused rather than kept with two right answers. Where the table cannot tell whether another word fits a
weak clue (WordNet may know a rarer sense of it), it is taken to fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from .clues import CUT, Clue
from .lexicon import Lexicon, Word

MOST_STEPS = 3_000
"""Places tried in the search for a second solution before a puzzle is given up as too rich."""


def buildable(lexicon: Lexicon, bank: Sequence[str]) -> list[Word]:
    """Words of the table whose syllables are among the tiles, each as often as it is needed."""
    mask = 0
    for part in bank:
        mask |= lexicon.bits[part]
    missing = ~mask
    found = []
    for part in dict.fromkeys(bank):
        for word in lexicon.by_rarest.get(part, ()):
            if not word.mask & missing and not (word.repeats and Counter(word.syllables) - Counter(bank)):
                found.append(word)
    return found


def spellings(text: str, tiles: Collection[str], longest: int, most: int = 2) -> int:
    """In how many ways the tiles, each as often as one likes, spell a text; counts no further than `most`."""
    if not text:
        return 1
    ways = 0
    for end in range(1, min(longest, len(text)) + 1):
        if text[:end] in tiles:
            ways += spellings(text[end:], tiles, longest, most)
            if ways >= most:
                return ways
    return ways


def well_spelled(words: Sequence[Word], bank: Sequence[str]) -> bool:
    """Each word can be laid in one way only, and no other name for what it means can be laid at all."""
    tiles = set(bank)
    longest = max(map(len, tiles))
    for word in words:
        if spellings(word.text, tiles, longest) != 1:
            return False
        if any(spellings(name, tiles, longest, 1) for name in word.names):
            return False
    return True


def fits(word: Word, clue: Clue) -> bool:
    """Whether all that a clue tells may be said of a word."""
    if clue.counted and len(word.syllables) != len(clue.word.syllables):
        return False
    return all(_may_be(word, clue.word, channel, value) for channel, value in clue.hints)


def _may_be(word: Word, meant: Word, channel: str, value: str) -> bool:
    if channel == "definition" and value.endswith(CUT):
        return not word.told or meant.sense in word.senses or word.hints["definition"][0].startswith(value[: -len(CUT)])
    if channel in ("definition", "synonym", "example"):
        return meant.sense in word.senses
    if channel == "first_letter":
        return word.text[0] == value
    if channel == "last_letter":
        return word.text[-1] == value
    if channel == "morphology":
        return word.text.endswith(value[1:]) if value[0] == "-" else word.text.startswith(value[:-1])
    return True


def is_unique(clues: Sequence[Clue], bank: Sequence[str], herrings: int, others: Iterable[Word]) -> bool:
    """Whether no other choice of words fits all clues and leaves as many tiles as there are herrings."""
    words = [clue.word for clue in clues]
    rivals = [word for word in others if word not in words]
    choices = [[clue.word, *(w for w in [*rivals, *words] if w is not clue.word and fits(w, clue))] for clue in clues]
    if all(len(choice) == 1 for choice in choices):
        return True
    return _Search(choices, Counter(bank), herrings).solutions() == 1


class _Search:
    """Counts solutions up to two; two also where it would take too long."""

    def __init__(self, choices: list[list[Word]], bank: Counter[str], herrings: int) -> None:
        self._open = sorted([c for c in choices if len(c) > 1], key=len)
        self._left = bank
        self._herrings = herrings
        self._steps = 0
        self._used: list[Word] = []
        for choice in choices:
            if len(choice) == 1:
                self._take(choice[0])

    def solutions(self, at: int = 0) -> int:
        if at == len(self._open):
            return int(self._left.total() == self._herrings)
        found = 0
        for word in self._open[at]:
            self._steps += 1
            if self._steps > MOST_STEPS:
                return 2
            if word not in self._used and all(self._left[part] >= n for part, n in Counter(word.syllables).items()):
                self._take(word)
                found += self.solutions(at + 1)
                self._put_back()
                if found > 1:
                    break
        return found

    def _take(self, word: Word) -> None:
        self._left.subtract(word.syllables)
        self._used.append(word)

    def _put_back(self) -> None:
        self._left.update(self._used.pop().syllables)
