"""Preferences as token ids, and batches of them as TRL's trainers want them. Knows no model and no loss.

A *unit* is what a batch counts: for paired methods a chosen answer with its rejected one, for the others one answer.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from realm.arena.data import RENDERED_AT_ONCE, Examples, Reading, Rendered, Store, is_held_out
from realm.arena.level_tokens import cell_of
from realm.arena.packing import Indices, Plan
from realm.errors import TrainingError
from realm.records import LevelCell, Row

Part = dict[str, Any]
"""Tensors in TRL's names; `share`, where a batch is computed in several parts."""
Answer = tuple[Row, bool]
"""A row as it is rendered, and whether its answer is wanted."""
Expand = Callable[[Row], Sequence[Answer]]
Tokens = tuple[NDArray[np.int32], NDArray[np.bool_]]
"""Token ids, and for each whether it belongs to the answer."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Sequences of a question with an answer; `wanted` has one entry for each."""

    examples: Examples
    wanted: NDArray[np.bool_]

    def sequence(self, index: int) -> Tokens:
        begin, end = self.examples.offsets[index : index + 2]
        return self.examples.tokens[begin:end], self.examples.trained[begin:end]


@dataclass(frozen=True, slots=True)
class PreferenceReading:
    """What became of a quest's rows."""

    train: Answers
    held_out: Answers
    truncated: int
    untrained: int

    def counts(self) -> Reading:
        return Reading(self.train.examples, self.held_out.examples, self.truncated, self.untrained)


def both(row: Row) -> list[Answer]:
    """The chosen and the rejected answer of a preference row. Raises TrainingError for another row."""
    if not {"prompt", "chosen", "rejected"} <= row.keys():
        raise TrainingError(
            f"A row has {_fields(row)}; pairs are trained on prompt, chosen and rejected.",
            hint="Write preference rows, or train these with the method that fits them (docs/methods.md).",
        )
    about = {"meta": row["meta"]} if "meta" in row else {}
    return [({"prompt": row["prompt"], "completion": row[side], **about}, side == "chosen")
            for side in ("chosen", "rejected")]  # fmt: skip


def single(row: Row) -> list[Answer]:
    """The answer of an unpaired row, or the two of a preference row. Raises TrainingError for another row."""
    if isinstance(row.get("label"), bool) and "completion" in row:
        return [(row, row["label"])]
    if "chosen" in row:
        return both(row)
    raise TrainingError(
        f"A row has {_fields(row)}; kto trains on prompt, completion and label, or on prompt, chosen and rejected.",
        hint="Write label as true or false, or train these rows with sft.",
    )


def read(
    rows: Iterable[Row],
    expand: Expand,
    render: Callable[[Sequence[Row]], Sequence[Rendered]],
    *,
    max_length: int,
    eval_fraction: float = 0.0,
    held_out_tokens: int = 1 << 16,
) -> PreferenceReading:
    """Render each answer once. The answers of a row stay together: trained, held out, or left out.

    What is held out depends on the question alone: none is on both sides, however many answers it has. A row is left
    out when `max_length` cuts one of its answers away whole.
    """
    train, held_out = _Kept(), _Kept()
    truncated = untrained = 0
    for row, answers in _rendered(rows, expand, render):
        cut = [(ids[:max_length], trained[:max_length], wanted) for ids, trained, wanted in answers]
        truncated += any(len(ids) > max_length for ids, _, _ in answers)
        if not all(any(trained[1:]) for _, trained, _ in cut):
            untrained += 1
        elif not is_held_out({"prompt": row["prompt"]}, eval_fraction):
            train.add(row, cut)
        elif held_out.store.tokens < held_out_tokens:
            held_out.add(row, cut)
    if not train.store.tokens:  # a handful of rows that all fell into the slice: train on them rather than on nothing
        train, held_out = held_out, train
    return PreferenceReading(train.answers(), held_out.answers(), truncated, untrained)


class _Kept:
    def __init__(self) -> None:
        self.store = Store()
        self._wanted = array("b")

    def add(self, row: Row, answers: Iterable[tuple[Sequence[int], Sequence[bool], bool]]) -> None:
        for ids, trained, wanted in answers:
            self.store.add(ids, trained, cell_of(row))
            self._wanted.append(wanted)

    def answers(self) -> Answers:
        return Answers(self.store.examples(), np.array(self._wanted, dtype=np.bool_))


def _rendered(
    rows: Iterable[Row], expand: Expand, render: Callable[[Sequence[Row]], Sequence[Rendered]]
) -> Iterator[tuple[Row, list[tuple[Sequence[int], Sequence[bool], bool]]]]:
    rows = iter(rows)
    while some := list(islice(rows, RENDERED_AT_ONCE)):
        answers = [list(expand(row)) for row in some]
        done = iter(render([row for each in answers for row, _ in each]))
        for row, each in zip(some, answers, strict=True):
            found = [(told, next(done), wanted) for told, wanted in each]
            yield row, [(r.token_ids, last_runs(r.trained, turns(told)), wanted) for told, r, wanted in found]


def turns(row: Row) -> int:
    """How many messages of the assistant the answer of a row has."""
    completion = row["completion"]
    return 1 if isinstance(completion, str) else sum(message["role"] == "assistant" for message in completion)


def last_runs(marks: Sequence[bool], count: int) -> list[bool]:
    """The marks of the last `count` runs alone: what the assistant said earlier belongs to the question."""
    kept, runs, inside = list(marks), 0, False
    for at in reversed(range(len(kept))):
        runs += kept[at] and not inside
        inside = kept[at]
        kept[at] = inside and runs <= count
    return kept


class Units(Protocol):
    """What batches are made of."""

    @property
    def answers(self) -> Answers: ...
    def __len__(self) -> int: ...
    @property
    def each(self) -> int:
        """Sequences that one unit puts through the model."""

    @property
    def lengths(self) -> Indices:
        """Tokens of the longest sequence of each."""

    def sequences(self, members: Indices) -> Indices:
        """The answers that these units train, as places in the reading."""

    def part(self, members: Indices, pad_id: int) -> Part:
        """One forward pass, in TRL's names."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Each unit is a chosen answer and the rejected one right after it."""

    answers: Answers
    each: ClassVar[int] = 2

    def __len__(self) -> int:
        return len(self.answers.examples) // 2

    @property
    def lengths(self) -> Indices:
        longest: Indices = self.answers.examples.lengths.reshape(-1, 2).max(axis=1, initial=0)
        return longest

    def sequences(self, members: Indices) -> Indices:
        return np.concatenate([2 * members, 2 * members + 1])

    def part(self, members: Indices, pad_id: int) -> Part:
        """`input_ids`, `attention_mask`, `completion_mask` (2B, T): the chosen ones, then the rejected ones."""
        return padded([self.answers.sequence(at) for at in self.sequences(members)], pad_id)


@dataclass(frozen=True, slots=True)
class Singles:
    """Each unit is one answer; `partners` names the unit whose answer is put to its question to estimate the KL term.

    KTO, https://arxiv.org/abs/2402.01306, section 4.1: mismatched answers, best those of the same batch.
    """

    answers: Answers
    partners: Indices
    max_length: int
    each: ClassVar[int] = 2

    def __len__(self) -> int:
        return len(self.answers.examples)

    @property
    def lengths(self) -> Indices:
        return self.answers.examples.lengths

    def sequences(self, members: Indices) -> Indices:
        return members

    def part(self, members: Indices, pad_id: int) -> Part:
        """The three tensors of a pass (B, T), the same of the mismatched answers as `KL_...`, and `label` (B,)."""
        own = padded([self.answers.sequence(at) for at in members], pad_id)
        mixed = padded(
            [self._mixed(at, other) for at, other in zip(members, self.partners[members], strict=True)], pad_id
        )
        label = torch.from_numpy(self.answers.wanted[members])
        return own | {f"KL_{name}": tensor for name, tensor in mixed.items()} | {"label": label}

    def _mixed(self, asked: int, answered: int) -> Tokens:
        (ids, marks), (other_ids, other_marks) = self.answers.sequence(asked), self.answers.sequence(answered)
        end, begin = int(marks.argmax()), int(other_marks.argmax())
        mixed = np.concatenate([ids[:end], other_ids[begin:]]), np.concatenate([marks[:end], other_marks[begin:]])
        return mixed[0][: self.max_length], mixed[1][: self.max_length]


def partners(plan: Plan | None, count: int) -> Indices:
    """For each unit another one, out of its batch in the first pass where that has another."""
    found = np.roll(np.arange(count, dtype=np.int64), 1)
    seen = 0
    for index in range(plan.batches if plan else 0):
        if seen >= count:
            break
        assert plan is not None
        members = plan.batch(index).members
        seen += len(members)
        if len(members) > 1:
            found[members] = np.roll(members, 1)
    return found


def padded(sequences: Sequence[Tokens], pad_id: int) -> Part:
    """`input_ids`, `attention_mask` and `completion_mask` (B, T), padded on the right."""
    width = max(len(ids) for ids, _ in sequences)
    input_ids = np.full((len(sequences), width), pad_id, dtype=np.int64)
    attention, completion = np.zeros_like(input_ids), np.zeros_like(input_ids)
    for row, (ids, marks) in enumerate(sequences):
        input_ids[row, : len(ids)] = ids
        attention[row, : len(ids)] = 1
        completion[row, : len(ids)] = marks
    completion[:, 0] = 0  # the first token has no predecessor: nobody predicts it
    arrays = {"input_ids": input_ids, "attention_mask": attention, "completion_mask": completion}
    return {name: torch.from_numpy(values) for name, values in arrays.items()}


@dataclass(frozen=True, slots=True)
class UnitLoader:
    """The batches of a plan from one on, with what the reference said of each unit."""

    units: Units
    plan: Plan
    pad_id: int
    reference: Mapping[str, torch.Tensor]
    """Log-probabilities (N,) of all units, by the name that TRL gives them in a batch."""
    first: int = 0
    part_tokens: int | None = None
    """Tokens to compute at once at most, padding counted; None: a whole batch."""

    def __len__(self) -> int:
        return self.plan.batches - self.first

    def __iter__(self) -> Iterator[list[Part]]:
        for index in range(self.first, self.plan.batches):
            members = self.plan.batch(index).members
            divided = list(self.divided(members))
            parts = [part_of(self.units, some, self.pad_id, self.reference) for some in divided]
            if len(parts) > 1:
                for part, some in zip(parts, divided, strict=True):
                    part["share"] = len(some) / len(members)
            yield parts

    @property
    def largest_tokens(self) -> int:
        """Tokens of the largest unit: no part can be smaller."""
        return self.units.each * int(self.units.lengths.max(initial=1))

    def divided(self, members: Indices) -> Iterator[Indices]:
        """The units of a batch in their order, as many together as are computed at once."""
        if self.part_tokens is None:
            yield members
            return
        begin, longest = 0, 0
        for end, length in enumerate(self.units.lengths[members]):
            longest = max(longest, int(length))
            if end > begin and self.units.each * longest * (end - begin + 1) > self.part_tokens:
                yield members[begin:end]
                begin, longest = end, int(length)
        yield members[begin:]

    def level_tokens(self, index: int) -> Counter[LevelCell]:
        """The trained tokens of a batch by skill and level."""
        return self.units.answers.examples.level_tokens.of(self.units.sequences(self.plan.batch(index).members))


def part_of(units: Units, members: Indices, pad_id: int, reference: Mapping[str, torch.Tensor]) -> Part:
    """A part with its share of the reference."""
    places = torch.from_numpy(members)
    return units.part(members, pad_id) | {name: values[places] for name, values in reference.items()}


def _fields(row: Row) -> str:
    return ", ".join(map(str, row)) or "no fields"
