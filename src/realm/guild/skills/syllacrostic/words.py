"""Choosing the words of a puzzle so that their tiles overlap as a level wants. Knows no clue and no text."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from .lexicon import Lexicon, Word
from .lexicon import held_out as is_held_out
from .spec import HeldOut, SyLevel

NEAR, FAR = 24, 6
"""Words looked at for one place: so many that share a tile with the others, so many at random."""


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


def overlap(words: list[Word]) -> float:
    """Share of the tiles whose syllable another of the words has as well."""
    seen = twice = 0
    for word in words:
        twice |= seen & word.mask
        seen |= word.mask
    return sum((word.mask & twice).bit_count() for word in words) / sum(len(word.syllables) for word in words)


def choose(rng: Random, row: SyLevel, sources: list[Pool]) -> list[Word] | None:
    """A word from each source in turn, all different, with the level's overlap; None where this draw led nowhere."""
    if row.overlap == 0:
        return _apart(rng, sources)
    found = _Growing()
    for source in sources:
        word = min(_candidates(rng, source, found), key=lambda w: _off(found.share_with(w), row.overlap), default=None)
        if word is None:
            return None
        found.add(word)
    return found.words if found.share >= row.overlap else None


def _off(share: float, wanted: float) -> float:
    """How badly a share serves: too little is worse than too much, since the last word must reach what is wanted."""
    return share - wanted if share >= wanted else 3 * (wanted - share)


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
    """Words chosen so far; counts the tiles that have a twin in another word."""

    __slots__ = ("lonely", "seen", "tiles", "twice", "twins", "words")

    def __init__(self) -> None:
        self.words: list[Word] = []
        self.seen = self.twice = self.tiles = self.twins = 0
        self.lonely: list[str] = []

    @property
    def share(self) -> float:
        return self.twins / self.tiles

    def _twins_with(self, word: Word) -> int:
        shared = word.mask & self.seen
        return self.twins + shared.bit_count() + (shared & ~self.twice).bit_count()

    def share_with(self, word: Word) -> float:
        return self._twins_with(word) / (self.tiles + len(word.syllables))

    def add(self, word: Word) -> None:
        self.twins = self._twins_with(word)
        self.tiles += len(word.syllables)
        new = [part for part in word.syllables if part not in self.lonely]
        self.lonely = [part for part in self.lonely if part not in word.syllables]
        self.lonely += new if not self.words else [part for part in new if not self._known(part)]
        self.twice |= self.seen & word.mask
        self.seen |= word.mask
        self.words.append(word)

    def _known(self, part: str) -> bool:
        return any(part in word.syllables for word in self.words)


def _candidates(rng: Random, source: Pool, found: _Growing) -> list[Word]:
    """Some words that share a tile which has no twin yet, some at random; none that stands there already."""
    drawn = [source.words[int(rng.random() * len(source.words))] for _ in range(FAR)] if source.words else []
    if found.lonely:
        near = source.by_syllable.get(found.lonely[int(rng.random() * len(found.lonely))], [])
        start = int(rng.random() * len(near)) if len(near) > NEAR else 0
        drawn += near[start : start + NEAR]
    return [word for word in drawn if word not in found.words]
