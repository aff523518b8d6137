"""GaLore and APOLLO: moments of a projected gradient instead of the whole one. Knows no model family.

GaLore (Zhao et al. 2024, https://arxiv.org/abs/2403.03507) projects to the gradient's leading singular vectors and
projects Adam's step back. APOLLO (Zhu et al. 2024, https://arxiv.org/abs/2412.05270) projects at random and takes from
Adam's step in the small space only how long each channel's step is; the direction is the gradient's own.

Both are written around another optimizer, which sees a small stand-in for each matrix: so its moments may be in 8 bits.
The published packages keep a projector object in their state, which no checkpoint without pickle can hold; theirs for
APOLLO may not be used commercially either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from realm.arena.optim.adamw import adamw_groups, groups
from realm.arena.optim.eight_bit import adamw_8bit
from realm.arena.optim.muon import split
from realm.arena.seeds import number
from realm.config.schema import Hyperparameters
from realm.errors import TrainingError

NORM_GROWTH = 1.01
"""APOLLO lets the norm of a matrix's update grow no faster than by this a step (Chen et al. 2024, Fira)."""
_EPSILON = 1e-8


class LowRank(Optimizer):
    """Matrices by their projected gradients, the rest as it is, both by the optimizer `within`."""

    scale = 1.0

    def __init__(
        self,
        matrices: Sequence[torch.nn.Parameter],
        rest: list[dict[str, Any]],
        within: Callable[[list[dict[str, Any]]], Optimizer],
        settings: Hyperparameters,
    ) -> None:
        self._rank, self._gap = settings.optim_rank, settings.optim_update_gap
        self._stand_ins = [torch.nn.Parameter(_stand_in(p, self._rank)) for p in matrices]
        self.within = within([{"params": self._stand_ins, "weight_decay": 0.0}, *map(dict, rest)])
        matrix_group = {"params": list(matrices), "weight_decay": settings.weight_decay}
        betas = (settings.adam_beta1, settings.adam_beta2)
        super().__init__([matrix_group, *map(dict, rest)], {"lr": settings.learning_rate, "betas": betas})
        if settings.optim_scale is not None:
            self.scale = settings.optim_scale

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for ours, inner in zip(self.param_groups, self.within.param_groups, strict=True):
            inner.update({key: ours[key] for key in ("lr", "betas")})
        own = self.param_groups[0]
        pairs = [(p, small) for p, small in zip(own["params"], self._stand_ins, strict=True) if p.grad is not None]
        for index, (p, small) in enumerate(pairs):
            small.zero_()
            small.grad = self._project(p, index)
        self.within.step()
        for p, small in pairs:
            if own["weight_decay"]:
                p.mul_(1 - own["lr"] * own["weight_decay"])
            if own["lr"]:
                self._apply(p, small, own["lr"])
            small.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Bases of the matrices, and the whole state of the optimizer within."""
        return {**super().state_dict(), "within": self.within.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Raises ValueError when it is the state of another model or optimizer."""
        if "within" not in state_dict:
            raise ValueError("it holds no state of an optimizer within")
        super().load_state_dict({key: state_dict[key] for key in ("state", "param_groups")})
        self.within.load_state_dict(state_dict["within"])

    def _project(self, p: torch.nn.Parameter, index: int) -> Tensor:
        """The gradient in its small space; every `gap` steps that is another one."""
        assert p.grad is not None
        state = self.state[p]
        done = int(state.get("projected", 0))
        if done % self._gap == 0:
            state["basis"] = self._basis(p.grad, min(self._rank, *p.shape), number("low rank", index, done))
        state["projected"] = done + 1
        basis: Tensor = state["basis"]
        return p.grad @ basis.mT if _is_tall(p) else basis.mT @ p.grad

    def _basis(self, gradient: Tensor, rank: int, seed: int) -> Tensor:
        """(rank, columns) of a tall matrix, (rows, rank) of another one."""
        raise NotImplementedError

    def _apply(self, p: torch.nn.Parameter, small: Tensor, lr: float) -> None:
        """Move a matrix as its stand-in was moved, which had been zero."""
        raise NotImplementedError


class GaLore(LowRank):
    """Adam's step in the space of the gradient's leading singular vectors, projected back."""

    scale = 0.25

    def _basis(self, gradient: Tensor, rank: int, seed: int) -> Tensor:
        left, _, right = torch.linalg.svd(gradient.float(), full_matrices=False)
        basis: Tensor = right[:rank] if _is_tall(gradient) else left[:, :rank]
        return basis.to(gradient.dtype).clone()

    def _apply(self, p: torch.nn.Parameter, small: Tensor, lr: float) -> None:
        basis = self.state[p]["basis"]
        p.add_(small @ basis if _is_tall(p) else basis @ small, alpha=self.scale)


class Apollo(LowRank):
    """The gradient itself, each channel scaled as Adam scales it in a random small space."""

    def _basis(self, gradient: Tensor, rank: int, seed: int) -> Tensor:
        generator = torch.Generator(gradient.device).manual_seed(seed)  # not the run's draws: going on must find them
        rows, columns = gradient.shape
        shape = (rank, columns) if _is_tall(gradient) else (rows, rank)
        return torch.randn(shape, generator=generator, device=gradient.device, dtype=gradient.dtype) / math.sqrt(rank)

    def _apply(self, p: torch.nn.Parameter, small: Tensor, lr: float) -> None:
        assert small.grad is not None and p.grad is not None
        across = 1 if _is_tall(p) else 0
        length = small.norm(dim=across, keepdim=True) / lr
        update = p.grad * (length / (small.grad.norm(dim=across, keepdim=True) + _EPSILON))
        p.sub_(self._limited(p, update), alpha=lr * math.sqrt(self.scale))

    def _limited(self, p: torch.nn.Parameter, update: Tensor) -> Tensor:
        state, norm = self.state[p], update.norm()
        if "norm" in state:
            most = state["norm"] * NORM_GROWTH
            shrunk = torch.where(norm > most, most / (norm + _EPSILON), torch.ones_like(norm))
            update, norm = update * shrunk, norm * shrunk
        state["norm"] = norm
        return update


def low_rank(model: Any, settings: Hyperparameters, *, hidden_matrices: Sequence[str]) -> LowRank:
    """Hidden matrices to GaLore or APOLLO by the settings' name; embeddings, head, norms and biases to AdamW."""
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    matrices, rest = split(named, hidden_matrices)
    if not matrices:
        raise TrainingError(
            f"optim = '{settings.optim}' found no hidden matrix to train in {type(model).__name__}.",
            hint="Use optim = 'adamw'.",
        )
    way = Apollo if settings.optim == "apollo" else GaLore

    def within(parts: list[dict[str, Any]]) -> Optimizer:
        if settings.optim.endswith("8bit"):
            return adamw_8bit(parts, settings, model.device)
        return adamw_groups(parts, settings)

    return way(matrices, groups(rest, settings), within, settings)


def _stand_in(p: Tensor, rank: int) -> Tensor:
    rank = min(rank, *p.shape)
    return p.new_zeros((p.shape[0], rank) if _is_tall(p) else (rank, p.shape[1]))


def _is_tall(matrix: Tensor) -> bool:
    return matrix.shape[0] >= matrix.shape[1]
