"""What tests of optimizers do with a hero's parameters."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Optimizer

from realm.arena.optim import build
from realm.heroes.hero import LoadedHero

from .arena_support import settings, small_hero


def made(optim: str, **changes: object) -> tuple[LoadedHero, Optimizer]:
    """A small hero and an optimizer for it."""
    hero = small_hero()
    hidden = hero.family.hidden_matrices(hero.model)
    return hero, build(hero.model, settings(optim=optim, **changes), hidden_matrices=hidden)


def step(model: torch.nn.Module, optimizer: Optimizer, gradient: Callable[[Tensor], Tensor] = torch.ones_like) -> None:
    """One update by made-up gradients."""
    for parameter in model.parameters():
        parameter.grad = gradient(parameter)
    optimizer.step()


def moves_at_rate_zero(hero: LoadedHero, optimizer: Optimizer) -> bool:
    """Whether any weight changes when a schedule says 0."""
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = [p.detach().clone() for p in hero.model.parameters()]
    step(hero.model, optimizer)
    return not all(torch.equal(a, b) for a, b in zip(before, hero.model.parameters(), strict=True))
