"""One batch through a model, looked at from inside: which row has which loss, which layer is not finite, how large
the gradient is in each. Changes no weight. Knows no quest.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from realm.heroes.hero import LoadedHero
from realm.records import Row

_LAYER = re.compile(r"^(.*?\b(?:layers|h|blocks)\.\d+)\.")


@dataclass(frozen=True, slots=True)
class Probe:
    """What one batch showed. Losses are in nats per trained token, in the order of the rows; NaN where nothing is."""

    losses: Sequence[float]
    broken: str
    """The first module whose output is not finite, in the order of computation; empty where all are."""
    broken_row: int
    """Index of the row at which it broke; -1."""
    gradients: Mapping[str, float]
    """Layer -> root mean square of its gradient, in the order of the model; layers that are frozen are left out."""


def probe(hero: LoadedHero, rows: Sequence[Row], *, max_length: int) -> Probe:
    """Send rows through a model one by one, forwards and backwards. Its weights and their gradients are as before."""
    model = hero.model
    training, losses = model.training, list[float]()
    broken, broken_row = "", -1
    model.eval()
    model.zero_grad()
    try:
        for number, rendered in enumerate(
            hero.family.render_all(hero.tokenizer, [hero.data_profile.prepare(r) for r in rows])
        ):
            with _watched(model) as seen:
                loss = _loss(model, rendered.token_ids[:max_length], rendered.trained[:max_length])
            losses.append(math.nan if loss is None else float(loss.detach()))
            if seen and not broken:
                broken, broken_row = seen[0], number
            if loss is not None and loss.requires_grad:
                torch.autograd.backward(loss / len(rows))
        return Probe(losses, broken, broken_row, _gradients(model))
    finally:
        model.zero_grad()
        model.train(training)


def _loss(model: Any, ids: Sequence[int], trained: Sequence[bool]) -> Tensor | None:
    """Mean cross-entropy at the trained tokens; None where there is none."""
    tokens = torch.tensor([list(ids)], device=model.device)
    learned = torch.tensor(list(trained)[1:], dtype=torch.bool, device=model.device)
    if not learned.any():
        return None
    logits = model(input_ids=tokens, use_cache=False).logits[0, :-1].float()  # (T-1, V)
    found: Tensor = F.cross_entropy(logits[learned], tokens[0, 1:][learned])
    return found


@contextmanager
def _watched(model: Any) -> Iterator[list[str]]:
    """Names of the modules without children whose output was not finite, in the order in which they computed it."""
    seen: list[str] = []

    def look(name: str) -> Any:
        def hook(_module: Any, _given: Any, output: Any) -> None:
            tensor = output[0] if isinstance(output, tuple) else output
            if isinstance(tensor, Tensor) and tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                seen.append(name)

        return hook

    leaves = [(name, module) for name, module in model.named_modules() if not list(module.children())]
    hooks = [module.register_forward_hook(look(name)) for name, module in leaves]
    try:
        yield seen
    finally:
        for each in hooks:
            each.remove()


def _gradients(model: Any) -> dict[str, float]:
    squares: dict[str, float] = {}
    counts: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is None:
            continue
        match = _LAYER.match(name)
        layer = match[1] if match else name.rpartition(".")[0] or name
        squares[layer] = squares.get(layer, 0.0) + float(parameter.grad.double().square().sum())
        counts[layer] = counts.get(layer, 0) + parameter.grad.numel()
    return {layer: math.sqrt(total / counts[layer]) for layer, total in squares.items()}
