"""Atomic problems on words and their syllables, from the house's own short list. Knows no lexicon."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from pathlib import Path
from random import Random

from .draft import WORD, Draft, Maker, number, shuffled

FILE = Path(__file__).with_name("words.txt")


@dataclass(frozen=True, slots=True)
class Word:
    syllables: tuple[str, ...]
    meaning: str

    def __str__(self) -> str:
        return "".join(self.syllables)


@cache
def words() -> tuple[Word, ...]:
    """The list: `syl-la-bles: meaning`, one to a line."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    rows = [line.partition(": ") for line in lines if line and not line.startswith("#")]
    return tuple(Word(tuple(spelled.split("-")), meaning) for spelled, _, meaning in rows)


@cache
def _spellings() -> frozenset[str]:
    return frozenset(map(str, words()))


def assembly_ordered(draw: Random) -> Draft:
    word = draw.choice(words())
    return Draft(
        f"Join these syllables to a word: {' '.join(word.syllables)}. {WORD}", str(word), f"join({word})", "word"
    )


def assembly_shuffled(draw: Random) -> Draft:
    word = draw.choice([w for w in words() if _one_word(w.syllables)])
    tiles = ", ".join(shuffled(draw, word.syllables))
    return Draft(f"Put these syllables in order to form a word: {tiles}. {WORD}", str(word), f"order({word})", "word")


def _one_word(syllables: tuple[str, ...]) -> bool:
    """Whether only one order of them is a word of the list."""
    return len({"".join(order) for order in permutations(syllables)} & _spellings()) == 1


def syllable_count(draw: Random) -> Draft:
    word = draw.choice(words())
    return number(f"How many syllables has the word {word}?", len(word.syllables), f"syllables({word})")


def definition(draw: Random) -> Draft:
    word = draw.choice(words())
    clue = f"{word.meaning} ({len(str(word))} letters, begins with {str(word)[0]})"
    return Draft(f"Which word means: {clue}? {WORD}", str(word), f"means({word})", "word")


def from_bank(draw: Random) -> Draft:
    word, *others = draw.sample(words(), 3)
    tiles = [*word.syllables, *(other.syllables[0] for other in others)]
    bank = ", ".join(draw.sample(tiles, len(tiles)))
    return Draft(
        f"From the tiles {bank} build the word that means: {word.meaning}. {WORD}", str(word), f"bank({word})", "word"
    )


def several(draw: Random) -> Draft:
    chosen = draw.sample(words(), draw.randint(2, 3))
    tiles = [syllable for word in chosen for syllable in word.syllables]
    clues = "; ".join(f"{n}. {word.meaning}" for n, word in enumerate(chosen, 1))
    return Draft(
        f"Use each tile once: {', '.join(draw.sample(tiles, len(tiles)))}. Find the words: {clues}. "
        "Answer with the words in that order, separated by commas.",
        ", ".join(map(str, chosen)),
        f"several({','.join(sorted(map(str, chosen)))})",
        "list",
    )


def json_output(draw: Random) -> Draft:
    word, n = draw.choice(words()), draw.randint(1, 99)
    return Draft(
        f'Write as one JSON object: "number" is {n}, "word" is {word}, "syllables" is the list of '
        f"{', '.join(word.syllables)}. Answer with the JSON only.",
        json.dumps({"number": n, "word": str(word), "syllables": list(word.syllables)}),
        f"json({n},{word})",
        "json",
    )


MAKERS: dict[str, Maker] = {
    "syllable_assembly_ordered": assembly_ordered,
    "syllable_assembly_shuffled": assembly_shuffled,
    "syllable_count": syllable_count,
    "definition_to_word": definition,
    "word_from_bank": from_bank,
    "multi_word_assembly": several,
    "json_output_format": json_output,
}
