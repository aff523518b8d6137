"""The next token of each row from its logits: greedy or drawn, with penalties and log probabilities. Knows no cache."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from torch import Tensor

from realm.oracle.request import Sampling, TokenLogprob

COLD = 1e-3
"""A temperature below which the likeliest token is taken: a division by it would leave the range of the numbers."""


class Choice:
    """How one row chooses: its draws, what it has written so far, and what is held against which token."""

    def __init__(self, sampling: Sampling, prompt_ids: Sequence[int], index: int) -> None:
        self.sampling = sampling
        self.draws = _draws(sampling.seed, index) if sampling.temperature > COLD else None
        self._prompt_ids = prompt_ids
        self._written: list[int] = []
        self._counts: Counter[int] = Counter()
        self._processors = [p.processor(len(prompt_ids)) for p in sampling.penalties]

    def took(self, token: int) -> None:
        """This token was written."""
        if not self.sampling.is_plain:
            self._written.append(token)
            self._counts[token] += 1

    def shaped(self, logits: Tensor) -> Tensor:
        """The logits (V,) with bias and penalties."""
        sampling = self.sampling
        taken = {**sampling.bias}
        if sampling.presence_penalty or sampling.frequency_penalty:
            for token, times in self._counts.items():
                less = sampling.presence_penalty + sampling.frequency_penalty * times
                taken[token] = taken.get(token, 0.0) - less
        logits = logits.float().clone()
        if taken:
            places = torch.tensor(list(taken), device=logits.device)
            logits[places] += torch.tensor(list(taken.values()), device=logits.device)
        if self._processors:
            seen = torch.tensor([[*self._prompt_ids, *self._written]], device=logits.device)
            for processor in self._processors:
                logits = processor(seen, logits[None])[0]
        return logits


def choose(logits: Tensor, rows: Sequence[Choice]) -> list[int]:
    """The next token of each row, from logits (R, V)."""
    shaped = [at for at, row in enumerate(rows) if not row.sampling.is_plain]
    if shaped:
        logits = logits.float().clone()
        for at in shaped:
            logits[at] = rows[at].shaped(logits[at])
    chosen: list[int] = logits.argmax(-1).tolist()
    drawn = [at for at, row in enumerate(rows) if row.draws is not None]
    if drawn:
        for at, token in zip(drawn, _drawn(logits[drawn], [rows[at] for at in drawn]), strict=True):
            chosen[at] = token
    return chosen


def logprobs(logits: Tensor, rows: Sequence[Choice], chosen: Sequence[int]) -> list[TokenLogprob | None]:
    """What the model itself thought of each chosen token, before temperature and penalties; None where not asked."""
    return [
        None if (top := row.sampling.top_logprobs) is None else _told(logits[at], token, top)
        for at, (row, token) in enumerate(zip(rows, chosen, strict=True))
    ]


def _told(logits: Tensor, token: int, top: int) -> TokenLogprob:
    likely = logits.float().log_softmax(-1)
    best = likely.topk(min(top, likely.shape[-1])) if top else None
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True) if best else ()
    return TokenLogprob(token, float(likely[token]), tuple(pairs))


def _drawn(logits: Tensor, rows: Sequence[Choice]) -> list[int]:
    """Inverse transform sampling within the smallest set of tokens of probability top_p (Holtzman et al., 2019)."""
    heat = torch.tensor([row.sampling.temperature for row in rows], device=logits.device)[:, None]
    shares = (logits.float() / heat).softmax(-1).double()  # (R, V)
    tokens = None
    if any(row.sampling.top_p < 1 for row in rows):
        top_p = torch.tensor([row.sampling.top_p for row in rows], device=logits.device)[:, None]
        shares, tokens = shares.sort(dim=-1, descending=True, stable=True)
        before = shares.cumsum(-1) - shares
        shares = shares.masked_fill((before >= top_p) & (before > 0), 0.0)
    upto = shares.cumsum(-1)
    draws = torch.tensor([[row.draws.random()] for row in rows if row.draws is not None], device=logits.device)
    chosen = torch.searchsorted(upto, draws * upto[:, -1:], right=True).clamp(max=upto.shape[-1] - 1)  # (R, 1)
    picked: list[int] = (chosen if tokens is None else tokens.gather(-1, chosen))[:, 0].tolist()
    return picked


def _draws(seed: str, index: int) -> Any:
    key = int.from_bytes(blake2b(f"{seed}/{index}".encode(), digest_size=16, person=b"realm-chat").digest())
    return np.random.Generator(np.random.Philox(key=key))
