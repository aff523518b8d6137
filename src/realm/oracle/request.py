"""What is asked of an engine and what it answers, in plain values. Knows no model and no HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from realm.heroes.penalties import TokenPenalty

Finish = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. The defaults are greedy."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: str = ""
    """Names the draws: the same name, prompt and weights give the same answer, whatever else is asked meanwhile."""
    bias: Mapping[int, float] = field(default_factory=dict)
    """Added to the logit of a token."""
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    penalties: tuple[TokenPenalty, ...] = ()
    """Texts that the answer is kept from."""
    top_logprobs: int | None = None
    """Alternatives told for each token; None: no log probabilities at all."""

    @property
    def is_plain(self) -> bool:
        """Whether the logits are taken as the model gives them."""
        return not (self.bias or self.penalties or self.presence_penalty or self.frequency_penalty)


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token of the answer, its natural log probability, and the likeliest tokens in its place."""

    token: int
    logprob: float
    top: Sequence[tuple[int, float]] = ()


@dataclass(slots=True)
class Piece:
    """News of one answer of a request."""

    index: int
    text: str = ""
    logprobs: list[TokenLogprob] = field(default_factory=list)
    finish: Finish | None = None
    tokens: int = 0
    """Tokens written so far, with the one that ended it."""
    error: Exception | None = None

    def add(self, later: Piece) -> None:
        """Take in what came after it."""
        self.text += later.text
        self.logprobs += later.logprobs
        self.finish, self.tokens, self.error = later.finish, later.tokens, later.error


@dataclass(slots=True, eq=False)
class Request:
    """One prompt, to be answered `count` times. `deliver` is called for each piece of news."""

    prompt_ids: Sequence[int]
    max_new_tokens: int
    deliver: Callable[[Piece], None]
    sampling: Sampling = field(default_factory=Sampling)
    count: int = 1
    stops: tuple[str, ...] = ()
    stream: bool = True
    """False: one piece for each answer, at its end."""
    ignore_eos: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)
    """Set by whoever no longer wants the answer."""

    @property
    def tokens_at_end(self) -> int:
        """Length of a row that is written to its limit."""
        return len(self.prompt_ids) + self.max_new_tokens
