"""Muon for the hidden matrices, AdamW for the rest, in one optimizer. Knows no model family.

Muon: Keller Jordan et al., https://kellerjordan.github.io/posts/muon/ ; coefficients, Nesterov momentum and the
scale sqrt(max(1, rows / columns)) are those of `torch.optim.Muon`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from realm.arena.optim.adamw import adamw
from realm.arena.precision import multiplies_bfloat16
from realm.config.schema import Hyperparameters
from realm.errors import TrainingError

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 5
_EPSILON = 1e-7


class Muon(Optimizer):
    """Muon with the matrices of one shape orthogonalised together.

    `torch.optim.Muon` takes them one by one; on small matrices most of its time is overhead (docs/arena.md).
    """

    def __init__(
        self, params: Sequence[torch.nn.Parameter], *, lr: float, momentum: float, weight_decay: float = 0.0
    ) -> None:
        flat = [tuple(p.shape) for p in params if p.ndim != 2]
        if flat:
            raise TrainingError(
                f"Muon takes matrices only, not parameters of shape {flat[0]}.", hint="Use optim = 'adamw'."
            )
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            alike: dict[tuple[int, int], list[Tensor]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    alike[min(p.shape), max(p.shape)].append(p)
            for params in alike.values():
                self._update(params, group)

    def _update(self, params: list[Tensor], group: dict[str, Any]) -> None:
        steered = torch.stack([_lying(self._steer(p, group["momentum"])) for p in params])  # (N, short, long)
        for p, update in zip(params, orthogonal(steered), strict=True):
            rows, columns = p.shape
            scale = max(1.0, rows / columns) ** 0.5
            if group["weight_decay"]:
                p.mul_(1 - group["lr"] * group["weight_decay"])
            p.add_(update if rows <= columns else update.mT, alpha=-group["lr"] * scale)

    def _steer(self, p: Tensor, momentum: float) -> Tensor:
        """Nesterov momentum of the gradient."""
        assert p.grad is not None
        state = self.state[p]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(p)
        buffer: Tensor = state["momentum_buffer"].lerp_(p.grad, 1 - momentum)
        return p.grad.lerp(buffer, momentum)


class MuonWithAdamW(Optimizer):
    """Two optimizers that share one state and one list of groups, so that schedules and checkpoints see one."""

    def __init__(self, muon: Muon | None, rest: Optimizer | None) -> None:
        self._parts = [part for part in (muon, rest) if part is not None]
        super().__init__([group for part in self._parts for group in part.param_groups], {})
        self._counts = [len(part.param_groups) for part in self._parts]
        self._share()

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for part in self._parts:
            part.step()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        first = 0
        for part, count in zip(self._parts, self._counts, strict=True):
            part.param_groups = self.param_groups[first : first + count]
            part.state = self.state
            first += count


def muon_with_adamw(model: Any, settings: Hyperparameters, *, hidden_matrices: Sequence[str]) -> MuonWithAdamW:
    """Split a model's parameters: the named hidden matrices to Muon; embeddings, head, norms and biases to AdamW."""
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    matrices, rest = split(named, hidden_matrices)
    muon = (
        Muon(
            matrices,
            lr=settings.muon_learning_rate,
            momentum=settings.muon_momentum,
            weight_decay=settings.weight_decay,
        )
        if matrices
        else None
    )
    return MuonWithAdamW(muon, adamw(rest, settings) if rest else None)


def split(
    named: dict[str, torch.nn.Parameter], hidden_matrices: Sequence[str]
) -> tuple[list[torch.nn.Parameter], list[torch.nn.Parameter]]:
    """(for Muon, for AdamW). A hidden parameter that is no matrix goes to AdamW."""
    hidden = {name for name in hidden_matrices if name in named and named[name].ndim == 2}
    return [named[n] for n in named if n in hidden], [named[n] for n in named if n not in hidden]


def orthogonal(gradients: Tensor) -> Tensor:
    """Nearest orthogonal matrices, roughly, by Newton-Schulz; `gradients` is (N, short, long)."""
    a, b, c = NEWTON_SCHULZ
    x = gradients.to(_iteration_dtype(gradients.device))
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=_EPSILON)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.to(gradients.dtype)


def _iteration_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 as published, where the machine computes it; elsewhere it would be emulated, slower than float32."""
    return torch.bfloat16 if multiplies_bfloat16(device) else torch.float32


def _lying(matrix: Tensor) -> Tensor:
    return matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT
