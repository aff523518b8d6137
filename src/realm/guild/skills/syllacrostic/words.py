"""Choosing the words of a puzzle so that their tiles overlap as a level wants. Knows no clue and no text."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from .lexicon import Lexicon, Word
from .lexicon import held_out as is_held_out
from .spec import HeldOut, SyLevel

NEAR, FAR = 16, 4
"""Words looked at for one place: so many that share a tile with the others, so many at random."""
LAST = 4
"""Times that words are looked at for the last place, which must reach the overlap."""
MOST_SYLLABLES = 1 << 13
"""Room for the numbers of all syllables."""


@dataclass(frozen=True)
class Pool:
    """Words of a level on one side of the split, also by syllable."""

    words: tuple[Word, ...]
    by_syllable: dict[str, list[Word]]


def pools(lexicon: Lexicon, row: SyLevel, held: HeldOut) -> tuple[Pool, Pool]:
    """The level's words that anybody may see, and those that only examinations ask for."""
    least, most = row.syllables
    fit = [w for w in lexicon.words if w.told and not w.repeats and w.zipf >= row.zipf
           and least <= len(w.syllables) <= most]  # fmt: skip
    apart = [is_held_out(word.text, held.one_word_in) for word in fit]
    return (
        _pool([word for word, out in zip(fit, apart, strict=True) if not out]),
        _pool([word for word, out in zip(fit, apart, strict=True) if out]),
    )


def _pool(words: list[Word]) -> Pool:
    by_syllable: dict[str, list[Word]] = {}
    for word in words:
        for part in word.syllables:
            by_syllable.setdefault(part, []).append(word)
    return Pool(tuple(words), by_syllable)


def choose(rng: Random, row: SyLevel, sources: list[Pool]) -> list[Word] | None:
    """A word from each source in turn, all different, with the level's overlap; None where this draw led nowhere."""
    if row.overlap == 0:
        return _apart(rng, sources)
    found = _Growing(row.overlap)
    for source in sources[:-1]:
        word = found.best(_candidates(rng, source, found))
        if word is None:
            return None
        found.add(word)
    for _ in range(LAST):
        word = found.best(_candidates(rng, sources[-1], found))
        if word is not None and found.share_with(word) >= row.overlap:
            return [*found.words, word]
    return None


def _apart(rng: Random, sources: list[Pool]) -> list[Word] | None:
    words: list[Word] = []
    seen = 0
    for source in sources:
        for _ in range(40):
            word = source.words[int(rng.random() * len(source.words))]
            if not word.mask & seen:
                break
        else:
            return None
        words.append(word)
        seen |= word.mask
    return words


class _Growing:
    """Words chosen so far; knows which tiles have a twin in another word."""

    __slots__ = ("_gain", "_wanted", "lonely", "tiles", "twins", "words")

    def __init__(self, wanted: float) -> None:
        self._wanted = wanted
        self._gain = bytearray(MOST_SYLLABLES)
        """What a new tile adds to the twins, by the number of its syllable: 0 where nobody has it, 2 where one word
        has it (both become twins), 1 where several have."""
        self.words: list[Word] = []
        self.tiles = self.twins = 0
        self.lonely: list[str] = []

    def share_with(self, word: Word) -> float:
        """Share of the tiles with a twin, were this word among them."""
        return (self.twins + sum([self._gain[i] for i in word.ids])) / (self.tiles + len(word.ids))

    def best(self, candidates: list[Word]) -> Word | None:
        """The one that comes nearest to the share that is wanted.

        Too little is worse than too much: the last word must reach it.
        """
        gain, twins, tiles, wanted = self._gain.__getitem__, self.twins, self.tiles, self._wanted
        best, least = None, 9.0
        for word in candidates:
            off = (twins + sum(map(gain, word.ids))) / (tiles + len(word.ids)) - wanted
            if off < 0:
                off *= -3
            if off < least and word not in self.words:
                best, least = word, off
        return best

    def add(self, word: Word) -> None:
        gain = self._gain
        self.twins += sum([gain[i] for i in word.ids])
        self.tiles += len(word.ids)
        self.lonely = [part for part in self.lonely if part not in word.syllables]
        for i, part in zip(word.ids, word.syllables, strict=True):
            if not gain[i]:
                self.lonely.append(part)
            gain[i] = 1 if gain[i] else 2
        self.words.append(word)


def _candidates(rng: Random, source: Pool, found: _Growing) -> list[Word]:
    """Some words that share a tile which has no twin yet, some at random."""
    drawn = [source.words[int(rng.random() * len(source.words))] for _ in range(FAR)] if source.words else []
    if found.lonely:
        near = source.by_syllable.get(found.lonely[int(rng.random() * len(found.lonely))], [])
        start = int(rng.random() * len(near)) if len(near) > NEAR else 0
        drawn += near[start : start + NEAR]
    return drawn
