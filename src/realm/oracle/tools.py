"""Tools in a conversation: what a chat template is given, and calls read out of an answer. Pure.

Calls are read in the form that Qwen's and many other templates teach: `<tool_call>{"name", "arguments"}</tool_call>`.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from typing import Any

from realm.errors import UsageError
from realm.oracle.wire import ChatMessage

_CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)


def for_template(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """Messages as chat templates read them: plain text, arguments as a table. Raises UsageError for broken calls."""
    return [_message(message) for message in messages]


def read_calls(text: str) -> tuple[str, list[dict[str, Any]]]:
    """The text without its tool calls, and the calls. What is not well written stays text."""
    calls: list[dict[str, Any]] = []

    def take(found: re.Match[str]) -> str:
        call = _read(found.group(1))
        if call is None:
            return found.group(0)
        calls.append({"id": f"call_{secrets.token_hex(8)}", "type": "function", "function": call})
        return ""

    rest = _CALL.sub(take, text)
    return (rest.strip() if calls else text), calls


def _message(message: ChatMessage) -> dict[str, Any]:
    role = "system" if message.role == "developer" else message.role
    made: dict[str, Any] = {"role": role, "content": message.text()}
    if message.name:
        made["name"] = message.name
    if message.tool_call_id:
        made["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        made["tool_calls"] = [
            {
                "type": "function",
                "id": call.id,
                "function": {"name": call.function.name, "arguments": _arguments(call.function.arguments)},
            }
            for call in message.tool_calls
        ]
    return made


def _arguments(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            "The arguments of a tool call in the conversation are not valid JSON.",
            hint="Send the tool calls back as they came.",
            param="messages",
        ) from error


def _read(text: str) -> dict[str, str] | None:
    try:
        call = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        return None
    return {"name": call["name"], "arguments": json.dumps(call.get("arguments", {}), ensure_ascii=False)}
