"""The words of SY with their syllables and hints, read once from the tables beside this file. Knows no puzzle.

The tables are made by `tools/build_syllacrostic_lexicon.py`; LICENSES.md beside it names its sources.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from .spec import Channel

FOLDER = Path(__file__).parent

COLUMNS: tuple[Channel | None, ...] = (
    None, "definition", "synonym", None, "hypernym", "hyponym", "antonym", "domain", "whole", "part", "similar",
    "example",
)  # fmt: skip
"""Of a word with clues, behind syllables, Zipf, senses, kinds, main sense and part of speech. None: no hint."""

CATEGORIES = {
    4: "act", 5: "animal", 6: "man-made object", 7: "attribute", 8: "part of the body", 9: "thought and knowledge",
    10: "communication", 11: "event", 12: "feeling", 13: "food", 14: "group", 15: "place", 16: "motive",
    17: "natural object", 18: "person", 19: "natural phenomenon", 20: "plant", 21: "possession", 22: "process",
    23: "quantity", 24: "relation", 25: "shape", 26: "state", 27: "substance", 28: "time",
    29: "verb of the body", 30: "verb of change", 31: "verb of thinking", 32: "verb of speaking",
    33: "verb of competing", 34: "verb of eating and drinking", 35: "verb of touching", 36: "verb of making",
    37: "verb of feeling", 38: "verb of moving", 39: "verb of perceiving", 40: "verb of having",
    41: "verb of society", 42: "verb of being", 43: "verb of weather",
}  # fmt: skip
"""WordNet's lexicographer files by number, in words; those of adjectives and adverbs say nothing."""

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
    """A word with its syllables, as text, as numbers and as bits."""

    number: int
    text: str
    syllables: tuple[str, ...]
    ids: tuple[int, ...]
    mask: int
    zipf: float
    senses: frozenset[int]
    """Numbers of those asked senses that it has, the rarer ones too."""
    kinds: frozenset[int]
    """Numbers of WordNet's files (`noun.act`, `verb.motion`, ...) in which it has a sense."""
    repeats: bool
    """Whether a syllable stands in it twice."""
    parts_of_speech: frozenset[str]
    sense: int = -1
    """The sense that its clues tell, -1 where it has none and is never asked for."""
    kind: int = -1
    """The file of that sense."""
    hints: Mapping[Channel, tuple[str, ...]] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    """Other single words for the same sense that are not in the table."""

    @property
    def told(self) -> bool:
        return self.sense >= 0


@dataclass(frozen=True)
class Lexicon:
    """All words, and the number of each syllable."""

    words: tuple[Word, ...]
    ids: Mapping[str, int]
    by_rarest: Mapping[str, tuple[Word, ...]]
    """Words by the syllable of theirs that the fewest words have: whoever has no such tile need not look at them."""
    true_of: Mapping[tuple[str, str], frozenset[int]]
    """Channel and hint: the words of which it is true in any sense. Cut definitions only where there are several."""


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The tables, read at the first call."""
    rows = _rows("lexicon.tsv.gz")
    counts = Counter(part for row in rows for part in row[0].split("-"))
    ids = {part: i for i, (part, _) in enumerate(sorted(counts.items(), key=lambda item: (-item[1], item[0])))}
    texts = {row[0].replace("-", "") for row in rows}
    words = tuple([_word(number, row, ids, texts) for number, row in enumerate(rows)])
    rarest: dict[str, list[Word]] = {}
    for word in words:
        rarest.setdefault(max(word.syllables, key=ids.__getitem__), []).append(word)
    true_of = {
        (channel, hint): frozenset(map(int, found.split(","))) for channel, hint, found in _rows("true_of.tsv.gz")
    }
    return Lexicon(words, ids, {part: tuple(found) for part, found in rarest.items()}, true_of)


def _rows(name: str) -> list[list[str]]:
    return [line.split("\t") for line in gzip.decompress((FOLDER / name).read_bytes()).decode().splitlines()]


def held_out(text: str, one_in: int) -> bool:
    """Whether only examinations ask for the word; the same on every machine."""
    digest = blake2b(text.encode(), digest_size=8, person=b"realm-sy-words").digest()
    return int.from_bytes(digest) % one_in == 0


def _word(number: int, row: list[str], known: Mapping[str, int], texts: Set[str]) -> Word:
    syllables = tuple(row[0].split("-"))
    ids = tuple([known[part] for part in syllables])
    mask = 0
    for i in ids:
        mask |= 1 << i
    text = "".join(syllables)
    kinds = _numbers(row[3])
    spoken = frozenset([_part_of_speech(kind) for kind in kinds])
    repeats = len(set(syllables)) < len(syllables)
    plain = (number, text, syllables, ids, mask, float(row[1]), _numbers(row[2]), kinds, repeats, spoken)
    if len(row) == 4:
        return Word(*plain)
    return Word(*plain, int(row[4]), int(row[6]), _hints(text, row), _names(row, texts))


def _part_of_speech(kind: int) -> str:
    """That of a file: 0, 1 and 44 hold adjectives, 2 adverbs, 3 to 28 nouns, 29 to 43 verbs."""
    if kind in (0, 1, 44):
        return "adjective"
    return "adverb" if kind == 2 else "noun" if kind < 29 else "verb"


def _numbers(text: str) -> frozenset[int]:
    return frozenset([int(n) for n in text.split(",") if n])


def _hints(text: str, row: list[str]) -> dict[Channel, tuple[str, ...]]:
    hints: dict[Channel, tuple[str, ...]] = {
        "first_letter": (text[0],),
        "last_letter": (text[-1],),
        "part_of_speech": (_part_of_speech(int(row[6])),),
    }
    category = CATEGORIES.get(int(row[6]), "")
    if category and not any(text.startswith(part[:4]) for part in category.split() if len(part) > 3):
        hints["category"] = (category,)  # "feeling" would give "feelings" away
    if affix := _affix(text):
        hints["morphology"] = (affix,)
    for channel, values in zip(COLUMNS, row[6:], strict=True):
        if channel is not None and values:
            hints[channel] = (values,) if channel in ("definition", "example") else tuple(values.split("|"))
    return hints


def _names(row: list[str], texts: Set[str]) -> tuple[str, ...]:
    names = [*row[8].split("|"), *row[9].split("|")]
    return tuple([name for name in names if name.isalpha() and name not in texts])


def _affix(text: str) -> str:
    """`-tion` or `un-`; the longest ending goes first. Nothing where the word has none of the known ones."""
    for ending in SUFFIXES:
        if text.endswith(ending) and len(text) >= len(ending) + LEAST_BESIDE_AFFIX:
            return f"-{ending}"
    for beginning in PREFIXES:
        if text.startswith(beginning) and len(text) >= len(beginning) + LEAST_BESIDE_AFFIX:
            return f"{beginning}-"
    return ""
