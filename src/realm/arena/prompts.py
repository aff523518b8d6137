"""A quest's rows as prompts that are answered while the quest trains. Knows no answerer and no loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from realm.arena.data import is_held_out
from realm.arena.level_tokens import cell_of
from realm.records import LevelCell, Row

SHOWN_ANSWER = "\n\nA right answer, to learn from: "


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked. `ids` are its tokens up to where the answer begins."""

    asked: str | Sequence[Mapping[str, Any]]
    ids: tuple[int, ...]
    cell: LevelCell
    answer: str | None = None
    """The row's own answer."""
    shown_ids: tuple[int, ...] = ()
    """Tokens of the prompt with that answer shown; those of the prompt where there is none."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """What became of a quest's rows."""

    train: list[Prompt]
    held_out: list[Prompt]
    unasked: int
    """Rows that hold no question, or one that leaves no room for an answer."""


def read_prompts(
    rows: Iterable[Row],
    encode: Callable[[Any], Sequence[int]],
    *,
    max_length: int,
    eval_fraction: float = 0.0,
    most_held_out: int = 64,
    shown: bool = False,
) -> Prompts:
    """The questions of a quest; `encode` gives the token ids of a prompt, `shown` those with the answer shown as well.

    Held-out prompts beyond `most_held_out` are neither trained nor measured.
    """
    train: list[Prompt] = []
    held_out: list[Prompt] = []
    unasked = 0
    for row in rows:
        asked, answer = question(row)
        ids = tuple(encode(asked)) if asked else ()
        if asked is None or not 0 < len(ids) < max_length:
            unasked += 1
            continue
        into = held_out if is_held_out(row, eval_fraction) else train
        if into is train or len(held_out) < most_held_out:
            shown_ids = tuple(encode(with_answer(asked, answer))) if shown and answer else ids
            into.append(Prompt(asked, ids, cell_of(row), answer, shown_ids))
    if not train:  # a handful of rows that all fell into the slice: train on them rather than on nothing
        train, held_out = held_out, train
    return Prompts(train, held_out, unasked)


def question(row: Row) -> tuple[str | list[Mapping[str, Any]] | None, str | None]:
    """What a row asks and its own answer: of a conversation all before the last answer. None where it asks nothing."""
    if "messages" in row:
        messages = list(row["messages"])
        last = max((at for at, message in enumerate(messages) if message["role"] == "assistant"), default=0)
        return (messages[:last], _words(messages[last])) if last else (None, None)
    if "prompt" not in row:
        return None, None
    answer = row.get("completion", row.get("answer"))
    if isinstance(answer, list):
        answer = next((_words(message) for message in answer if message["role"] == "assistant"), None)
    return row["prompt"], None if answer is None else str(answer)


def with_answer(asked: str | Sequence[Mapping[str, Any]], answer: str) -> str | list[Mapping[str, Any]]:
    """The question with an answer shown in its last message."""
    if isinstance(asked, str):
        return asked + SHOWN_ANSWER + answer
    *before, last = asked
    return [*before, {**last, "content": f"{last['content']}{SHOWN_ANSWER}{answer}"}]


def _words(message: Mapping[str, Any]) -> str:
    return str(message.get("content") or "")
