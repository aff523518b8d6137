"""Deep validation of a quest's rows: what is wrong inside them, between them, and beside what must not be in them.

Knows no skill and no database: who knows the examinations and what was trained before is handed in. Memory is fixed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import ftfy
from ftfy.badness import is_bad

from realm.config.schema import QuestSettings
from realm.quests.deep import rules
from realm.quests.deep.near import FEWEST, KEPT, NearDuplicates
from realm.quests.deep.rules import Finding
from realm.quests.deep.shares import Shares
from realm.quests.deep.sides import Sides, sides
from realm.quests.elsewhere import Elsewhere
from realm.quests.lines import Problem
from realm.records import Row

SHOWN_OF_A_CAUSE = 3
LINES_OF_A_CAUSE = 1000
"""Line numbers that are kept of each cause; all are counted."""
CAUSES = {
    "leakage": "hold a question of an examination",
    "trained_before": "were trained before",
    "duplicate": "are copies of an earlier row",
    "near_duplicate": "are nearly the same as an earlier row",
    "loop": "repeat themselves",
    "echo": "answer with the question",
    "invisible": "have an answer nobody sees",
    "one_character": "answer with one character over and over",
    "length_ratio": "have sides of very different length",
    "foreign_template": "hold marks of a chat template",
    "broken_text": "hold broken characters",
}
"""Stable names of what is found, and what rows of each do."""


class DeepCheck:
    """Takes the rows of one file in their order."""

    def __init__(self, elsewhere: Elsewhere) -> None:
        self._elsewhere = elsewhere
        self._near = NearDuplicates()
        self._shares = Shares()
        self._copies: set[int] = set()
        self._counts: Counter[str] = Counter()
        self._shown: dict[str, list[Problem]] = {}
        self._lines: dict[str, list[int]] = {}
        self._last: dict[str, int] = {}

    def add(self, line: int, row: Row, *, duplicate: bool) -> None:
        """A good row of the file; `duplicate`: the very same stood there before."""
        texts = sides(row)
        runs = [rules.grams(text) for text in texts.texts]
        self._shares.add(line, row, texts)
        for finding in self._of_row(row, texts, runs[len(texts.asked) :]):
            self._note(line, finding)
        self._compare(line, list(chain.from_iterable(runs)), duplicate)

    def finish(self) -> None:
        """The last row was given."""
        self._pair(self._near.flush())
        for line in sorted(self._copies):  # their twin stood too far above to be remembered
            self._note(line, _copy("an earlier row"))
        self._copies.clear()

    def verdict(self, settings: QuestSettings, examples: int) -> tuple[str, str]:
        """Why the file is refused and what to do, or two empty strings. After `finish`."""
        for cause, most in settings.refuse_above.items():
            count = self._counts[cause]
            if count > most * examples:
                return (
                    f"{count:,} of {examples:,} rows (those that {CAUSES[cause]}) are more than the share of "
                    f"{most:.3g} that is let pass.",
                    f"Take those rows out, or raise quests.refuse_above.{cause}.",
                )
        return "", ""

    def notes(self, template: str | None, trained_share: float | None, *, is_text: bool) -> Iterator[str]:
        """What is said of the file as a whole; `trained_share` of its tokens carry loss."""
        yield from self._shares.notes(template, trained_share, is_text)
        if self._near.forgot:
            yield f"near-duplicates are looked for among the {KEPT:,} rows before each."

    @property
    def counts(self) -> dict[str, int]:
        """Rows by cause, in the order of CAUSES."""
        return {cause: self._counts[cause] for cause in CAUSES if self._counts[cause]}

    @property
    def lines(self) -> dict[str, tuple[int, ...]]:
        """The first LINES_OF_A_CAUSE lines of each cause."""
        return {cause: tuple(sorted(self._lines[cause])) for cause in self.counts}

    @property
    def shown(self) -> tuple[Problem, ...]:
        """The first SHOWN_OF_A_CAUSE findings of each cause, in words."""
        return tuple(chain.from_iterable(sorted(self._shown[cause], key=_line) for cause in self.counts))

    def _of_row(self, row: Row, texts: Sides, said: Iterable[Sequence[str]]) -> Iterator[Finding]:
        if where := self._elsewhere.held_out(row):
            yield Finding("leakage", f"holds a question of {where}.", "Take the row away: who is asked must not know.")
        if where := self._elsewhere.trained(row):
            yield Finding("trained_before", f"was trained in {where}.", "Take it away, unless it should be repeated.")
        yield from rules.degenerate(texts, row)
        yield from filter(None, map(rules.loop_in, said))
        yield from filter(None, (rules.foreign_tokens(texts), rules.broken_text(texts, is_bad, ftfy.fix_text)))

    def _compare(self, line: int, runs: list[str], duplicate: bool) -> None:
        if duplicate and len(runs) < FEWEST:
            self._note(line, _copy("an earlier row"))
            return
        if duplicate:
            self._copies.add(line)
        self._pair(self._near.add(line, runs))

    def _pair(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Lines with the earlier ones that they are nearly the same as."""
        for line, earlier in pairs:
            copied = line in self._copies
            self._copies.discard(line)
            self._note(line, _copy(f"line {earlier:,}") if copied else _near(earlier))

    def _note(self, line: int, finding: Finding) -> None:
        """Count a row once for each cause."""
        if self._last.get(finding.cause) == line:
            return
        self._last[finding.cause] = line
        self._counts[finding.cause] += 1
        lines = self._lines.setdefault(finding.cause, [])
        if len(lines) < LINES_OF_A_CAUSE:
            lines.append(line)
        shown = self._shown.setdefault(finding.cause, [])
        if len(shown) < SHOWN_OF_A_CAUSE:
            shown.append(Problem(line, finding.cause, finding.message, finding.fix))


def _line(problem: Problem) -> int:
    return problem.line


def _copy(of: str) -> Finding:
    return Finding("duplicate", f"is a copy of {of}.", "Keep one of them.")


def _near(earlier: int) -> Finding:
    return Finding("near_duplicate", f"is nearly the same as line {earlier:,}.", "Keep the better one.")
