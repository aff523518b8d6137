"""Whether a puzzle has one solution only. Knows the whole table of words, not only those with clues; no text.

A puzzle is refused rather than kept with two right answers. A word fits a clue when all its hints are true of the word
in any of its senses; an example with a blank is taken to fit every word of the same part of speech.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from .clues import CUT, Clue
from .lexicon import Lexicon, Word
from .spec import Channel

Facts = Mapping[tuple[str, str], frozenset[int]]
"""Channel and hint: numbers of the words of which it is true."""

LETTERS: tuple[Channel, ...] = ("first_letter", "last_letter", "morphology")

MOST_STEPS = 3_000
"""Places tried in the search for a second solution before a puzzle is given up as too rich."""


def buildable(lexicon: Lexicon, bank: Sequence[str]) -> list[Word]:
    """Words of the table whose syllables are among the tiles, each as often as it is needed."""
    mask = 0
    for part in bank:
        mask |= 1 << lexicon.ids[part]
    missing = ~mask
    found = []
    for part in dict.fromkeys(bank):
        for word in lexicon.by_rarest.get(part, ()):
            if not word.mask & missing and not (word.repeats and Counter(word.syllables) - Counter(bank)):
                found.append(word)
    return found


class Tiles:
    """The different tiles of a bank, and what can be laid with them when each may be had as often as one likes."""

    def __init__(self, bank: Collection[str]) -> None:
        self._by_letter: dict[str, list[str]] = {}
        for tile in dict.fromkeys(bank):
            self._by_letter.setdefault(tile[0], []).append(tile)

    def can_lay(self, text: str) -> bool:
        """Whether they spell a text. Takes time in proportion to its length, whatever it holds."""
        reached, last = {0}, 0
        for start in range(len(text)):
            if start > last:
                return False
            if start in reached:
                ends = [start + len(t) for t in self._by_letter.get(text[start], ()) if text.startswith(t, start)]
                reached.update(ends)
                last = max([last, *ends])
        return len(text) in reached

    def ways(self, text: str) -> int:
        """In how many ways they spell a text."""
        found = [1] + [0] * len(text)
        for start in range(len(text)):
            if found[start]:
                for tile in self._by_letter.get(text[start], ()):
                    if text.startswith(tile, start):
                        found[start + len(tile)] += found[start]
        return found[-1]

    def splits(self, text: str, start: int = 0) -> list[tuple[str, ...]]:
        """All ways to lay a text."""
        if start == len(text):
            return [()]
        found = []
        for tile in self._by_letter.get(text[start], ()):
            if text.startswith(tile, start):
                found += [(tile, *rest) for rest in self.splits(text, start + len(tile))]
        return found


def well_spelled(words: Sequence[Word], bank: Sequence[str], herrings: int) -> bool:
    """Whether the words can be laid in one way only, and no name that the table does not know can be laid at all."""
    tiles = Tiles(bank)
    if any(tiles.can_lay(name) for word in words for name in word.names):
        return False
    left = Counter(bank)
    several = []
    for word in words:
        if tiles.ways(word.text) > 1:
            several.append(tiles.splits(word.text))
        else:
            for part in word.syllables:
                left[part] -= 1
    return not several or _layings(several, left, herrings) == 1


def _layings(ways: list[list[tuple[str, ...]]], left: Counter[str], herrings: int) -> int:
    """In how many ways words can be laid side by side with so many tiles left over; counts no further than two."""
    if not ways:
        return int(left.total() == herrings)
    found = 0
    for way in ways[0]:
        rest = left.copy()
        rest.subtract(way)
        if all(rest[part] >= 0 for part in way):
            found += _layings(ways[1:], rest, herrings)
        if found > 1:
            break
    return found


def fits(words: list[Word], clue: Clue, facts: Facts) -> list[Word]:
    """Those words of which all may be said that a clue tells."""
    found = words
    if clue.counted:
        n = len(clue.word.syllables)
        found = [word for word in found if len(word.syllables) == n]
    for channel, value in clue.hints:
        if not found:
            break
        found = _true(found, clue.word, channel, value, facts)
    return found


def _true(words: list[Word], meant: Word, channel: Channel, value: str, facts: Facts) -> list[Word]:
    if channel == "synonym" or (channel == "definition" and not value.endswith(CUT)):
        return [word for word in words if meant.sense in word.senses]
    if channel == "definition":
        alike = facts.get((channel, value[: -len(CUT)]), frozenset())
        return [word for word in words if meant.sense in word.senses or word.number in alike]
    if channel == "category":
        return [word for word in words if meant.kind in word.kinds]
    if channel in ("example", "part_of_speech"):
        spoken = meant.hints["part_of_speech"][0]
        return [word for word in words if spoken in word.parts_of_speech]
    if channel in LETTERS:
        start, end = (value, "") if channel == "first_letter" else ("", value)
        if channel == "morphology":
            start, end = value.strip("-") * value.endswith("-"), value.strip("-") * value.startswith("-")
        return [word for word in words if word.text.startswith(start) and word.text.endswith(end)]
    alike = facts[channel, value]
    return [word for word in words if word.number in alike]


def is_unique(clues: Sequence[Clue], bank: Sequence[str], herrings: int, others: Sequence[Word], facts: Facts) -> bool:
    """Whether no other choice of words fits all clues and leaves as many tiles as there are herrings.

    `others`: all words that the bank holds tiles for, those of the solution among them.
    """
    choices = [fits(list(others), clue, facts) for clue in clues]
    if all(len(choice) == 1 for choice in choices):
        return True
    return _Search(choices, Counter(bank), herrings).solutions() == 1


class _Search:
    """Counts solutions up to two; two also where it would take too long."""

    def __init__(self, choices: list[list[Word]], bank: Counter[str], herrings: int) -> None:
        self._left = bank
        self._herrings = herrings
        self._steps = 0
        self._used: list[Word] = []
        self._open = sorted(choices, key=len)
        while self._open and len(self._open[0]) == 1:
            self._take(self._open.pop(0)[0])
            self._open = sorted([[w for w in choice if self._can_take(w)] for choice in self._open], key=len)

    def solutions(self, at: int = 0) -> int:
        if at == len(self._open):
            return int(self._left.total() == self._herrings)
        found = 0
        for word in self._open[at]:
            self._steps += 1
            if self._steps > MOST_STEPS:
                return 2
            if self._can_take(word):
                self._take(word)
                found += self.solutions(at + 1)
                self._put_back()
                if found > 1:
                    break
        return found

    def _can_take(self, word: Word) -> bool:
        left = self._left
        if word.repeats and any(left[part] < word.syllables.count(part) for part in word.syllables):
            return False
        return word not in self._used and all([left[part] for part in word.syllables])

    def _take(self, word: Word) -> None:
        for part in word.syllables:
            self._left[part] -= 1
        self._used.append(word)

    def _put_back(self) -> None:
        for part in self._used.pop().syllables:
            self._left[part] += 1
