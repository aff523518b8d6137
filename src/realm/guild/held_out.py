"""Knows every question of the examinations of some skills, and finds them in training rows. Knows no file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from realm.config.schema import CurriculumSettings
from realm.errors import SkillBroken
from realm.guild.engine import SkillEngine
from realm.guild.examiner import EXAM_SEED
from realm.guild.mastery import Rules
from realm.records import Row, texts

FEWEST_WORDS, FEWEST_CHARACTERS = 3, 12
"""A question with less than both is only found where it is a whole text: '2 + 2' stands in many."""
_QUOTES = "\"'`“”‘’«»"

_Words = tuple[str, ...]


class HeldOut:
    """The questions of all examinations that can be held in these skills, by where they are asked."""

    def __init__(self, places: Mapping[str, Iterable[str]]) -> None:
        """`places`: where questions are asked, in words, and the questions."""
        self._whole: dict[_Words, str] = {}
        for place, questions in places.items():
            for question in questions:
                self._whole.setdefault(_words(question), place)
        self._inside = _by_rarest_word([words for words in self._whole if _is_telling(words)])

    def __len__(self) -> int:
        return len(self._whole)

    def where(self, row: Row) -> str:
        """Where a question that stands in the row is asked; empty when none does. `meta` is not looked at."""
        found = (self._find(text) for key, value in row.items() if key != "meta" for text in texts(value))
        return next(filter(None, found), "")

    def _find(self, text: str) -> str:
        words = _words(text)
        if words in self._whole:
            return self._whole[words]
        for at, word in enumerate(words):
            for offset, question in self._inside.get(word, ()):
                begin = at - offset
                if begin >= 0 and words[begin : begin + len(question)] == question:
                    return self._whole[question]
        return ""


class Examinations:
    """The questions of some skills' examinations, worked out when the first row is asked about."""

    def __init__(self, skills: Sequence[str], settings: CurriculumSettings) -> None:
        self._skills, self._settings = skills, settings

    def where(self, row: Row) -> str:
        """Where a question that stands in the row is asked; empty when none does."""
        return self._held_out.where(row)

    @cached_property
    def _held_out(self) -> HeldOut:
        return of_skills(self._skills, self._settings)


def of_skills(skills: Sequence[str], settings: CurriculumSettings) -> HeldOut:
    """The fixed examinations of every level of these skills; a skill that is broken is passed over.

    Works all of them out: 0.8 s of CPU time for BIN, 17 s for SY.
    """
    engine = SkillEngine()
    return HeldOut(dict(_examinations(engine, engine.usable(skills), settings)))


def _examinations(
    engine: SkillEngine, skills: Sequence[str], settings: CurriculumSettings
) -> Iterator[tuple[str, list[str]]]:
    rules = Rules(engine, settings)
    for skill in skills:
        try:
            counts = {rules.of(skill).problems, settings.panel_problems}
            for level in range(1, engine.get(skill).levels + 1):
                sets = [engine.generate_eval_batch(skill, level, count, EXAM_SEED) for count in sorted(counts)]
                place = f"the examination of {engine.shown(skill)}, level {level}"
                yield place, [problem.prompt for problems in sets for problem in problems]
        except SkillBroken as broken:
            engine.set_aside(broken)


def _by_rarest_word(questions: Sequence[_Words]) -> dict[str, list[tuple[int, _Words]]]:
    """A word -> the questions that are looked for where it stands, and its place in them."""
    common = Counter(word for words in questions for word in set(words))
    index: dict[str, list[tuple[int, _Words]]] = {}
    for words in questions:
        at = min(range(len(words)), key=lambda i: (common[words[i]], i))
        index.setdefault(words[at], []).append((at, words))
    return index


def _is_telling(words: _Words) -> bool:
    return len(words) >= FEWEST_WORDS and sum(map(len, words)) >= FEWEST_CHARACTERS


def _words(text: str) -> _Words:
    """The words of a text, whatever their case, the space between them and quotes around them."""
    return tuple(word.strip(_QUOTES) for word in text.casefold().split())
