"""From a request on the wire to pieces of its answer, in the event loop. Knows the engine, and no route."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from realm.errors import UsageError
from realm.heroes.chat import render_prompt
from realm.heroes.penalties import compiled
from realm.oracle.request import Piece, Request, Sampling
from realm.oracle.tools import for_template
from realm.oracle.wire import ChatRequest, CompletionRequest

if TYPE_CHECKING:
    from realm.oracle.engine import Delivery, Engine, Post
    from realm.oracle.pool import Slot

SHORT_CHARACTERS = 20_000
"""A longer prompt is turned into tokens in a thread: the other clients must not wait for it."""


def into_loop(loop: asyncio.AbstractEventLoop) -> Post:
    """How an engine's thread tells requests of this loop their news: once for all of them."""

    def hand_out(deliveries: list[Delivery]) -> None:
        for request, piece in deliveries:
            request.deliver(piece)

    def post(deliveries: list[Delivery]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            loop.call_soon_threadsafe(hand_out, deliveries)

    return post


class Answers:
    """The news of one request, or of several prompts asked as one; iterate, or wait for the whole."""

    def __init__(self, count: int) -> None:
        self.whole = [Piece(index) for index in range(count)]
        self._open = count
        self._news: deque[Piece] = deque()
        self._woken = asyncio.Event()
        self._requests: list[Request] = []
        self._left = False

    def follow(self, request: Request, first: int) -> None:
        """News of this request are those of the answers from `first` on."""

        def deliver(piece: Piece) -> None:
            piece.index += first
            self._news.append(piece)
            self._woken.set()

        request.deliver = deliver
        self._requests.append(request)

    def leave(self) -> None:
        """Nobody listens any more: what is not written yet shall not be."""
        self._left = True
        for request in self._requests:
            request.cancelled.set()
        self._woken.set()

    async def __aiter__(self) -> AsyncIterator[Piece]:
        """Pieces as they come; what came together for one answer is one piece. Ends when nobody listens.

        Raises the error that an answer ended in.
        """
        while self._open and not self._left:
            await self._woken.wait()
            self._woken.clear()
            for piece in self._merged():
                if piece.error is not None:
                    self.leave()
                    raise piece.error
                self._open -= piece.finish is not None
                self.whole[piece.index].add(piece)
                yield piece

    async def all(self) -> list[Piece]:
        """The whole answers."""
        async for _ in self:
            pass
        return self.whole

    def _merged(self) -> Sequence[Piece]:
        merged: dict[int, Piece] = {}
        while self._news:
            piece = self._news.popleft()
            if piece.index in merged:
                merged[piece.index].add(piece)
            else:
                merged[piece.index] = piece
        return list(merged.values())


async def chat_ids(slot: Slot, asked: ChatRequest) -> list[int]:
    """The conversation as tokens, by the model's own template. Raises UsageError where that cannot be."""
    tokenizer = slot.engine.hero.tokenizer
    tools = asked.offered()
    if tools and "tools" not in (tokenizer.chat_template or ""):
        raise UsageError(
            f"The chat template of {slot.model.id} knows no tools.",
            hint="Leave the tools out, or ask a model that was made for them.",
            param="tools",
        )
    messages = for_template(asked.messages)
    size = sum(len(message["content"]) for message in messages)
    return await _in_turn(slot, size, lambda: render_prompt(tokenizer, messages, tools=tools or None))


async def text_ids(slot: Slot, prompt: str | Sequence[int]) -> list[int]:
    """A plain prompt as tokens. Raises UsageError for a token that the model does not have."""
    tokenizer = slot.engine.hero.tokenizer
    if isinstance(prompt, str):
        return await _in_turn(slot, len(prompt), lambda: list(tokenizer(prompt, add_special_tokens=False)["input_ids"]))
    size = slot.engine.vocabulary
    if unknown := [token for token in prompt if token >= size]:
        raise UsageError(f"{unknown[0]} is no token of this model; it has {size}.", hint="Send text.", param="prompt")
    return list(prompt)


async def _in_turn(slot: Slot, characters: int, encode: Callable[[], list[int]]) -> list[int]:
    async with slot.rendering:
        return encode() if characters <= SHORT_CHARACTERS else await asyncio.to_thread(encode)


def sampling(slot: Slot, asked: ChatRequest | CompletionRequest, top_logprobs: int | None) -> Sampling:
    """How tokens are chosen. What a request does not say is as the API has it: temperature 1, no seed."""
    hero = slot.engine.hero
    own = compiled(asked.penalties or (), hero.tokenizer)
    return Sampling(
        temperature=1.0 if asked.temperature is None else asked.temperature,
        top_p=1.0 if asked.top_p is None else asked.top_p,
        seed=secrets.token_hex(8) if asked.seed is None else str(asked.seed),
        bias=_bias(asked.logit_bias or {}, slot.engine.vocabulary),
        presence_penalty=asked.presence_penalty or 0.0,
        frequency_penalty=asked.frequency_penalty or 0.0,
        penalties=(*hero.penalties, *own),
        top_logprobs=top_logprobs,
    )


def _bias(given: dict[str, Any], size: int) -> dict[int, float]:
    if wrong := [token for token in given if not (token.isdecimal() and token.isascii() and int(token) < size)]:
        raise UsageError(
            f"logit_bias names {wrong[0][:40]!r}, which is no token of this model.",
            hint=f"Its tokens are the numbers 0 to {size - 1}.",
            param="logit_bias",
        )
    return {int(token): float(value) for token, value in given.items()}


def answer_limit(engine: Engine, prompt_tokens: int, asked: int | None, most: int) -> int:
    """Tokens that an answer may have: what was asked for, else what is left of the context, never more than `most`.

    Raises UsageError for more than `most`, and for a prompt that leaves no room.
    """
    if asked is not None and asked > most:
        raise UsageError(
            f"{asked} tokens are more than this service writes for one answer ({most}).",
            hint="Ask for fewer, or raise oracle.answer_tokens in realm.toml.",
            param="max_tokens",
        )
    left = engine.context_tokens - prompt_tokens
    if left < 1:
        raise UsageError(
            f"The prompt has {prompt_tokens} tokens; this model's context is {engine.context_tokens}, answer included.",
            hint="Shorten the conversation.",
            param="messages",
        )
    return min(most, left) if asked is None else min(asked, left)


def submit(engine: Engine, requests: Sequence[Request]) -> Answers:
    """Ask the engine. Raises Busy and UsageError, and then nothing is asked."""
    answers = Answers(sum(request.count for request in requests))
    first = 0
    try:
        for request in requests:
            answers.follow(request, first)
            first += request.count
            engine.submit(request)
    except BaseException:
        answers.leave()
        raise
    return answers


def leave_to_another(_: Piece) -> None:
    """A request's first listener: `Answers.follow` puts its own in this place."""
