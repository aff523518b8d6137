"""What every trainer of the arena does differently from the stock Trainer. Knows no loss."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from realm.arena.methods import shares
from realm.arena.random_state import random_state, restore_random_state


class WarmTrainer:
    """Mixed in before a `transformers.Trainer`: trains on batches that are handed in, and reports loss and norm.

    Nothing is logged, saved, counted or sent by the Trainer itself: the arena's callback does what is wanted of it.
    """

    batches: Any = ()
    """The batches of the run, each a list of parts; something with a length."""
    bf16 = False
    """Whether products are taken in bfloat16. Not left to accelerate, which wraps the model anew at each `train`."""
    step_loss: Any = 0.0
    """Loss of the optimizer step in training, summed over its batches."""
    step_grad_norm: Any = 0.0
    """Norm of its gradient before clipping."""

    def get_train_dataloader(self) -> Any:
        return self.batches

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        step = super().training_step  # type: ignore[misc]
        if shares.ranks() > 1:
            loss = 0.0
            for part, context in shares.passes(model, shares.own(inputs)):
                with context:
                    loss = loss + step(model, part, num_items_in_batch)
        else:
            loss = sum(step(model, part, num_items_in_batch) for part in inputs)
        self.step_loss = self.step_loss + loss
        return loss

    def autocast_smart_context_manager(self, cache_enabled: bool | None = True) -> Any:
        return torch.autocast(self.args.device.type, torch.bfloat16, self.bf16, cache_enabled)  # type: ignore[attr-defined]

    def _clip_grad_norm(self, model: Any) -> Any:
        if shares.ranks() > 1:  # each rank's share was scaled up, for the gradients' sake
            self.step_loss = shares.total(self.step_loss) / shares.ranks()
        self.step_grad_norm = super()._clip_grad_norm(model)  # type: ignore[misc]
        return self.step_grad_norm

    def floating_point_ops(self, inputs: Any) -> int:
        return 0  # the stock one walks over all parameters at each step

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """The stock one prints."""

    def _send_telemetry(self) -> None:
        """A hero's training is nobody else's business."""


@contextmanager
def untouched(model: Any) -> Iterator[None]:
    """Keep the random state and the model's own forward while a trainer is built: TRL reseeds and patches."""
    state, forward = random_state(), model.__dict__.get("forward")
    try:
        yield
    finally:
        restore_random_state(state)
        model.__dict__.pop("forward", None)
        if forward is not None:
            model.__dict__["forward"] = forward
        model.config.use_cache = True  # what is written must answer quickly elsewhere
