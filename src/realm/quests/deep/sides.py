"""What of a row is asked and what is answered, in every shape, those that are not trained included. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from realm.records import Row

ANSWERS = ("completion", "chosen", "rejected")
ASKED = ("prompt", "instruction", "input", "system")


@dataclass(frozen=True, slots=True)
class Sides:
    """The texts of a row."""

    question: str
    """The last words of the user; empty where nobody asks."""
    asked: tuple[str, ...]
    """Everything that is only read."""
    answers: tuple[str, ...]
    """Everything that is trained, or that stands to be preferred."""

    @property
    def texts(self) -> tuple[str, ...]:
        return self.asked + self.answers


def sides(row: Row) -> Sides:
    """The texts of a row in an internal shape; what only tells about it (`meta`) is left out."""
    if isinstance(row.get("text"), str):
        return Sides("", (), (row["text"],))
    said = list(_said(row.get("messages"), ""))
    said += [each for field in ASKED for each in _said(row.get(field), "user")]
    said += [each for field in ANSWERS for each in _said(row.get(field), "assistant")]
    asked = [(role, text) for role, text in said if role != "assistant"]
    question = next((text for role, text in reversed(asked) if role == "user"), "")
    return Sides(question, tuple(text for _, text in asked), tuple(text for role, text in said if role == "assistant"))


def _said(value: Any, role: str) -> Iterator[tuple[str, str]]:
    """Role and text of what stands in a field: a text by `role`, or messages by those they name."""
    if isinstance(value, str):
        yield role, value
    elif isinstance(value, list):
        for message in value:
            if isinstance(message, Mapping) and isinstance(message.get("content"), str):
                yield str(message.get("role", "")), message["content"]
