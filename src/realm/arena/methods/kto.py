"""Learning from single answers that are wanted or not (KTO, https://arxiv.org/abs/2402.01306) on TRL's KTOTrainer.

Knows no file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor
from trl import KTOConfig, KTOTrainer

from realm.arena.methods.preference import PreferenceMethod, WarmPreferenceTrainer, log_probs, preference_arguments
from realm.arena.packing import Indices, Plan
from realm.arena.preferences import Answers, Part, Singles, partners, single
from realm.config.schema import Hyperparameters
from realm.records import Row


class WarmKTOTrainer(WarmPreferenceTrainer, KTOTrainer):  # type: ignore[misc]
    """TRL's loss and metrics, on batches that are handed in with the reference's log-probabilities."""


class UnpairedPreference(PreferenceMethod):
    """The method `kto`: wanted answers rise above the reference, the others fall below it."""

    trainer_class = WarmKTOTrainer
    reference_names = ("ref_logps", "ref_KL_logps")
    least_batch = 2

    @property
    def divides(self) -> bool:
        return False  # the KL term of each answer is the mean over the whole batch

    def arguments(self, settings: Hyperparameters) -> Any:
        return KTOConfig(
            **preference_arguments(settings),
            desirable_weight=settings.desirable_weight,
            undesirable_weight=settings.undesirable_weight,
            precompute_ref_log_probs=True,
        )

    def expand(self, row: Row) -> Sequence[tuple[Row, bool]]:
        return single(row)

    def units(self, answers: Answers, plan: Callable[[Indices], Plan] | None) -> Singles:
        nobody = np.zeros(0, dtype=np.int64)
        units = Singles(answers, nobody, self.parts.settings.max_length)
        paired = partners(plan(units.lengths) if plan else None, len(units))
        return Singles(answers, paired, units.max_length)

    def log_probs(self, part: Part) -> tuple[Tensor, ...]:
        return log_probs(self.trainer.model, part), log_probs(self.trainer.model, part, "KL_")
