"""Odds-ratio preference optimisation (https://arxiv.org/abs/2403.07691) on TRL's ORPOTrainer. Knows no file."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from trl.trainer.utils import add_fused_lm_head

from realm.arena.methods.preference import PreferenceMethod, WarmPreferenceTrainer, preference_arguments
from realm.arena.packing import Indices, Plan
from realm.arena.preferences import Answers, Pairs, Part, both
from realm.config.schema import Hyperparameters
from realm.records import Row

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # TRL says at import that it may move this trainer; the version is pinned
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer


class WarmORPOTrainer(WarmPreferenceTrainer, ORPOTrainer):  # type: ignore[misc]
    """TRL's odds ratio and metrics. The likelihood is that of the chosen answer alone, as in the paper's equation 2.

    TRL's own also counts the question's tokens, which nothing else here trains on.
    """

    _stored_metrics: dict[str, dict[str, list[float]]]
    _chosen_tokens = 0
    """Of the chosen answers of the batch in hand."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        find = getattr(self.model, "get_base_model", None)
        # As in TRL's DPOTrainer: answers are scored without holding all logits.
        add_fused_lm_head(find() if find else self.model, outputs=("log_probs", "mean_logits"))

    @property
    def _metrics(self) -> Mapping[str, dict[str, list[float]]]:  # type: ignore[override]
        return self._stored_metrics

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        self._chosen_tokens = sum(int(part["completion_mask"][:, 1:].chunk(2)[0].sum()) for part in inputs)
        return super().training_step(model, inputs, num_items_in_batch)

    def concatenated_forward(self, model: Any, batch: Part) -> tuple[Tensor, ...]:
        """Mean log-probabilities (B,) and mean logits of chosen and rejected answers, and the chosen ones' loss."""
        mask = batch["completion_mask"][:, 1:]
        out = model(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            use_cache=False,
            labels=batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100),
            fused_lm_head=True,
        )
        sums, lengths = out.log_probs.sum(-1), mask.sum(-1)
        chosen, rejected = (sums / lengths).chunk(2)
        # a part is weighed by its pairs, and the likelihood is a mean over the tokens of the whole batch
        tokens = lengths.chunk(2)[0].sum() if self.share == 1.0 else self._chosen_tokens * self.share
        loss = -sums.chunk(2)[0].sum() / tokens
        told = (chosen, rejected, *out.mean_logits.chunk(2), loss)
        return (*told, out.aux_loss) if self.aux_loss_enabled else told


class OddsRatio(PreferenceMethod):
    """The method `orpo`: supervised learning of the chosen answer, and odds against the rejected one. No reference."""

    trainer_class = WarmORPOTrainer

    def arguments(self, settings: Hyperparameters) -> Any:
        return ORPOConfig(**preference_arguments(settings))

    def expand(self, row: Row) -> Sequence[tuple[Row, bool]]:
        return both(row)

    def units(self, answers: Answers, plan: Callable[[Indices], Plan] | None) -> Pairs:
        return Pairs(answers)
