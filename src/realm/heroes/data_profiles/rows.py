"""Where a row's question and answers stand, in every internal shape, and the row with others in their place. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from realm.records import Row

Prompt = str | Sequence[Mapping[str, Any]]
"""A question as text, or as the messages that lead to it."""
ANSWERS = ("completion", "chosen", "rejected")
"""Fields of a row that answer its `prompt`."""
_THINKING = re.compile(r"<think>.*?</think>\s*", re.DOTALL)


def question_of(prompt: Prompt) -> str | None:
    """The last words of the user; None where nobody asks."""
    if isinstance(prompt, str):
        return prompt
    at = _last(prompt, "user")
    return None if at is None else str(prompt[at].get("content") or "")


def asking(prompt: Prompt, question: str) -> Prompt:
    """The same prompt with other last words of the user."""
    if isinstance(prompt, str):
        return question
    at = _last(prompt, "user")
    return prompt if at is None else _replaced(prompt, at, question)


def without_thinking(text: str) -> str:
    """The text without whole `<think>` spans and the space behind them, also where taking one away makes another."""
    while "<think>" in text and (less := _THINKING.sub("", text)) != text:
        text = less
    return text


def with_answers(row: Row, change: Callable[[str], str]) -> Row:
    """The row with everything that is trained changed: the assistant's words, or the whole of a `text`."""
    changed = dict(row)
    for field in ANSWERS:
        if field in row:
            changed[field] = _all_said(row[field], change)
    if "messages" in row:
        changed["messages"] = _all_said(row["messages"], change)
    if isinstance(row.get("text"), str):
        changed["text"] = change(row["text"])
    return changed


def with_question(row: Row, ask: Callable[[Prompt], Prompt], answer: Callable[[str, Prompt], str]) -> Row:
    """The row with its last question asked by `ask` and each answer to it given by `answer`.

    A row without a question, such as `text`, stays as it is.
    """
    if "messages" in row:
        return {**row, "messages": _exchange(row["messages"], ask, answer)}
    if "prompt" not in row or question_of(row["prompt"]) is None:
        return row
    asked = ask(row["prompt"])
    answers = {field: _last_said(row[field], asked, answer) for field in ANSWERS if field in row}
    return {**row, "prompt": asked, **answers}


def _exchange(
    messages: Sequence[Mapping[str, Any]], ask: Callable[[Prompt], Prompt], answer: Callable[[str, Prompt], str]
) -> list[Mapping[str, Any]]:
    said = _last(messages, "assistant")
    if said is None or _last(messages[:said], "user") is None:
        return list(messages)
    asked = ask(messages[:said])
    assert not isinstance(asked, str)
    return [*asked, *_last_said(messages[said:], asked, answer)]


def _last_said(value: Any, asked: Prompt, answer: Callable[[str, Prompt], str]) -> Any:
    if isinstance(value, str):
        return answer(value, asked)
    at = _last(value, "assistant")
    return value if at is None else _replaced(value, at, answer(str(value[at].get("content") or ""), asked))


def _all_said(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    return [
        {**message, "content": change(message["content"])}
        if message.get("role") == "assistant" and isinstance(message.get("content"), str)
        else message
        for message in value
    ]


def _last(messages: Sequence[Mapping[str, Any]], role: str) -> int | None:
    return next((at for at in reversed(range(len(messages))) if messages[at].get("role") == role), None)


def _replaced(messages: Sequence[Mapping[str, Any]], at: int, content: str) -> list[Mapping[str, Any]]:
    return [*messages[:at], {**messages[at], "content": content}, *messages[at + 1 :]]
