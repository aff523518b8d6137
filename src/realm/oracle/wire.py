"""What a client may send: the requests of the OpenAI API as this service takes them. Knows no model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from realm.config.schema import PenaltySettings
from realm.oracle.text import writable

MAX_CHOICES = 16
MAX_TOP_LOGPROBS = 20
MAX_STOPS = 16
NOT_USED = (
    "user", "metadata", "store", "service_tier", "parallel_tool_calls", "prompt_cache_key", "safety_identifier",
    "reasoning_effort", "verbosity",
)  # fmt: skip
"""Fields that clients send and that change nothing here; any other unknown field is refused."""


def _number(value: object) -> object:
    """JSON's true and "3" are no numbers."""
    if isinstance(value, bool | str):
        raise ValueError("must be a number")
    return value


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _whole(least: int, most: int) -> Any:
    return Annotated[int, Field(ge=least, le=most), BeforeValidator(_number)]


def _real(least: float, most: float) -> Any:
    return Annotated[float, Field(ge=least, le=most, allow_inf_nan=False), BeforeValidator(_number)]


Name = Annotated[str, Field(min_length=1, max_length=300)]
Tokens = Annotated[int, Field(ge=1, le=1_000_000), BeforeValidator(_number)]
Stops = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=MAX_STOPS), BeforeValidator(_listed)
]


class TextPart(BaseModel):
    """A part of a message. Only text can be read."""

    type: Literal["text"]
    text: str


class FunctionCall(BaseModel):
    """A call that an answer asked for; its arguments are JSON."""

    name: str
    arguments: str = "{}"


class ToolCall(BaseModel):
    """A tool call of an earlier answer."""

    id: str = ""
    type: Literal["function"] = "function"
    function: FunctionCall


class ChatMessage(BaseModel):
    """One message of a conversation; what else an earlier answer carried is ignored."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None

    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class Function(BaseModel):
    """What a tool does and takes."""

    model_config = ConfigDict(extra="allow")
    name: str = Field(min_length=1, max_length=200)
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(BaseModel):
    """A tool that the answer may call."""

    type: Literal["function"]
    function: Function


class StreamOptions(BaseModel):
    """What a stream tells beside the text."""

    include_usage: bool = False
    include_obfuscation: bool = False


class ResponseFormat(BaseModel):
    """Only plain text can be promised."""

    type: Literal["text"]


class _Asked(BaseModel):
    """What both kinds of request share."""

    model_config = ConfigDict(extra="forbid")
    model: Name
    temperature: _real(0, 2) | None = None  # type: ignore[valid-type]
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), BeforeValidator(_number)] | None = None
    n: _whole(1, MAX_CHOICES) | None = None  # type: ignore[valid-type]
    stream: bool = False
    stream_options: StreamOptions | None = None
    stop: Stops | None = None
    seed: _whole(-(2**63), 2**63 - 1) | None = None  # type: ignore[valid-type]
    presence_penalty: _real(-2, 2) | None = None  # type: ignore[valid-type]
    frequency_penalty: _real(-2, 2) | None = None  # type: ignore[valid-type]
    logit_bias: dict[str, _real(-100, 100)] | None = None  # type: ignore[valid-type]
    penalties: Annotated[list[PenaltySettings], Field(max_length=32)] | None = None
    """Texts that the answer is kept from, beside those of the hero's profile."""
    ignore_eos: bool = False
    """Write on to the token limit, for measurements."""

    @model_validator(mode="before")
    @classmethod
    def _without_what_changes_nothing(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        writable(json.dumps(given, ensure_ascii=False))
        return {key: value for key, value in given.items() if key not in NOT_USED}

    @property
    def choices(self) -> int:
        return self.n or 1

    @property
    def tells_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


class ChatRequest(_Asked):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=2000)]
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    logprobs: bool | None = None
    top_logprobs: _whole(0, MAX_TOP_LOGPROBS) | None = None  # type: ignore[valid-type]
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    tool_choice: Literal["auto", "none"] | None = None
    response_format: ResponseFormat | None = None

    @property
    def limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def alternatives(self) -> int | None:
        """Likeliest tokens told for each place; None: no log probabilities."""
        return (self.top_logprobs or 0) if self.logprobs else None

    def offered(self) -> list[dict[str, Any]]:
        """The tools that the template is told of."""
        if not self.tools or self.tool_choice == "none":
            return []
        return [tool.model_dump(exclude_none=True) for tool in self.tools]


Token = Annotated[int, Field(ge=0, le=2**31), BeforeValidator(_number)]
Ids = Annotated[list[Token], Field(min_length=1)]


class CompletionRequest(_Asked):
    """`POST /v1/completions`."""

    prompt: str | Ids | Annotated[list[str | Ids], Field(min_length=1, max_length=64)]
    max_tokens: Tokens | None = 16
    logprobs: _whole(0, MAX_TOP_LOGPROBS) | None = None  # type: ignore[valid-type]
    echo: Literal[False] | None = None
    best_of: Literal[1] | None = None
    suffix: None = None

    def prompts(self) -> Sequence[str | list[int]]:
        """Each prompt by itself, as text or as tokens."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        tokens = [part for part in self.prompt if isinstance(part, int)]
        return [tokens] if tokens else [part for part in self.prompt if not isinstance(part, int)]


class ModelName(BaseModel):
    """`POST /models/load` and `/models/unload`."""

    model_config = ConfigDict(extra="forbid")
    model: Name
