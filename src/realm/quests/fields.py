"""The fields of a row as text and messages, or what is wrong with them in words. Knows no shape."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from realm.errors import QuestError
from realm.quests.lines import kind_of

Fields = Mapping[str, Any]
ROLES = {
    "human": "user",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "chatgpt": "assistant",
    "function": "tool",
    "observation": "tool",
    "function_call": "assistant",
    "tool_call": "assistant",
} | {role: role for role in ("system", "developer", "user", "assistant", "tool")}


_SLOTS = re.compile(r"\{(context|instruction|input_section)\}")


def wrong(cause: str, message: str, fix: str) -> QuestError:
    return QuestError(message, hint=fix, param=cause)


def text_of(row: Fields, field: str) -> str:
    value = row[field]
    if not isinstance(value, str):
        raise wrong("type", f"has {kind_of(value)} in {field!r}, where text belongs.", "Write it as text, in quotes.")
    if not value.strip():
        raise wrong("empty", f"has an empty {field!r}.", "Fill it, or take the row away.")
    return value


def optional_text_of(row: Fields, field: str) -> str:
    value = row.get(field)
    return "" if value is None else value if isinstance(value, str) else str(value)


def messages_of(value: Any, field: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value:
        raise wrong(
            "type",
            f"has {kind_of(value) if value != [] else 'an empty list'} in {field!r}, where messages belong.",
            'Write a list of {"role": ..., "content": ...}.',
        )
    return [_message(item, f"{field}[{index}]") for index, item in enumerate(value)]


def _message(item: Any, where: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise wrong(
            "type", f"has {kind_of(item)} at {where}, where a message belongs.", 'Write {"role": ..., "content": ...}.'
        )
    role, content = item.get("role", item.get("from")), item.get("content", item.get("value"))
    if not isinstance(role, str) or role.lower() not in ROLES:
        raise wrong("role", f"has the role {str(role)[:40]!r} at {where}.", "Use system, user, assistant or tool.")
    kept = {key: value for key, value in item.items() if key not in {"role", "from", "content", "value"}}
    calls = bool(item.get("tool_calls"))
    return {"role": ROLES[role.lower()], "content": _content(content, where, may_be_empty=calls), **kept}


def _content(content: Any, where: str, *, may_be_empty: bool) -> str:
    if isinstance(content, list) and all(
        isinstance(part, dict) and isinstance(part.get("text"), str) for part in content
    ):
        content = "".join(part["text"] for part in content)
    if content is None and may_be_empty:
        return ""
    if not isinstance(content, str):
        raise wrong(
            "type", f"has {kind_of(content)} as the content of {where}.", "Write it as text; nothing else is trained."
        )
    if not content.strip() and not may_be_empty:
        raise wrong("empty", f"has an empty message at {where}.", "Fill it, or take the message away.")
    return content


def conversation_of(value: Any, field: str) -> list[dict[str, Any]]:
    messages = messages_of(value, field)
    if not any(message["role"] == "assistant" for message in messages):
        raise wrong("empty", f"has no assistant message in {field!r}: nothing would be trained.", "Add the answer.")
    return messages


def fill(template: str, instruction: str, given: str, system: str) -> str:
    """The template up to its {output}. Each field is replaced once, so braces in the data stay what they are."""
    values = {
        "context": f" ({system})" if system else "",
        "instruction": instruction,
        "input_section": f"\n### Input:\n{given}\n" if given.strip() else "",
    }
    return _SLOTS.sub(lambda slot: values[slot[1]], template.partition("{output}")[0])
