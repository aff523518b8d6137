"""Supervised fine-tuning on TRL's SFTTrainer, fed with batches that are already packed. Knows no quest and no file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor
from trl import SFTConfig, SFTTrainer

from realm.arena.batches import Batch, Loader, Part
from realm.arena.data import Examples, Reading, read
from realm.arena.methods import Parts, shares
from realm.arena.methods.warm import WarmCourse, WarmTrainer, common_arguments, first, quiet, untouched
from realm.arena.methods.weighting import TokenWeighting, weighting_of
from realm.arena.packing import CPU_PART_TOKENS, Plan
from realm.arena.precision import prepare
from realm.config.schema import Hyperparameters
from realm.errors import TrainingError
from realm.records import Row

# A reading of the validation loss costs about as much as this many training batches at most.
EVALUATION_BATCHES = 2


class PackedSFTTrainer(WarmTrainer, SFTTrainer):  # type: ignore[misc]
    """SFTTrainer whose loss is the cross-entropy alone, with logits at the trained places only.

    The stock one adds entropy and accuracy at each step and, on the CPU, scores every place.
    """

    loss_is_scaled_for_ga = True

    weighting: TokenWeighting | None = None
    """Weighs the loss of each token; None: every token counts alike."""

    def _get_num_items_in_batch(self, batch_samples: list[Batch], device: Any) -> int:
        parts = [part for batch in batch_samples for part in batch]  # asked before a step, with all its batches
        if self.weighting and len(parts) > 1:
            self.weighting.weigh(parts, self._logits_ahead)
        return sum(len(part["targets"]) for part in parts)

    def compute_loss(
        self, model: Any, inputs: Part, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor:
        items = (num_items_in_batch or len(inputs["targets"])) / shares.ranks()
        # Gradients are averaged over the ranks, and their sum is wanted: so each counts a rank's share of the items.
        if self.weighting is None:
            return summed_loss(model, self.model.get_output_embeddings(), inputs) / items
        logits = logits_at(model, self.model.get_output_embeddings(), inputs)
        weights = inputs["weights"] if "weights" in inputs else self.weighting.of_one(logits, inputs["targets"])
        return (weights * F.cross_entropy(logits, inputs["targets"], reduction="none")).sum() / items

    def _logits_ahead(self, part: Part) -> Tensor:
        with self.autocast_smart_context_manager():
            return logits_at(self.model, self.model.get_output_embeddings(), self._prepare_inputs(part))


class SupervisedFineTuning:
    """The method `sft`: the loss falls on the assistant's tokens."""

    trainer_class = PackedSFTTrainer

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        if parts.settings.packing:
            require_isolation(parts.model)
        with untouched(parts.model):
            self.trainer = self.trainer_class(
                model=parts.model,
                args=arguments(parts.settings),
                data_collator=first,
                train_dataset=Dataset.from_dict({"input_ids": [[0]]}),  # asked for, never read
                processing_class=parts.tokenizer,
                optimizers=(parts.optimizer, parts.scheduler),
            )
        self.trainer.weighting = weighting_of(parts.settings)
        self.trainer.bf16 = prepare(parts.model, parts.settings.bf16)
        quiet(self.trainer)

    def course(self, rows: Iterable[Row], *, seed: str) -> SftCourse:
        settings = self._parts.settings
        budget = settings.batch_rows * shares.ranks() * settings.max_length
        reading = read(
            rows,
            self._parts.render,
            max_length=settings.max_length,
            eval_fraction=settings.eval_fraction,
            held_out_tokens=EVALUATION_BATCHES * budget,
        )
        if not len(reading.train):
            raise TrainingError(
                "The quest holds no row with a token to train on.",
                hint=f"Rows need an answer that begins within max_length = {settings.max_length} tokens.",
            )
        loader = self._loader(
            reading.train,
            seed,
            accumulation=settings.gradient_accumulation_steps,
            epochs=settings.num_train_epochs,
            max_steps=settings.max_steps,
        )
        held_out = self._loader(reading.held_out, "held-out") if len(reading.held_out) else None
        return SftCourse(self.trainer, reading, loader, held_out, seed)

    def _loader(self, examples: Examples, seed: str, **passes: Any) -> Loader:
        settings = self._parts.settings
        plan = Plan(
            examples.lengths,
            seed=seed,
            batch_rows=settings.batch_rows * shares.ranks(),
            max_length=settings.max_length,
            packing=settings.packing,
            **passes,
        )
        return Loader(
            examples,
            plan,
            self._parts.tokenizer.pad_token_id,
            settings.max_length,
            part_tokens(self._parts),
            packing=settings.packing,
        )


class SftCourse(WarmCourse):
    """One quest, read, packed and ordered."""

    def __init__(
        self, trainer: PackedSFTTrainer, reading: Reading, loader: Loader, held_out: Loader | None, seed: str
    ) -> None:
        super().__init__(trainer, reading, loader, seed)
        self._held_out = held_out

    def lighten(self) -> tuple[int, int] | None:
        """See `fit.shortage.Divisible`. The sums of a step are the same, added up in another order."""
        loader = self._loader
        before = loader.part_tokens or loader.plan.batch_tokens
        if before <= loader.longest:
            return None
        tokens = max(before // 2, loader.longest)
        self._loader = replace(loader, part_tokens=tokens)
        self._held_out = self._held_out and replace(self._held_out, part_tokens=tokens)
        return before, tokens

    def tokens(self, part: Part) -> tuple[int, int]:
        return len(part["targets"]), int(part["useful"])

    def measures(self) -> dict[str, float]:
        return dict(self._trainer.weighting.told) if self._trainer.weighting else {}

    @torch.no_grad()
    def validate(self) -> float | None:
        if self._held_out is None:
            return None
        trainer = self._trainer
        trainer.model.eval()
        total, tokens = 0.0, 0
        for part in (part for batch in self._held_out for part in batch):
            on_device = trainer._prepare_inputs(part)
            total += float(summed_loss(trainer.model, trainer.model.get_output_embeddings(), on_device))
            tokens += len(part["targets"])
        trainer.model.train()
        return total / tokens


def part_tokens(parts: Parts) -> int | None:
    """Tokens to compute at once: what suits a core's cache, and no more than memory has room for; None: all."""
    cached = CPU_PART_TOKENS if parts.settings.packing and parts.model.device.type == "cpu" else None
    settings = parts.settings
    shared = settings.batch_rows * settings.max_length if shares.ranks() > 1 else None
    return min((tokens for tokens in (cached, parts.fit.part_tokens, shared) if tokens), default=None)


def summed_loss(model: Any, head: Any, part: Part) -> Tensor:
    """Cross-entropy summed over the trained places of a part."""
    return F.cross_entropy(logits_at(model, head, part), part["targets"], reduction="sum")


def logits_at(model: Any, head: Any, part: Part) -> Tensor:
    """Logits (N, V) in float32 at the trained places of a part. They are computed there and nowhere else."""
    with _only(head, part["trained_at"]):
        logits = model(
            input_ids=part["input_ids"], position_ids=part["position_ids"], use_cache=False
        ).logits  # (1, N, V)
    found: Tensor = logits[0].float()
    return found


@contextmanager
def _only(head: Any, places: Tensor) -> Iterator[None]:
    """The head sees these places of the flattened batch; the model's own scaling of its logits stays in force."""

    def pick(_: Any, args: tuple[Tensor, ...]) -> tuple[Tensor]:
        hidden = args[0]  # (R, W, H)
        return (hidden.reshape(1, -1, hidden.shape[-1]).index_select(1, places),)  # (1, N, H)

    hook = head.register_forward_pre_hook(pick)
    try:
        yield
    finally:
        hook.remove()


@torch.no_grad()
def require_isolation(model: Any) -> None:
    """Raises TrainingError unless examples that share a row are deaf to each other in this model."""
    was_training = model.training
    model.eval()
    device = model.device
    first = torch.tensor([[1, 2, 3, 1, 2], [3, 1, 2, 1, 2]], device=device)
    places = torch.tensor([[0, 1, 2, 0, 1]] * 2, device=device)
    heard = model(input_ids=first, position_ids=places, use_cache=False).logits[:, 3:].float()
    model.train(was_training)
    if not torch.allclose(heard[0], heard[1], rtol=1e-3, atol=1e-3):
        raise TrainingError(
            f"{type(model).__name__} lets the examples of a packed row attend to each other.",
            hint="Set packing = false for this hero, or load it with attention 'sdpa'.",
        )


def arguments(settings: Hyperparameters) -> SFTConfig:
    return SFTConfig(
        **common_arguments(settings), max_length=None, packing=False, dataset_kwargs={"skip_prepare_dataset": True}
    )
