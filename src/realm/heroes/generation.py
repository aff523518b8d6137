"""Answers in static batches sorted by length, greedy or sampled. Knows no skill and no grading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from torch import Tensor

from realm.heroes.chat import Message, render_prompt
from realm.heroes.kv_cache import growing_cache, rows_at_once
from realm.heroes.penalties import TokenPenalty, processors

TINY = 5_000_000
"""Parameters below which a token is so little work that threads wait for each other longer than they compute."""

Choose = Callable[[Tensor, Sequence[int], int], Tensor]
"""Token ids (R,) from the logits (R, V) of these rows of the batch, at that place of the answer."""


def answer(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str | Sequence[Message]],
    *,
    max_new_tokens: int,
    batch_size: int | None = None,
    before_batch: Callable[[], object] = lambda: None,
    penalties: Sequence[TokenPenalty] = (),
) -> list[str]:
    """One greedy answer per prompt, in the order asked: no sampling, no repetition penalty, stop at end of sequence.

    Prompts go through the tokenizer's chat template. Without `batch_size` a batch is as large as its cache may be.
    `before_batch` is called before each batch: a sign of progress. `penalties` keep answers from unwanted texts.
    The model's training mode is restored afterwards.
    """
    asked = [render_prompt(tokenizer, prompt) for prompt in prompts]
    answered = answer_ids(
        model,
        asked,
        stop_ids=stop_ids(model, tokenizer),
        max_new_tokens=max_new_tokens,
        batch_size=batch_size or rows_at_once(model, max(map(len, asked), default=0) + max_new_tokens),
        before_batch=before_batch,
        penalties=penalties,
    )
    return [tokenizer.decode(ids, skip_special_tokens=True) for ids in answered]


def sample(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str | Sequence[Message]],
    *,
    count: int,
    temperature: float,
    top_p: float,
    max_new_tokens: int,
    seed: str,
) -> list[list[str]]:
    """`count` sampled answers for each prompt, in the order asked; `sample_ids` says what decides them."""
    stops = stop_ids(model, tokenizer)
    drawn = sample_ids(
        model,
        [render_prompt(tokenizer, prompt) for prompt in prompts],
        stop_ids=stops,
        count=count,
        temperature=temperature,
        top_p=top_p,
        max_new_tokens=max_new_tokens,
        seed=seed,
    )
    return [[said(tokenizer, ids, stops) for ids in answers] for answers in drawn]


def said(tokenizer: Any, ids: Sequence[int], stops: frozenset[int]) -> str:
    """A sampled answer as text, without the token that ended it."""
    return str(tokenizer.decode(ids[:-1] if ids and ids[-1] in stops else ids, skip_special_tokens=True))


@torch.inference_mode()
def sample_ids(
    model: Any,
    asked: Sequence[Sequence[int]],
    *,
    stop_ids: frozenset[int],
    count: int,
    temperature: float,
    top_p: float,
    max_new_tokens: int,
    seed: str,
    batch_size: int = 64,
    before_batch: Callable[[], object] = lambda: None,
) -> list[list[list[int]]]:
    """`count` sampled continuations of each prompt's ids, with the end token where one ended by itself.

    What is drawn follows from the model's weights, `seed` and the prompt alone, not from what else is asked or the
    state of any generator; a prompt that stands there twice gets new draws the second time. `top_p` below 1 draws
    from the smallest set of tokens that has that much probability (Holtzman et al., 2019).
    """
    if not (count >= 1 and temperature > 0 and 0 < top_p <= 1):
        raise ValueError(f"count {count}, temperature {temperature} or top_p {top_p} is out of range")
    draws = _draws(asked, count, max_new_tokens, seed)  # (P * count, T)
    rows = [ids for ids in asked for _ in range(count)]
    sampled: list[list[int]] = [[] for _ in rows]
    was_training = model.training
    model.eval()
    try:
        for batch in _by_length(rows, batch_size):
            before_batch()
            choose = _sampling(draws[batch].to(model.device), temperature, top_p)
            decoded = _decode(model, [rows[i] for i in batch], stop_ids, max_new_tokens, choose, keep_end=True)
            for index, ids in zip(batch, decoded, strict=True):
                sampled[index] = ids
    finally:
        model.train(was_training)
    return [sampled[first : first + count] for first in range(0, len(rows), count)]


def _draws(asked: Sequence[Sequence[int]], count: int, length: int, seed: str) -> Tensor:
    """Uniform numbers (P * count, length): those of a prompt come from a generator that its own name seeds."""
    seen: Counter[tuple[int, ...]] = Counter()
    drawn = []
    for ids in map(tuple, asked):
        name = f"{seed}/{seen[ids]}/{' '.join(map(str, ids))}".encode()
        seen[ids] += 1
        key = int.from_bytes(blake2b(name, digest_size=16, person=b"realm-sample").digest())
        drawn.append(np.random.Generator(np.random.Philox(key=key)).random((count, length)))
    return torch.from_numpy(np.concatenate(drawn) if drawn else np.zeros((0, length)))


def _sampling(draws: Tensor, temperature: float, top_p: float) -> Choose:
    """Inverse transform sampling: the token in whose stretch of the cumulated probabilities the draw falls."""

    def choose(logits: Tensor, rows: Sequence[int], place: int) -> Tensor:
        shares = (logits.float() / temperature).softmax(-1).double()  # (R, V)
        tokens = None
        if top_p < 1:
            shares, tokens = shares.sort(dim=-1, descending=True, stable=True)
            shares = shares.masked_fill(shares.cumsum(-1) - shares >= top_p, 0.0)
        upto = shares.cumsum(-1)
        aim = draws[list(rows), place, None] * upto[:, -1:]
        chosen = torch.searchsorted(upto, aim, right=True).clamp(max=upto.shape[-1] - 1)  # (R, 1)
        return (chosen if tokens is None else tokens.gather(-1, chosen))[:, 0]

    return choose


def _greedy(logits: Tensor, _rows: Sequence[int], _place: int) -> Tensor:
    return logits.argmax(-1)


def stop_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """The token ids that end an answer: the tokenizer's, and all that the model's own settings name."""
    named = getattr(model.generation_config, "eos_token_id", None)
    listed = named if isinstance(named, list) else [named]
    return frozenset(int(i) for i in (*listed, tokenizer.eos_token_id) if i is not None)


@torch.inference_mode()
def answer_ids(
    model: Any,
    asked: Sequence[Sequence[int]],
    *,
    stop_ids: frozenset[int],
    max_new_tokens: int,
    batch_size: int,
    before_batch: Callable[[], object] = lambda: None,
    penalties: Sequence[TokenPenalty] = (),
) -> list[list[int]]:
    """Greedy continuations of token ids, without the end token, in the order asked."""
    was_training, threads = model.training, torch.get_num_threads()
    model.eval()
    if model.device.type == "cpu" and model.num_parameters() < TINY:
        torch.set_num_threads(1)
    try:
        answered: list[list[int]] = [[] for _ in asked]
        for batch in _by_length(asked, batch_size):
            before_batch()
            decoded = _decode(model, [asked[i] for i in batch], stop_ids, max_new_tokens, penalties=penalties)
            for index, ids in zip(batch, decoded, strict=True):
                answered[index] = ids
        return answered
    finally:
        model.train(was_training)
        torch.set_num_threads(threads)


def _by_length(asked: Sequence[Sequence[int]], batch_size: int) -> Iterator[list[int]]:
    order = sorted(range(len(asked)), key=lambda i: (len(asked[i]), i))
    for first in range(0, len(order), batch_size):
        yield order[first : first + batch_size]


def _decode(
    model: Any,
    asked: Sequence[Sequence[int]],
    stops: frozenset[int],
    max_new_tokens: int,
    choose: Choose = _greedy,
    *,
    keep_end: bool = False,
    penalties: Sequence[TokenPenalty] = (),
) -> list[list[int]]:
    """A plain loop with a key-value cache; rows that have ended leave the batch once half of it has ended.

    Faster than `generate` on a tiny model, whose time is overhead per token (figures in docs/log.md).
    """
    input_ids, mask = _left_padded(asked, model.device)  # (B, T)
    rows = list(range(len(asked)))
    answered: list[list[int]] = [[] for _ in asked]
    alive = set(rows)
    position_ids = (mask.cumsum(-1) - 1).clamp(min=0)  # (B, T)
    cache = growing_cache(model)
    held_back = _HeldBack(penalties, input_ids) if penalties else None
    for place in range(max_new_tokens):
        out = model(
            input_ids=input_ids,
            attention_mask=mask,
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits = out.logits[:, -1]  # (B, V)
        chosen = choose(held_back.penalised(logits) if held_back else logits, rows, place)  # (B,)
        _take(rows, chosen.tolist(), answered, alive, stops, keep_end=keep_end)
        if not alive:
            break
        position_ids = position_ids[:, -1:] + 1
        if len(alive) * 2 <= len(rows):
            keep = torch.tensor([at for at, row in enumerate(rows) if row in alive], device=mask.device)
            cache.batch_select_indices(keep)
            chosen, mask, position_ids = chosen[keep], mask[keep], position_ids[keep]
            rows = [row for row in rows if row in alive]
            if held_back:
                held_back.keep(keep)
        input_ids = chosen[:, None]
        if held_back:
            held_back.add(input_ids)
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
    return answered


class _HeldBack:
    """The penalties of one batch, and the tokens so far that they look at."""

    def __init__(self, penalties: Sequence[TokenPenalty], asked: Tensor) -> None:
        self._processors = processors(penalties, prompt_tokens=asked.shape[1])
        self._tokens = asked  # (B, T)

    def penalised(self, logits: Tensor) -> Tensor:
        for processor in self._processors:
            logits = processor(self._tokens, logits)
        return logits

    def keep(self, rows: Tensor) -> None:
        self._tokens = self._tokens[rows]

    def add(self, chosen: Tensor) -> None:
        self._tokens = torch.cat([self._tokens, chosen], dim=1)


def _take(
    rows: list[int],
    chosen: list[int],
    answered: list[list[int]],
    alive: set[int],
    stops: frozenset[int],
    *,
    keep_end: bool,
) -> None:
    """Give each living row its token; a row whose token ends it dies, and keeps that token only if `keep_end`."""
    for row, token in zip(rows, chosen, strict=True):
        if row not in alive:
            continue
        if token in stops:
            alive.discard(row)
        if keep_end or token not in stops:
            answered[row].append(token)


def _left_padded(asked: Sequence[Sequence[int]], device: Any) -> tuple[Tensor, Tensor]:
    longest = max(len(ids) for ids in asked)
    input_ids = torch.tensor([[0] * (longest - len(ids)) + list(ids) for ids in asked], device=device)  # (B, T)
    mask = torch.tensor([[False] * (longest - len(ids)) + [True] * len(ids) for ids in asked], device=device)  # (B, T)
    return input_ids, mask
