"""A running mean of a model's weights, for answering. Knows no optimizer and no file.

At a learning rate that does not fall, the weights circle around where they are heading; their mean is there sooner
(Polyak and Juditsky 1992; as an exponential mean e.g. in https://arxiv.org/abs/2411.18704).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

UPDATES = "updates"


class WeightAverage:
    """The exponential mean of a model's trained parameters; with `decay` 0 it holds nothing and changes nothing."""

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self.decay = decay
        self._updates = 0
        trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad] if decay else []
        self._names = [name for name, _ in trained]
        self._live = [p for _, p in trained]
        self._mean = [p.detach().clone() for p in self._live]

    def __bool__(self) -> bool:
        return bool(self._live)

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are now. The first ones are forgotten faster: they are random."""
        self._updates += 1
        if self._live:
            decay = min(self.decay, self._updates / (self._updates + 10))
            torch._foreach_lerp_(self._mean, [p.detach() for p in self._live], 1.0 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model answers with the mean inside, and has its own weights back outside."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for at, live in enumerate(self._live):
            live.data, self._mean[at] = self._mean[at], live.data

    def state_dict(self) -> dict[str, torch.Tensor]:
        """What a checkpoint keeps beside the mean: the mean is the model that others load."""
        own = {name: p.detach() for name, p in zip(self._names, self._live, strict=True)}
        return {**own, UPDATES: torch.tensor(self._updates)}

    @torch.no_grad()
    def load_state_dict(self, kept: Mapping[str, torch.Tensor] | None) -> None:
        """The model holds the mean of a checkpoint; give it back its own weights. Without `kept` the mean begins anew.

        Raises KeyError when weights are missing.
        """
        self._updates = int(kept[UPDATES]) if kept else 0
        for name, live, mean in zip(self._names, self._live, self._mean, strict=True):
            mean.copy_(live)
            if kept:
                live.copy_(kept[name])
