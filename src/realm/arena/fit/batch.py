"""The largest batch that a device computes at once, by doubling. The search is pure; `Trial` does the trying."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from realm.arena.fit.memory import begin_peak, give_back, is_shortage, peak_bytes, room_bytes, taken_bytes
from realm.arena.packing import CPU_PART_TOKENS
from realm.arena.precision import prepare
from realm.arena.random_state import random_state, restore_random_state
from realm.config.schema import Hyperparameters

UNKNOWN_MOST = 512
"""Where no hardware profile sets a limit."""


OF_ANSWERS = frozenset({"dpo", "orpo", "kto", "grpo", "rloo"})
"""Methods whose rows are answers to compare; the others pack theirs."""


def sequences(settings: Hyperparameters) -> tuple[int, int]:
    """How many sequences one row of a batch puts through the model, and the longest one's tokens."""
    if settings.method in {"grpo", "rloo"}:
        return settings.num_generations, settings.max_length + settings.max_completion_length
    return (2 if settings.method in OF_ANSWERS else 1), settings.max_length


def largest(fits: Callable[[int], bool], *, most: int) -> int:
    """The largest of 1, 2, 4, ... up to `most` that fits; 1 when none does (the run will say so)."""
    rows = 1
    if not fits(rows):
        return rows
    while rows * 2 <= most and fits(rows * 2):
        rows *= 2
    return rows


def most_rows(settings: Hyperparameters, device: torch.device, allowed: int | None) -> int:
    """Rows that are worth trying. Packed rows are computed in parts on the CPU, which more rows do not make larger."""
    most = allowed or UNKNOWN_MOST
    if device.type == "cpu" and settings.packing and settings.method not in OF_ANSWERS:
        most = min(most, max(1, CPU_PART_TOKENS // settings.max_length))
    return most


@dataclass(slots=True)
class Trial:
    """Forward and backward passes over made-up rows of full length, all of it trained, within a limit of memory.

    All methods are tried with the loss of `sft`; those that compare answers hold no logits, and need less.
    `reserved` bytes are left for what comes after the first pass: the optimizer's state.
    """

    model: Any
    settings: Hyperparameters
    limit: float
    reserved: float
    before: int = 0
    """Peak of the try before, of half as many rows."""
    bare: int = 0

    def fits(self, rows: int) -> bool:
        """Whether so many rows can be computed at once. A machine without a card is asked before it runs out: its
        system ends a process rather than refuse it memory."""
        device = self.model.device
        if device.type != "cuda" and self.before and self._foreseen(rows) > self.limit:
            return False
        self.bare = self.bare or taken_bytes(device)
        begin_peak(device)
        try:
            self._pass(rows)
        except (MemoryError, RuntimeError) as error:
            if not is_shortage(error):
                raise
            fits = False
        else:
            self.before = peak_bytes(device)
            fits = self.before + self.reserved <= self.limit
        finally:
            self.model.zero_grad(set_to_none=True)
        give_back()
        return fits

    def _foreseen(self, rows: int) -> float:
        return self.bare + 2 * (self.before - self.bare) + self.reserved

    def _pass(self, rows: int) -> None:
        from realm.arena.methods.sft import summed_loss  # noqa: PLC0415 - the methods open with the fit at hand

        model, (each, width) = self.model, sequences(self.settings)
        rows *= each
        ids = torch.zeros(rows, width, dtype=torch.long, device=model.device)
        places = torch.arange(width, device=model.device).expand(rows, width)
        at = torch.arange(rows * width, device=model.device)
        part = {"input_ids": ids, "position_ids": places, "trained_at": at, "targets": ids.reshape(-1)}
        with torch.autocast(model.device.type, torch.bfloat16, prepare(model, self.settings.bf16)):
            torch.autograd.backward(summed_loss(model, model.get_output_embeddings(), part))


def find_rows(model: Any, settings: Hyperparameters, *, allowed: int | None, limit: float, reserved: float) -> int:
    """Rows of full length that fit beside the model and its gradients. Leaves no gradient and draws no number."""
    drawn, training = random_state(), model.training
    model.train()
    if settings.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    try:
        trial = Trial(model, settings, min(limit, room_bytes(model.device)), reserved)
        return largest(trial.fits, most=most_rows(settings, model.device, allowed))
    finally:
        model.train(training)
        if settings.gradient_checkpointing:
            model.activation_checkpointing_disable()
        restore_random_state(drawn)
