"""Preference rows in one internal shape: a prompt with a chosen and a rejected answer. Knows no file and no method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from realm.quests.fields import ROLES, Fields, conversation_of, fill, messages_of, optional_text_of, text_of, wrong
from realm.records import Row, texts

_ONE_QUESTION = "Both answers must belong to the same question; put it under 'prompt'."


def from_preference(row: Fields, template: str | None) -> dict[str, Any]:
    opening, chosen, rejected = _opening(row["chosen"], row["rejected"])
    if opening:
        prompt: Any = messages_of(opening, "chosen")
        _same_question(row, prompt)
    else:
        prompt = _question(row, template)
    answers = {"chosen": _preferred(row, "chosen", chosen), "rejected": _preferred(row, "rejected", rejected)}
    if list(texts(answers["chosen"])) == list(texts(answers["rejected"])):
        raise wrong("alike", "has the same text in 'chosen' and 'rejected'.", "Take the row away: it says nothing.")
    return {"prompt": prompt, **answers}


def answers(row: Row) -> list[tuple[str, Row]]:
    """Each answer of a row with the name it is shown by, as a row of one answer; nameless where there is but one."""
    if "chosen" in row:
        return [(side, {"prompt": row["prompt"], "completion": row[side]}) for side in ("chosen", "rejected")]
    if "label" in row:
        return [("wanted" if row["label"] else "not wanted", row)]
    return [("", row)]


def _opening(chosen: Any, rejected: Any) -> tuple[list[Any], Any, Any]:
    """What two whole conversations begin with alike, up to where the assistant answers, and what is left of each."""
    if not (isinstance(chosen, list) and isinstance(rejected, list)) or _answers_at_once(chosen):
        return [], chosen, rejected
    same = 0
    while same < min(len(chosen), len(rejected)) and chosen[same] == rejected[same]:
        same += 1
    while same and _answers_at_once(chosen[same - 1 :]):
        same -= 1  # an answer that both have in common is an answer all the same
    return chosen[:same], chosen[same:], rejected[same:]


def _answers_at_once(messages: list[Any]) -> bool:
    first = messages[0] if messages else None
    role = first.get("role", first.get("from")) if isinstance(first, dict) else None
    return isinstance(role, str) and ROLES.get(role.lower()) == "assistant"


def _same_question(row: Fields, opening: Sequence[Mapping[str, Any]]) -> None:
    """A prompt beside whole conversations must be what they open with: else nobody knows which one is meant."""
    said = row.get("prompt")
    asked = list(texts([message["content"] for message in opening]))
    if said not in (None, "", []) and not all(part.strip() in map(str.strip, asked) for part in _said(said)):
        raise wrong(
            "prompt", "has a 'prompt' that is not what 'chosen' and 'rejected' begin with.", "Keep one of the two."
        )


def _said(prompt: Any) -> list[str]:
    return [m["content"] for m in messages_of(prompt, "prompt")] if isinstance(prompt, list) else [str(prompt)]


def _question(row: Fields, template: str | None) -> Any:
    """What is asked in a row whose answers stand alone: a prompt, an instruction or a question."""
    system = optional_text_of(row, "system")
    if isinstance(row.get("prompt"), list):
        return messages_of(row["prompt"], "prompt")
    name = next((field for field in ("prompt", "instruction", "question") if row.get(field) is not None), "")
    if not name:
        raise wrong(
            "prompt",
            "has no 'prompt': the answers would be trained without their question.",
            "Write what was asked under 'prompt' (or 'instruction', with 'input').",
        )
    given = optional_text_of(row, "input")
    if name == "instruction" and template:
        return fill(template, text_of(row, name), given, system)
    asked = f"{text_of(row, name)}\n\n{given}" if name == "instruction" and given.strip() else text_of(row, name)
    if not system.strip():
        return asked
    return [{"role": "system", "content": system}, {"role": "user", "content": asked}]


def _preferred(row: Fields, field: str, value: Any) -> Any:
    """An answer: text, or messages that begin with the assistant's."""
    if not isinstance(value, list):
        return text_of(row, field)
    messages = conversation_of(value, field)
    if messages[0]["role"] != "assistant":
        raise wrong("role", f"has a question in {field!r} that the other answer does not have.", _ONE_QUESTION)
    return messages
