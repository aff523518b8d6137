"""Answers in the shapes of the OpenAI API. Pure; knows no engine."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from realm.oracle.request import Piece, TokenLogprob
from realm.oracle.tools import read_calls

DONE = b"data: [DONE]\n\n"
Kind = Literal["chat", "text"]


@dataclass(frozen=True, slots=True)
class Told:
    """What all parts of one answer share: who answers, and how a token is written."""

    kind: Kind
    model: str
    spelled: Callable[[int], str]
    """A token as text."""
    prompt_tokens: int
    tools: bool = False
    """Calls of tools are read out of the text."""
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, answers: Sequence[Piece]) -> dict[str, Any]:
        """The body of an answer that is not streamed."""
        choices = [self._choice(answer) for answer in answers]
        return {**self._head("chat.completion", "text_completion"), "choices": choices, "usage": self.usage(answers)}

    def first(self, index: int) -> list[bytes]:
        """What a stream begins with for each answer: in a chat, who speaks."""
        if self.kind == "text":
            return []
        return [self._chunk({"index": index, "delta": {"role": "assistant", "content": ""}, "finish_reason": None})]

    def piece(self, piece: Piece) -> bytes:
        """News of one answer as an event of the stream."""
        if self.kind == "text":
            return self._chunk(
                {
                    "index": piece.index,
                    "text": piece.text,
                    "logprobs": self._text_logprobs(piece.logprobs),
                    "finish_reason": piece.finish,
                }
            )
        plain: dict[str, Any] = {"content": piece.text}
        message, finish = self._message(piece) if self.tools else (plain, piece.finish)
        calls: list[dict[str, Any]] = message.get("tool_calls", [])
        for number, call in enumerate(calls):
            call["index"] = number
        delta = {key: value for key, value in message.items() if value} if piece.text or calls else {}
        choice = {"index": piece.index, "delta": delta, "finish_reason": finish}
        if piece.logprobs:
            choice["logprobs"] = self._chat_logprobs(piece.logprobs)
        return self._chunk(choice)

    def usage_event(self, answers: Sequence[Piece]) -> bytes:
        """The last event of a stream that was asked to tell its usage."""
        head = self._head("chat.completion.chunk", "text_completion")
        return event({**head, "choices": [], "usage": self.usage(answers)})

    def usage(self, answers: Sequence[Piece]) -> dict[str, int]:
        written = sum(answer.tokens for answer in answers)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": written,
            "total_tokens": self.prompt_tokens + written,
        }

    def _head(self, chat: str, text: str) -> dict[str, Any]:
        prefix, name = ("chatcmpl-", chat) if self.kind == "chat" else ("cmpl-", text)
        return {"id": prefix + self.id, "object": name, "created": self.created, "model": self.model}

    def _chunk(self, choice: Mapping[str, Any]) -> bytes:
        return event({**self._head("chat.completion.chunk", "text_completion"), "choices": [choice]})

    def _choice(self, answer: Piece) -> dict[str, Any]:
        if self.kind == "text":
            told = self._text_logprobs(answer.logprobs)
            return {"index": answer.index, "text": answer.text, "logprobs": told, "finish_reason": answer.finish}
        message, finish = self._message(answer)
        logprobs = self._chat_logprobs(answer.logprobs) if answer.logprobs else None
        message = {"role": "assistant", "refusal": None, **message}
        return {"index": answer.index, "message": message, "logprobs": logprobs, "finish_reason": finish}

    def _message(self, answer: Piece) -> tuple[dict[str, Any], str | None]:
        if self.tools:
            text, calls = read_calls(answer.text)
            if calls:
                return {"content": text or None, "tool_calls": calls}, "tool_calls"
        return {"content": answer.text}, answer.finish

    def _chat_logprobs(self, told: Sequence[TokenLogprob]) -> dict[str, Any]:
        content = [
            {**self._token(one.token, one.logprob), "top_logprobs": [self._token(*other) for other in one.top]}
            for one in told
        ]
        return {"content": content, "refusal": None}

    def _token(self, token: int, logprob: float) -> dict[str, Any]:
        text = self.spelled(token)
        return {"token": text, "logprob": logprob, "bytes": list(text.encode())}

    def _text_logprobs(self, told: Sequence[TokenLogprob]) -> dict[str, Any] | None:
        if not told:
            return None
        texts = [self.spelled(one.token) for one in told]
        starts = [sum(map(len, texts[:place])) for place in range(len(texts))]
        return {
            "tokens": texts,
            "token_logprobs": [one.logprob for one in told],
            "top_logprobs": [{self.spelled(token): value for token, value in one.top} for one in told],
            "text_offset": starts,
        }


def event(body: Mapping[str, Any]) -> bytes:
    """One event of a stream."""
    return b"data: " + json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
