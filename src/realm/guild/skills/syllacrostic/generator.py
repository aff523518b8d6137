"""Puzzles of SY on either side of the split. Knows the level table, the words and how a puzzle is put together.

What is held out. The content of a puzzle is the set of its words; level, clues, bank and form of the answer do not
count, and a content is on the examination side by the same hash as in every skill. That alone would leave the words of
an examination known one by one, or all together from a longer puzzle. So one word in eight, by a second hash, is asked
for in examinations alone: no training puzzle of any level has it as an answer, and none names it as a synonym, an
opposite or any other single-word hint. Every examination puzzle asks for at least one such word (a fifth of its words
where the level has more), so that no training puzzle holds all words of an examination puzzle, at whatever level. Only
running text (definitions and examples) may mention such a word, as it mentions thousands of others, and never as what
is to be found; the names of categories and parts of speech are the same few words for everybody. Tiles are syllables
that many words share; they tell no word.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from hashlib import blake2b
from random import Random

from realm.errors import SkillError
from realm.guild.skill import Problem, Side, side_of

from .clues import Clue, ClueWriter
from .formats import FORMS, ask, keys
from .layout import prompt
from .lexicon import Lexicon, Word, held_out, lexicon
from .solutions import buildable, is_unique, well_spelled
from .spec import Format, Order, SyLevel, SySpec
from .words import Pool, choose, pools

ATTEMPTS = 3_000
"""Draws of words before a side of a level counts as empty. One in ten lies on the examination side."""
CLUE_ATTEMPTS = 3
"""Draws of clues for the same words; from the second on each clue gets the most hints of the level."""


class Generator:
    """Draws puzzles of one skill description. Reads the table of words at the first one."""

    def __init__(self, spec: SySpec) -> None:
        self.spec = spec
        self._pools: dict[tuple[tuple[int, int], float], tuple[Pool, Pool]] = {}
        self._writers: dict[tuple[int, Side], ClueWriter] = {}

    @cached_property
    def _lexicon(self) -> Lexicon:
        return lexicon()

    @cached_property
    def _secret(self) -> frozenset[str]:
        one_in = self.spec.held_out.one_word_in
        return frozenset(word.text for word in self._lexicon.words if word.told and held_out(word.text, one_in))

    def problem(self, level: int, seed: str, side: Side, wanted: Format | None) -> Problem:
        """One puzzle. Raises SkillError where the side holds nothing that can be found."""
        row = self.spec.level(level)
        rng = Random(int.from_bytes(blake2b(seed.encode(), digest_size=8).digest()))
        form = wanted or row.formats[int(rng.random() * len(row.formats))]
        if form not in FORMS:
            raise SkillError(f"SY has no answer format {form!r}.", hint=f"Choose one of {', '.join(FORMS)}.")
        for _ in range(ATTEMPTS):
            words = self._words(rng, row, side)
            if words and side_of(_content(words)) == side:
                puzzle = self._puzzle(rng, row, side, words)
                if puzzle:
                    return self._write(rng, row, form, *puzzle)
        raise SkillError(
            f"SY level {level} has no puzzle on the {side} side that can be found.", hint="Choose another level."
        )

    def _words(self, rng: Random, row: SyLevel, side: Side) -> list[Word] | None:
        """Words in the order of the clues."""
        open_pool, held = self._pools_of(row)
        n = _between(rng, row.words)
        rare = max(1, int(n * self.spec.held_out.share + 0.5)) if side == "exam" else 0
        words = choose(rng, row, [held] * rare + [open_pool] * (n - rare))
        return _shuffled(rng, words) if words else None

    def _pools_of(self, row: SyLevel) -> tuple[Pool, Pool]:
        key = (row.syllables, row.zipf)
        if key not in self._pools:
            self._pools[key] = pools(self._lexicon, row, self.spec.held_out)
        return self._pools[key]

    def _writer(self, row: SyLevel, side: Side) -> ClueWriter:
        key = (row.level, side)
        if key not in self._writers:
            self._writers[key] = ClueWriter(row, self._secret if side == "train" else ())
        return self._writers[key]

    def _puzzle(
        self, rng: Random, row: SyLevel, side: Side, words: list[Word]
    ) -> tuple[list[Clue], list[str], int] | None:
        """Clues, bank in its order and number of herrings; None where these words make no fair puzzle."""
        tiles = [part for word in words for part in word.syllables]
        n = _between(rng, row.herrings)
        herrings = self._herrings(rng, row, tiles, n)
        bank = tiles + herrings
        if len(herrings) < n or not well_spelled(words, bank, n):
            return None
        others = buildable(self._lexicon, bank)
        for attempt in range(CLUE_ATTEMPTS):
            clues = self._writer(row, side).write(rng, words, richest=attempt > 0)
            if clues and is_unique(clues, bank, n, others, self._lexicon.true_of):
                return clues, _ordered(rng, bank, row.order), n
        return None

    def _herrings(self, rng: Random, row: SyLevel, tiles: list[str], n: int) -> list[str]:
        """Syllables of words that anybody may see, none of which stands in the bank already."""
        words = self._pools_of(row)[0].words
        found: list[str] = []
        for _ in range(20 * n):
            if len(found) == n:
                break
            parts = words[int(rng.random() * len(words))].syllables
            part = parts[int(rng.random() * len(parts))]
            if part not in tiles and part not in found:
                found.append(part)
        return found

    def _write(
        self, rng: Random, row: SyLevel, form: Format, clues: list[Clue], bank: list[str], herrings: int
    ) -> Problem:
        layout = row.layouts[int(rng.random() * len(row.layouts))]
        label = row.labels[int(rng.random() * len(row.labels))]
        names = keys(label, len(clues))
        words = [list(clue.word.syllables) for clue in clues]
        return Problem(
            skill=self.spec.id,
            level=row.level,
            prompt=prompt(clues, bank, herrings, layout, label, ask(form, names)),
            answer=FORMS[form].write(words, names),
            content=_content([clue.word for clue in clues]),
            primitives=_primitives(clues, bank, herrings, form),
            meta={
                "difficulty": form,
                "format": form,
                "words": words,
                "keys": names,
                "bank": bank,
                "herrings": herrings,
                "layout": layout,
                "label": label,
                "definitions": sum(clue.defined for clue in clues),
                "cut": sum(clue.cut for clue in clues),
                "counted": sum(clue.counted for clue in clues),
                "hints": [len(clue.hints) for clue in clues],
                "channels": sorted({channel for clue in clues for channel, _ in clue.hints}),
            },
        )


def _content(words: Sequence[Word]) -> str:
    return " ".join(sorted(word.text for word in words))


def _between(rng: Random, span: tuple[int, int]) -> int:
    least, most = span
    return least if least == most else least + int(rng.random() * (most - least + 1))


def _shuffled(rng: Random, words: list[Word]) -> list[Word]:
    order = [rng.random() for _ in words]
    return [words[i] for i in sorted(range(len(words)), key=order.__getitem__)]


def _ordered(rng: Random, bank: list[str], order: Order) -> list[str]:
    if order == "alphabetical":
        return sorted(bank)
    drawn = [rng.random() for _ in bank]
    mixed = [bank[i] for i in sorted(range(len(bank)), key=drawn.__getitem__)]
    return sorted(mixed, key=len) if order == "by_length" else mixed


def _primitives(clues: Sequence[Clue], bank: Sequence[str], herrings: int, form: Format) -> tuple[str, ...]:
    in_order = [_stands_in_order(clue.word.syllables, bank) for clue in clues]
    counted = all(clue.counted for clue in clues)
    exercised = {
        "syllable_assembly_ordered": any(in_order),
        "syllable_assembly_shuffled": not all(in_order),
        "syllable_count": counted or form == "counts",
        "definition_to_word": any(clue.defined for clue in clues),
        "word_from_bank": herrings > 0 or not all(clue.defined for clue in clues),
        "multi_word_assembly": True,
        "json_output_format": form.startswith("json"),
    }
    return tuple(name for name, yes in exercised.items() if yes)


def _stands_in_order(parts: Sequence[str], bank: Sequence[str]) -> bool:
    """Whether a word's tiles can be read off the bank from left to right."""
    tiles = iter(bank)
    return all(part in tiles for part in parts)
