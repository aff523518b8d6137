"""The words of SY with their syllables and hints, read once from the table beside this file. Knows no puzzle.

The table is made by `tools/build_syllacrostic_lexicon.py`; LICENSES.md beside it names its sources.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from .spec import Channel

TABLE = Path(__file__).parent / "lexicon.tsv.gz"

COLUMNS: tuple[Channel | None, ...] = (
    "category", "definition", "synonym", None, "hypernym", "hyponym", "antonym", "domain", "whole", "part", "similar",
    "example",
)  # fmt: skip
"""Of a word with clues, behind syllables, Zipf, senses, main sense and part of speech. None: names that would leak."""

PARTS_OF_SPEECH = {"n": "noun", "v": "verb", "a": "adjective", "r": "adverb"}

PREFIXES = (
    "anti", "auto", "counter", "dis", "extra", "fore", "hyper", "inter", "micro", "mis", "multi", "non", "over", "post",
    "pre", "semi", "sub", "super", "trans", "ultra", "under", "un",
)  # fmt: skip
SUFFIXES = (
    "ability", "ibility", "ization", "ational", "ation", "ition", "sion", "tion", "ment", "ness", "less", "ship",
    "able", "ible", "ology", "ography", "ance", "ence", "ancy", "ency", "ical", "ially", "ally", "ily", "ly", "ious",
    "eous", "ous", "ive", "ity", "ism", "ist", "ize", "ful", "ing", "ed", "er", "or", "al", "ic", "ry",
)  # fmt: skip
LEAST_BESIDE_AFFIX = 3
"""Letters that a word must have beside an affix for it to be named."""


@dataclass(frozen=True, slots=True, eq=False)
class Word:
    """A word. `mask` has a bit for each of its syllables; `senses` are numbers of the asked senses it has."""

    text: str
    syllables: tuple[str, ...]
    zipf: float
    mask: int
    senses: frozenset[int]
    repeats: bool
    """Whether a syllable stands in it twice."""
    sense: int = -1
    """The sense that its clues tell, -1 where it has none and is never asked for."""
    hints: Mapping[Channel, tuple[str, ...]] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    """Other single words for the same sense, also those that are never hints."""

    @property
    def told(self) -> bool:
        return self.sense >= 0


@dataclass(frozen=True)
class Lexicon:
    """All words, and the bit of each syllable."""

    words: tuple[Word, ...]
    bits: Mapping[str, int]
    by_rarest: Mapping[str, tuple[Word, ...]]
    """Words by the syllable of theirs that the fewest words have: whoever has no such tile need not look at them."""


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The table, read at the first call."""
    rows = [line.split("\t") for line in gzip.decompress(TABLE.read_bytes()).decode().splitlines()]
    counts = Counter(part for row in rows for part in row[0].split("-"))
    bits = {part: 1 << i for i, part in enumerate(sorted(counts))}
    words = tuple(_word(row, bits) for row in rows)
    rarest: dict[str, list[Word]] = {}
    for word in words:
        rarest.setdefault(min(word.syllables, key=lambda part: (counts[part], part)), []).append(word)
    return Lexicon(words, bits, {part: tuple(found) for part, found in rarest.items()})


def held_out(text: str, one_in: int) -> bool:
    """Whether only examinations ask for the word; the same on every machine."""
    digest = blake2b(text.encode(), digest_size=8, person=b"realm-sy-words").digest()
    return int.from_bytes(digest) % one_in == 0


def _word(row: list[str], bits: Mapping[str, int]) -> Word:
    syllables = tuple(row[0].split("-"))
    text = "".join(syllables)
    mask = 0
    for part in syllables:
        mask |= bits[part]
    senses = frozenset(int(n) for n in row[2].split(",") if n)
    plain = (text, syllables, float(row[1]), mask, senses, len(set(syllables)) < len(syllables))
    if len(row) == 3:
        return Word(*plain)
    return Word(*plain, int(row[3]), _hints(text, row), _names(row))


def _hints(text: str, row: list[str]) -> dict[Channel, tuple[str, ...]]:
    hints: dict[Channel, tuple[str, ...]] = {
        "first_letter": (text[0],),
        "last_letter": (text[-1],),
        "part_of_speech": (PARTS_OF_SPEECH[row[4]],),
    }
    if affix := _affix(text):
        hints["morphology"] = (affix,)
    for channel, values in zip(COLUMNS, row[5:], strict=True):
        if channel and values:
            hints[channel] = (values,) if channel in ("definition", "example") else tuple(values.split("|"))
    return hints


def _names(row: list[str]) -> tuple[str, ...]:
    return tuple(name for name in [*row[7].split("|"), *row[8].split("|")] if name.isalpha())


def _affix(text: str) -> str:
    """`-tion` or `un-`; the longest ending goes first. Nothing where the word has none of the known ones."""
    for ending in SUFFIXES:
        if text.endswith(ending) and len(text) >= len(ending) + LEAST_BESIDE_AFFIX:
            return f"-{ending}"
    for beginning in PREFIXES:
        if text.startswith(beginning) and len(text) >= len(beginning) + LEAST_BESIDE_AFFIX:
            return f"{beginning}-"
    return ""
