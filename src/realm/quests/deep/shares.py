"""What is wrong with a file as a whole: one answer for most questions, labels of one kind, a stray script. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b

from realm.quests.deep.rules import script_of
from realm.quests.deep.sides import Sides
from realm.records import Row

ONE_ANSWER = 0.5
"""Share of rows that have the same answer, above which it is said."""
FEWEST_ROWS = 20
"""Of fewer rows no share means anything."""
COUNTERS = 200
_SLOTS = re.compile(r"\{\w+\}")
RARE_SCRIPT = 0.05
"""A script of fewer rows than this share is a stray one."""
LEAST_TRAINED = 0.02
"""Share of trained tokens below which most of the work is reading."""


class Shares:
    """Counts over the rows of a file, in fixed memory."""

    def __init__(self) -> None:
        self._rows = 0
        self._answers: dict[bytes, int] = {}
        self._shown: dict[bytes, str] = {}
        self._labels: Counter[bool] = Counter()
        self._scripts: Counter[str] = Counter()
        self._first: dict[str, int] = {}

    def add(self, line: int, row: Row, sides: Sides) -> None:
        self._rows += 1
        if sides.asked and sides.answers:
            self._count(sides.answers[-1].strip())
        if isinstance(row.get("label"), bool):
            self._labels[row["label"]] += 1
        if script := script_of("".join(sides.answers)[:400]):
            self._scripts[script] += 1
            self._first.setdefault(script, line)

    def notes(self, template: str | None, trained_share: float | None, is_text: bool) -> Iterator[str]:
        """What a person should know, in sentences."""
        if self._rows >= FEWEST_ROWS:
            yield from self._one_answer()
            yield from self._scripts_apart(template)
            if len(self._labels) == 1:
                label = str(next(iter(self._labels))).lower()
                yield f"every row has the label {label}: nothing can be told apart. Add rows of the other label."
        if trained_share is not None and not is_text:
            if trained_share < LEAST_TRAINED:
                yield (
                    f"only {trained_share:.1%} of the tokens are trained: nearly all work is reading the questions. "
                    "Shorten them, or bring longer answers."
                )
            elif trained_share == 1:
                yield "all tokens are trained, the questions too: check that the hero's template marks the answers."

    def _count(self, answer: str) -> None:
        """Frequent answers by Misra and Gries (1982): a count is too low by at most one in COUNTERS + 1 rows."""
        key = blake2b(answer.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        if key in self._answers:
            self._answers[key] += 1
        elif len(self._answers) < COUNTERS:
            self._answers[key] = 1
            self._shown[key] = answer[:60]
        else:
            self._answers = {known: count - 1 for known, count in self._answers.items() if count > 1}
            self._shown = {known: self._shown[known] for known in self._answers}

    def _one_answer(self) -> Iterator[str]:
        key = max(self._answers, key=self._answers.__getitem__, default=None)
        if key is not None and self._answers[key] > ONE_ANSWER * self._rows:
            share = self._answers[key] / self._rows
            yield (
                f"at least {share:.0%} of the rows have the same answer, {self._shown[key]!r}: the hero would learn to "
                "say it always. Balance the answers."
            )

    def _scripts_apart(self, template: str | None) -> Iterator[str]:
        total = self._scripts.total()
        if not total:
            return
        main, count = self._scripts.most_common(1)[0]
        for script, rows in self._scripts.items():
            if rows < RARE_SCRIPT * total:
                yield (
                    f"{_rows(rows)} answered in {script} script, {count / total:.0%} in {main}; the "
                    f"first stands on line {self._first[script]}."
                )
        asked_in = script_of(_SLOTS.sub("", template or ""))
        if asked_in and asked_in != main:
            yield f"the hero's prompt_template is written in {asked_in} script, most answers in {main}."


def _rows(count: int) -> str:
    return "1 row is" if count == 1 else f"{count:,} rows are"
