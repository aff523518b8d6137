"""Validation of a quest file in one streaming pass: fit or not, and why, in words. Moves nothing, loads no model.

Memory is bounded whatever the file's size: one line at a time, a fixed number of digests, a fixed sample.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from realm.config.schema import REWARDED, QuestSettings
from realm.errors import HeroError, QuestError
from realm.quests.elsewhere import Elsewhere
from realm.quests.formats import FIRST_ROWS, SHAPES, TRAINABLE, ReadLine, Shape, read, shape_of
from realm.quests.kinds import HEAD_BYTES, not_jsonl
from realm.quests.lines import Problem, open_file
from realm.quests.preference_rows import answers
from realm.quests.report import Report, Segments, TokenCounts
from realm.records import Row

if TYPE_CHECKING:
    from realm.quests.deep import DeepCheck

Level = Literal["quick", "standard", "deep"]
PROBLEMS_SHOWN = 20
EXAMPLES_SHOWN = 3
DIGESTS = 500_000
"""Rows whose digests are remembered to find duplicates; about 50 MB at the most."""
SHOWN_CHARACTERS = 2000
_TO_GRADE = "Give it an answer, or skill, level and answer as `realm generate --prompts-only` writes them."
_MOJIBAKE = re.compile("\ufffd|ï»¿|â€|[ÃÂÐÑ][\u0080-\u00bf]")


class Rendered(Protocol):
    """Token ids of a row, and for each whether it is trained."""

    @property
    def token_ids(self) -> list[int]: ...
    @property
    def trained(self) -> list[bool]: ...


Render = Callable[[Row], Rendered]
Decode = Callable[[list[int]], str]


def _as_it_is(row: Row) -> Row:
    return row


def _answerless(row: Row) -> str:
    return "" if row.get("answer") else "holds no answer, so nobody can grade it"


@dataclass(frozen=True)
class Validation:
    """How files are checked, and for which hero."""

    level: Level = "standard"
    settings: QuestSettings = field(default_factory=QuestSettings)
    render: Render | None = None
    """With the hero's tokenizer; without it no tokens are counted."""
    decode: Decode | None = None
    max_length: int | None = None
    """The hero's longest row in tokens."""
    template: str | None = None
    """The hero's prompt_template."""
    prepare: Callable[[Row], Row] = _as_it_is
    """Puts a row into the form in which the hero is trained on it."""
    method: str = ""
    """The campaign's training method, taken where the file's shape allows it."""
    refused: Callable[[Row], bool] | None = None
    """Tells rows that are never trained on: they are counted."""
    ungradable: Callable[[Row], str] = _answerless
    """Why nobody can grade answers to a prompt-only row; empty where somebody can."""
    elsewhere: Callable[[], Elsewhere] = Elsewhere
    """Asked once, by deep validation, for who knows rows that the file should not hold."""


PLAIN = Validation()


def validate(path: Path, asked: Validation = PLAIN, *, name: str | None = None) -> Report:
    """Read a file to its end and say what it is worth. Never raises for what the file holds.

    `name` is the file's as its owner knows it.
    """
    survey = _Survey(asked)
    began = time.monotonic()
    name = shown_name(name or path.name)
    try:
        reason, fix, size = _whole_file(path)
        if not reason:
            for line in read(path, max_line_bytes=asked.settings.max_line_bytes, template=asked.template):
                survey.add(line)
            reason, fix = survey.verdict()
    except QuestError as error:
        reason, fix, size = error.message, error.hint, 0
    return survey.report(name, size, reason, fix, time.monotonic() - began)


def shown_name(name: str) -> str:
    """A file's name as text that can be stored and printed: no control characters, no broken bytes."""
    return "".join(c if c.isprintable() else "\ufffd" for c in name[:200])


def _whole_file(path: Path) -> tuple[str, str, int]:
    with open_file(path) as file:
        head = file.read(HEAD_BYTES)
        size = file.seek(0, 2)
    kind = not_jsonl(head)
    return (f"The file {kind.what}.", kind.fix, size) if kind else ("", "", size)


def _deep(asked: Validation) -> DeepCheck | None:
    if asked.level != "deep":
        return None
    from realm.quests.deep import DeepCheck  # noqa: PLC0415 - what it stands on is not needed elsewhere

    return DeepCheck(asked.elsewhere())


def content_digest(row: Row) -> bytes:
    """16 bytes that name what of a row is trained; rows that differ in `meta` alone have the same."""
    return blake2b(_content(row).encode(), digest_size=16).digest()


def _content(row: Row) -> str:
    return json.dumps({key: value for key, value in row.items() if key != "meta"}, ensure_ascii=False)


class _Survey:
    """Counts over the lines of one file."""

    def __init__(self, asked: Validation) -> None:
        self._asked = asked
        self._deep = _deep(asked)
        self._refused = 0
        self._tokens = _Tokens(asked)
        self._lines = self._examples = self._duplicates = self._mojibake = 0
        self._causes: Counter[str] = Counter()
        self._problems: list[Any] = []
        self._shapes: Counter[str] = Counter()
        self._undecided = FIRST_ROWS
        self.shape: Shape | None = None
        self._ignored: dict[str, None] = {}
        self._digests: set[bytes] = set()
        self._unremembered = 0
        self._shown: list[Segments] = []
        self._labels: Counter[bool] = Counter()

    def add(self, line: ReadLine) -> None:
        self._lines = line.number
        if self._undecided and line.fields is not None and (shape := shape_of(line.fields)):
            self._undecided -= 1
            self._shapes[shape.name] += 1
            self.shape = SHAPES[self._shapes.most_common(1)[0][0]]
        line = self._graded(line)
        if line.row is None:
            self._add_problem(line)
        else:
            self._add_row(line.number, line.row, line.fields or {})

    def _graded(self, line: ReadLine) -> ReadLine:
        """The line, as a problem where answers to it were to be rewarded and nobody can grade them."""
        shape = self.shape
        if (
            line.row is None
            or "completion" in line.row
            or shape is None
            or shape.method(self._asked.method) not in REWARDED
        ):
            return line
        if not (why := self._asked.ungradable(line.row)):
            return line
        return replace(line, row=None, problem=Problem(line.number, "ungradable", f"{why}.", _TO_GRADE))

    def verdict(self) -> tuple[str, str]:
        """Why the file cannot be trained and what to do, or two empty strings."""
        if self._deep:
            self._deep.finish()
        settings = self._asked.settings
        reason, fix = self._plain_verdict(settings.bad_row_fraction)
        return (reason, fix) if reason or not self._deep else self._deep.verdict(settings, self._examples)

    def _plain_verdict(self, bad_row_fraction: float) -> tuple[str, str]:
        bad, shape = self._causes.total(), self.shape
        if shape is not None and not shape.trainable:
            return _not_trained(shape)
        if not self._examples:
            return _nothing_usable(bad, self._problems)
        if bad > bad_row_fraction * (bad + self._examples):
            return (
                f"{bad:,} of {bad + self._examples:,} rows are bad, more than the {bad_row_fraction:.3g} that "
                "may be set aside.",
                "Mend the lines named below, or raise quests.bad_row_fraction.",
            )
        if self._refused == self._examples:
            return "Every row holds a canary's question, and those are never trained on.", "Take out those questions."
        if self._labels and len(self._labels) == 1:
            return _one_label(next(iter(self._labels)))
        return self._tokens.verdict()

    def report(self, name: str, size_bytes: int, reason: str, fix: str, seconds: float) -> Report:
        shape = self.shape
        return Report(
            name=name,
            size_bytes=size_bytes,
            level=self._asked.level,
            ok=not reason,
            reason=reason,
            fix=fix,
            shape=shape.name if shape else "",
            conversion=shape.conversion if shape else "",
            method=shape.method(self._asked.method) if shape else "",
            lines=self._lines,
            examples=self._examples,
            bad=self._causes.total(),
            causes=dict(self._causes.most_common()),
            problems=tuple(self._problems),
            duplicates=self._duplicates,
            duplicates_complete=not self._unremembered,
            mojibake=self._mojibake,
            ignored_fields=tuple(self._ignored),
            findings=self._deep.shown if self._deep else (),
            finding_counts=self._deep.counts if self._deep else {},
            finding_lines=self._deep.lines if self._deep else {},
            tokens=self._tokens.counts(self._examples),
            shown=tuple(self._shown),
            notes=tuple(self._notes()),
            seconds=seconds,
        )

    def _add_problem(self, line: ReadLine) -> None:
        assert line.problem is not None
        self._causes[line.problem.cause] += 1
        if len(self._problems) < PROBLEMS_SHOWN:
            self._problems.append(line.problem)

    def _add_row(self, line: int, row: Row, fields: Any) -> None:
        self._examples += 1
        if "label" in row:
            self._labels[row["label"]] += 1
        self._refused += bool(self._asked.refused and self._asked.refused(row))
        if len(self._ignored) < 20 and self.shape is not None and (ignored := self.shape.ignored(fields)):
            self._ignored |= dict.fromkeys(map(shown_name, sorted(ignored)))
        if self._asked.level == "quick":
            return
        known = self._remember(row)
        if self._deep:
            self._deep.add(line, row, duplicate=known)
        if self.shape is not None and not self.shape.trainable:
            return
        row = _as_example(row)
        self._tokens.add(row, self._examples)
        if len(self._shown) < EXAMPLES_SHOWN:
            self._shown.append(self._tokens.segments(row))

    def _remember(self, row: Row) -> bool:
        """Whether the very same row was seen before."""
        trained = _content(row)
        self._mojibake += bool(not trained.isascii() and _MOJIBAKE.search(trained))
        digest = blake2b(trained.encode(), digest_size=16).digest()
        if digest in self._digests:
            self._duplicates += 1
            return True
        if len(self._digests) < DIGESTS:
            self._digests.add(digest)
        else:
            self._unremembered += 1
        return False

    def _notes(self) -> list[str]:
        notes = []
        if self._ignored:
            notes.append(f"these fields are not trained on: {', '.join(self._ignored)}.")
        if self._unremembered:
            notes.append(f"duplicates are looked for among the first {DIGESTS:,} different rows only.")
        if self._labels:
            notes.append(f"{self._labels[True]:,} answers are wanted, {self._labels[False]:,} are not.")
        if self._refused:
            notes.append(f"{self._refused:,} rows hold a canary's question; they are left out of training.")
        return [*notes, *self._tokens.notes(), *self._deep_notes()]

    def _deep_notes(self) -> Iterator[str]:
        if self._deep:
            tokens = self._tokens.counts(self._examples)
            is_text = self.shape is not None and self.shape.name == "text"
            share = tokens.trained_share if tokens else None
            yield from self._deep.notes(self._asked.template, share, is_text=is_text)


def _as_example(row: Row) -> Row:
    """A prompt-only row with the answer that is looked for, to be counted and shown as other rows are."""
    is_prompt = {"prompt"} <= row.keys() <= {"prompt", "answer", "meta"}
    return {**row, "completion": row.get("answer", "?")} if is_prompt else row


def _not_trained(shape: Shape) -> tuple[str, str]:
    methods = " or ".join(shape.methods)
    trained = ", ".join(sorted(TRAINABLE))
    return (
        f"The rows have the {shape.name} shape, which is for {methods}; this version trains {trained} only.",
        "Write prompt and completion (or messages), one example a line.",
    )


def _one_label(label: bool) -> tuple[str, str]:
    said = str(label).lower()
    fix = f"Add rows with label {str(not label).lower()}"
    return (
        f"Every row has the label {said}: there is nothing to tell apart.",
        f"{fix}, or take the labels away and train the answers with sft." if label else f"{fix}.",
    )


def _nothing_usable(bad: int, problems: Sequence[Any]) -> tuple[str, str]:
    if not bad:
        return "The file holds no rows.", "Write one JSON object on each line."
    first = problems[0]
    return f"No row can be used; the first problem: line {first.line} {first.message}", first.fix


class _Tokens:
    """Token counts over a random sample of rows, drawn while streaming (reservoir sampling, Vitter 1985)."""

    def __init__(self, asked: Validation) -> None:
        self._render, self._decode, self._prepare = asked.render, asked.decode, asked.prepare
        self._max_length, self._size = asked.max_length, asked.settings.sample_rows
        self._random = random.Random("token sample")
        self._sample: list[tuple[int, int, int]] = []  # tokens of the longest answer with its question, all, trained
        self._sides: dict[str, list[int]] = {}
        """Of each side of a comparison the answers rendered, and their tokens."""
        self._unrenderable = 0
        self._why = ""

    def add(self, row: Row, number: int) -> None:
        """Offer the row that is the `number`-th of its file, counted from 1."""
        place = len(self._sample) if number <= self._size else self._random.randrange(number)
        if self._render is None or place >= self._size or (rendered := self._rendered(row)) is None:
            return
        lengths = [len(each.token_ids) for _, each in rendered]
        counts = max(lengths), sum(lengths), sum(sum(each.trained) for _, each in rendered)
        if place < len(self._sample):
            self._sample[place] = counts
        else:
            self._sample.append(counts)

    def verdict(self) -> tuple[str, str]:
        if self._unrenderable and not self._sample:
            return f"The hero cannot read these rows: {self._why}.", "Give the hero a chat template that shows them."
        if self._sample and not any(trained for *_, trained in self._sample):
            return "Not one token of the sampled rows would be trained.", "Check that each row has an answer."
        return "", ""

    def counts(self, examples: int) -> TokenCounts | None:
        if not self._sample:
            return None
        lengths = sorted(length for length, *_ in self._sample)
        total, trained = (sum(counts[place] for counts in self._sample) for place in (1, 2))
        limit = self._max_length or lengths[-1]
        return TokenCounts(
            sampled=len(lengths),
            p50=lengths[(len(lengths) - 1) // 2],
            p95=lengths[int((len(lengths) - 1) * 0.95)],
            max=lengths[-1],
            truncated=sum(length > limit for length in lengths),
            trained_share=trained / max(total, 1),
            total_estimate=round(total / len(lengths) * examples),
        )

    def notes(self) -> list[str]:
        means = [f"{name} {tokens / count:.0f}" for name, (count, tokens) in self._sides.items()]
        notes = [f"trained tokens of an answer on average: {', '.join(means)}."] if means else []
        if self._unrenderable:
            notes.append(f"the hero cannot read {self._unrenderable:,} of the sampled rows: {self._why}.")
        return notes

    def segments(self, row: Row) -> Segments:
        """The row as the hero sees it, or, without a tokenizer, as it is written."""
        rendered = self._rendered(row) if self._render is not None and self._decode is not None else None
        if rendered is None or self._decode is None:
            return _clipped(_written(self._prepare(row)))
        pieces: list[tuple[str, bool]] = []
        for name, each in rendered:
            pieces += [(f"{name}, {len(each.token_ids):,} tokens:\n", False)] if name else []
            pieces += _clipped([(self._decode(ids), trained) for ids, trained in _runs(each)])
        return tuple(pieces)

    def _rendered(self, row: Row) -> list[tuple[str, Rendered]] | None:
        """Each answer of the row with its question."""
        assert self._render is not None
        try:
            rendered = [(name, self._render(answer)) for name, answer in answers(self._prepare(row))]
        except HeroError as error:
            self._unrenderable += 1
            self._why = self._why or error.message
            return None
        for name, each in rendered:
            if name:
                count, tokens = self._sides.get(name, [0, 0])
                self._sides[name] = [count + 1, tokens + sum(each.trained)]
        return rendered


def _runs(rendered: Rendered) -> list[tuple[list[int], bool]]:
    runs: list[tuple[list[int], bool]] = []
    for token, trained in zip(rendered.token_ids[:SHOWN_CHARACTERS], rendered.trained, strict=False):
        if not runs or runs[-1][1] != trained:
            runs.append(([], trained))
        runs[-1][0].append(token)
    return runs


def _written(row: Row) -> list[tuple[str, bool]]:
    told = answers(row)
    if told[0][0]:
        return [piece for name, answer in told for piece in ((f"{name}:\n", False), *_exchange(answer), ("\n", False))]
    if "text" in row:
        return [(row["text"], True)]
    if "messages" in row:
        return [piece for message in row["messages"] for piece in _message(message)]
    return _exchange(row)


def _exchange(row: Row) -> list[tuple[str, bool]]:
    asked, answered = row["prompt"], row["completion"]
    pieces = [(asked + "\n", False)] if isinstance(asked, str) else [p for m in asked for p in _message(m, False)]
    return pieces + ([(answered, True)] if isinstance(answered, str) else [p for m in answered for p in _message(m)])


def _message(message: Any, may_train: bool = True) -> list[tuple[str, bool]]:
    trained = may_train and message["role"] == "assistant"
    return [(f"{message['role']}: ", False), (message["content"], trained), ("\n", False)]


def _clipped(pieces: Sequence[tuple[str, bool]]) -> Segments:
    kept: list[tuple[str, bool]] = []
    left = SHOWN_CHARACTERS
    for text, trained in pieces:
        if len(text) > left:
            return (*kept, (text[:left] + " ...", trained))
        kept.append((text, trained))
        left -= len(text)
    return tuple(kept)
