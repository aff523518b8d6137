"""Which rows of a quest an optimizer step trained on: the batches follow from rows, settings and a named seed alone.

Knows no model. Only the methods that plan every batch ahead over single rows (`sft`, `sparring`) are told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from realm.arena.data import RENDERED_AT_ONCE, Rendered, is_held_out, is_validation
from realm.arena.packing import Plan
from realm.config.schema import Hyperparameters
from realm.records import Row

PLANNED = ("sft", "sparring")
Render = Callable[[Sequence[Row]], Sequence[Rendered]]
Numbered = tuple[int, Row]
"""A row's place among the quest's good rows, from 1, and the row."""


def rows_of_step(
    rows: Iterable[Row], render: Render, settings: Hyperparameters, *, order: str, quest_step: int
) -> list[Numbered]:
    """The rows of optimizer step `quest_step` (from 1) of a quest, in the order of its batches.

    `rows` are prepared as for training; `order` is the seed that names the quest's order (`order_of`). Empty beyond
    the last step.
    """
    trained, lengths = _trained(rows, render, settings)
    plan = Plan(
        np.array(lengths, dtype=np.int64), seed=order, batch_rows=settings.batch_rows, max_length=settings.max_length,
        packing=settings.packing, accumulation=settings.gradient_accumulation_steps,
        epochs=settings.num_train_epochs, max_steps=settings.max_steps,
    )  # fmt: skip
    if not 1 <= quest_step <= plan.steps:
        return []
    batches = range(plan.first_batch(quest_step - 1), min(plan.first_batch(quest_step), plan.batches))
    return [trained[member] for batch in batches for member in plan.batch(batch).members.tolist()]


def order_of(settings: Hyperparameters, quest: str) -> str:
    """The seed of a quest's order, as the engine names it."""
    return f"{settings.seed}/{quest.partition('.')[0]}"


def _trained(rows: Iterable[Row], render: Render, settings: Hyperparameters) -> tuple[list[Numbered], list[int]]:
    """The rows that are trained and their lengths in tokens: the same that `data.read` keeps, in the same order."""
    trained: list[tuple[Numbered, int]] = []
    held_out: list[tuple[Numbered, int]] = []
    marked = False
    for number, (row, rendered) in enumerate(_rendered(rows, render), 1):
        ids, learned = rendered.token_ids[: settings.max_length], rendered.trained[: settings.max_length]
        if not any(learned[1:]):
            continue
        marked = marked or is_validation(row)
        apart = is_validation(row) or is_held_out(row, settings.eval_fraction)
        (held_out if apart else trained).append(((number, row), len(ids)))
    found = trained or ([] if marked else held_out)
    return [row for row, _ in found], [length for _, length in found]


def _rendered(rows: Iterable[Row], render: Render) -> Iterator[tuple[Row, Rendered]]:
    rows = iter(rows)
    while some := list(islice(rows, RENDERED_AT_ONCE)):
        yield from zip(some, render(some), strict=True)
