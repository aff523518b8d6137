"""Direct preference optimisation (https://arxiv.org/abs/2305.18290) on TRL's DPOTrainer. Knows no file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from trl import DPOConfig, DPOTrainer

from realm.arena.methods.preference import PreferenceMethod, WarmPreferenceTrainer, log_probs, preference_arguments
from realm.arena.packing import Indices, Plan
from realm.arena.preferences import Answers, Pairs, Part, both
from realm.config.schema import Hyperparameters
from realm.records import Row

_OF_A_BATCH = {"aot", "aot_unpaired", "sft"}
"""Losses that sort the pairs of a batch, or divide by all of its tokens."""


class WarmDPOTrainer(WarmPreferenceTrainer, DPOTrainer):  # type: ignore[misc]
    """TRL's losses and metrics, on batches that are handed in with the reference's log-probabilities."""


class DirectPreference(PreferenceMethod):
    """The method `dpo`: the chosen answer gains on the rejected one, measured against the reference."""

    trainer_class = WarmDPOTrainer
    reference_names = ("ref_chosen_logps", "ref_rejected_logps")

    @property
    def divides(self) -> bool:
        return not _OF_A_BATCH & set(self.parts.settings.loss_type)

    def arguments(self, settings: Hyperparameters) -> Any:
        return DPOConfig(
            **preference_arguments(settings),
            loss_type=list(settings.loss_type),
            loss_weights=list(settings.loss_weights) or None,
            label_smoothing=settings.label_smoothing,
            precompute_ref_log_probs=True,
        )

    def expand(self, row: Row) -> Sequence[tuple[Row, bool]]:
        return both(row)

    def units(self, answers: Answers, plan: Callable[[Indices], Plan] | None) -> Pairs:
        return Pairs(answers)

    def log_probs(self, part: Part) -> tuple[Tensor, ...]:
        chosen, rejected = log_probs(self.trainer.model, part).chunk(2)
        return chosen, rejected
