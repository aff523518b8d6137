"""What the methods that learn from preferences share: reading, reference, loop. Their losses are TRL's own.

The reference is the policy at the start of a quest. Its log-probabilities of all answers are taken once, before the
first step, and sealed with every checkpoint inside the quest: memory stays that of one model, and a run that was
killed goes on against the very same numbers. Knows no file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from math import isfinite
from statistics import fmean
from typing import Any, ClassVar

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from transformers import Trainer

from realm.arena.methods import Parts
from realm.arena.methods.warm import WarmCourse, WarmTrainer, common_arguments, first, quiet, untouched
from realm.arena.packing import Indices, Plan
from realm.arena.precision import prepare
from realm.arena.preferences import Answers, Expand, Part, UnitLoader, Units, part_of, read
from realm.config.schema import Hyperparameters
from realm.errors import CheckpointError, TrainingError
from realm.records import Row

MEASURES = {
    "rewards/margins": "margin",
    "rewards/accuracies": "accuracy",
    "rewards/chosen": "chosen_reward",
    "rewards/rejected": "rejected_reward",
    "log_odds_chosen": "log_odds",
    "kl": "kl",
}
"""What is told of TRL's own metrics, and under which name (docs/methods.md)."""
HELD_OUT_BATCHES = 2
"""A reading of the validation loss costs about as much as this many training batches at most."""


class WarmPreferenceTrainer(WarmTrainer):
    """Mixed in before a trainer of TRL that learns from preferences: its rows are read already."""

    _metrics: Mapping[str, dict[str, list[float]]]
    share = 1.0
    """What the part in hand is of its batch."""
    shares: Sequence[float] = ()
    """Of the parts whose metrics were not taken yet."""

    def compute_loss(
        self, model: Any, inputs: Part, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor:
        """TRL's mean over the units of a part, as its share of the batch's mean."""
        self.share = inputs.pop("share", 1.0)
        self.shares = (*self.shares, self.share)
        loss: Tensor = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)  # type: ignore[misc]
        return loss if self.share == 1.0 else loss * self.share

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset

    def _precompute_ref_logps(self, dataset: Any, *_: Any) -> Any:
        return dataset

    def _prepare_inputs(self, inputs: Part) -> Any:
        return Trainer._prepare_inputs(self, inputs)

    def take_measures(self) -> dict[str, float]:
        """Means of what was measured since this was asked last."""
        taken: dict[str, float] = {}
        weights, self.shares = self.shares, ()
        for measured in self._metrics.values():
            told = {MEASURES[name]: values for name, values in measured.items() if name in MEASURES}
            taken |= {
                name: fmean(values, weights if len(values) == len(weights) else None) for name, values in told.items()
            }
            measured.clear()
        return {name: value for name, value in taken.items() if isfinite(value)}


class PreferenceMethod(ABC):
    """Opened once for a model. Subclasses name TRL's trainer, and what a unit of its batches is."""

    trainer_class: ClassVar[type[Any]]
    reference_names: ClassVar[tuple[str, ...]] = ()
    """TRL's names of the reference's log-probabilities in a batch; without any there is no reference."""
    least_batch: ClassVar[int] = 1

    @property
    def divides(self) -> bool:
        """Whether the loss of a batch is a mean of its units' own losses, so that parts of it add up to the whole."""
        return True

    def __init__(self, parts: Parts) -> None:
        settings = parts.settings
        if settings.batch_rows < self.least_batch:
            raise TrainingError(
                f"This method compares the answers of a batch, and per_device_train_batch_size is "
                f"{settings.batch_rows}.",
                hint=f"Set per_device_train_batch_size = {self.least_batch} or more.",
            )
        self.parts = parts
        find = getattr(parts.model, "get_base_model", None)
        self._scored = find() if find else parts.model  # TRL patches the model below an adapter
        with untouched(parts.model):
            self.trainer = self.trainer_class(
                model=parts.model,
                args=self.arguments(settings),
                data_collator=first,
                train_dataset=_Unread.from_dict({"prompt": [""]}),
                processing_class=parts.tokenizer,
                optimizers=(parts.optimizer, parts.scheduler),
            )
            self._forward = self._scored.__dict__["forward"]
        if "ref" in getattr(parts.model, "peft_config", {}):
            parts.model.delete_adapter("ref")  # TRL's copy of the adapter: the reference is kept as numbers here
        self.trainer.bf16 = prepare(parts.model, settings.bf16)
        quiet(self.trainer)

    @abstractmethod
    def arguments(self, settings: Hyperparameters) -> Any:
        """TRL's settings of this method."""

    @abstractmethod
    def expand(self, row: Row) -> Sequence[tuple[Row, bool]]:
        """The answers of a row, each as a row to render, and whether it is wanted."""

    @abstractmethod
    def units(self, answers: Answers, plan: Callable[[Indices], Plan] | None) -> Units:
        """What a batch counts; `plan` makes the batches of units of these lengths (None: held out)."""

    def course(self, rows: Iterable[Row], *, seed: str) -> PreferenceCourse:
        settings = self.parts.settings
        budget = settings.batch_rows * settings.max_length
        expand: Expand = self.expand
        reading = read(
            rows,
            expand,
            self.parts.render,
            max_length=settings.max_length,
            eval_fraction=settings.eval_fraction,
            held_out_tokens=HELD_OUT_BATCHES * budget,
        )
        if not len(reading.train.examples):
            raise TrainingError(
                "The quest holds no row with answers to train on.",
                hint=f"Answers must begin within max_length = {settings.max_length} tokens.",
            )

        def plan(lengths: Indices) -> Plan:
            return self._plan(lengths, seed)

        train, held_out = self.units(reading.train, plan), self.units(reading.held_out, None)
        within = self.parts.fit.part_tokens if self.divides else None
        loader = UnitLoader(train, plan(train.lengths), self.pad_id, self._unknown(train), part_tokens=within)
        return PreferenceCourse(self, reading.counts(), loader, held_out, self._unknown(held_out), seed)

    @property
    def pad_id(self) -> int:
        return int(self.parts.tokenizer.pad_token_id)

    @contextmanager
    def scoring(self) -> Iterator[Any]:
        """The trainer while the model scores answers in TRL's way and drops nothing; afterwards it is as it was."""
        forward = self._scored.__dict__.get("forward")
        self._scored.__dict__["forward"] = self._forward
        try:
            with without_dropout(self.parts.model):
                yield self.trainer
        finally:
            self._scored.__dict__.pop("forward")
            if forward is not None:
                self._scored.__dict__["forward"] = forward
            self.trainer.take_measures()

    def refer(self, units: Units, reference: Mapping[str, Tensor], before_batch: Callable[[], object]) -> None:
        """Fill in the log-probabilities of all units by the model as it stands, longest first."""
        if not reference:
            return
        size = self.at_once(units, self.parts.fit.part_tokens)
        order = np.argsort(-units.lengths, kind="stable")
        with self.scoring() as trainer:
            trainer.model.eval()
            for begin in range(0, len(order), size):
                before_batch()
                members = order[begin : begin + size]
                part = trainer._prepare_inputs(units.part(members, self.pad_id))
                with torch.no_grad(), trainer.autocast_smart_context_manager():
                    found = self.log_probs(part)
                for name, values in zip(self.reference_names, found, strict=True):
                    reference[name][torch.from_numpy(members)] = values.float().cpu()
            trainer.model.train()

    def at_once(self, units: Units, part_tokens: int | None) -> int:
        """Units of a batch whose answers are scored without a gradient."""
        rows = self.parts.settings.batch_rows
        if part_tokens is None:
            return rows
        return max(1, min(rows, part_tokens // (units.each * int(units.lengths.max(initial=1)))))

    def log_probs(self, part: Part) -> tuple[Tensor, ...]:
        """The log-probabilities of a part, each (B,), in the order of `reference_names`."""
        raise NotImplementedError  # of a method without reference nobody asks

    def _plan(self, lengths: Indices, seed: str) -> Plan:
        settings = self.parts.settings
        return Plan(
            lengths,
            seed=seed,
            batch_rows=settings.batch_rows,
            max_length=settings.max_length,
            packing=False,
            accumulation=settings.gradient_accumulation_steps,
            epochs=settings.num_train_epochs,
            max_steps=settings.max_steps,
        )

    def _unknown(self, units: Units) -> dict[str, Tensor]:
        return {name: torch.full((len(units),), float("nan")) for name in self.reference_names}


class PreferenceCourse(WarmCourse):
    """One quest of preferences, read and ordered. `begin` comes before the first step."""

    def __init__(
        self,
        method: PreferenceMethod,
        reading: Any,
        loader: UnitLoader,
        held_out: Units,
        held_out_reference: dict[str, Tensor],
        seed: str,
    ) -> None:
        super().__init__(method.trainer, reading, loader, seed)
        self.learning_rate_share = method.parts.settings.preference_learning_rate_share
        self._method = method
        self._held_out = held_out
        self._references = {"train": dict(loader.reference), "held_out": held_out_reference}
        self._measures: dict[str, float] = {}

    def begin(
        self,
        kept: Mapping[str, Tensor] | None,
        before_batch: Callable[[], object],
        measured: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Let the model as it stands be the reference, or what a checkpoint kept of the one at the quest's start.

        The weights in training are compared with themselves, and so are those that are measured (their mean).
        Raises CheckpointError when that does not fit the rows.
        """
        if kept is None:
            self._method.refer(self._loader.units, self._references["train"], before_batch)
            with measured():
                self._method.refer(self._held_out, self._references["held_out"], before_batch)
            return
        mine = self.state()
        if {name: len(values) for name, values in kept.items()} != {name: len(values) for name, values in mine.items()}:
            raise CheckpointError(
                "The checkpoint's reference is of other rows, or of another method, than the quest's.",
                hint="Leave the quest with `realm skip` and queue it anew with `realm quest retry`.",
            )
        for name, values in mine.items():
            values.copy_(kept[name])

    def state(self) -> dict[str, Tensor]:
        """The reference's log-probabilities, by part of the quest and name."""
        return {f"{part}.{name}": values for part, found in self._references.items() for name, values in found.items()}

    def lighten(self) -> tuple[int, int] | None:
        """See `fit.shortage.Divisible`. The sums of a step are the same, added up in another order."""
        if not self._method.divides:
            return None
        least = self._loader.largest_tokens
        before = self._loader.part_tokens or self._method.parts.settings.batch_rows * least
        if before <= least:
            return None
        tokens = max(before // 2, least)
        self._loader = replace(self._loader, part_tokens=tokens)
        return before, tokens

    def tokens(self, part: Part) -> tuple[int, int]:
        return int(part["completion_mask"].sum()), int(part["attention_mask"].sum())

    def run(self, first_step: int, watch: Any) -> None:
        with self._method.scoring():
            super().run(first_step, watch)

    def measures(self) -> dict[str, float]:
        self._measures = self._trainer.take_measures()
        return self._measures

    @torch.no_grad()
    def validate(self) -> float | None:
        """Mean loss of the held-out units; what else was measured of them joins the measures of the step in hand."""
        if not len(self._held_out):
            return None
        with self._method.scoring() as trainer:
            trainer.model.eval()
            total, size = 0.0, self._method.at_once(self._held_out, self._loader.part_tokens)
            told: dict[str, float] = {}
            for begin in range(0, len(self._held_out), size):
                members = np.arange(begin, min(begin + size, len(self._held_out)))
                share = len(members) / len(self._held_out)
                part = part_of(self._held_out, members, self._method.pad_id, self._references["held_out"])
                with trainer.autocast_smart_context_manager():
                    total += share * float(trainer.compute_loss(trainer.model, trainer._prepare_inputs(part)))
                for name, value in trainer.take_measures().items():
                    told[f"val_{name}"] = told.get(f"val_{name}", 0.0) + share * value
            trainer.model.train()
        self._measures.update(told)
        return total


def log_probs(model: Any, part: Part, prefix: str = "") -> Tensor:
    """Summed log-probabilities (B,) of the answers, by a model that scores in TRL's way."""
    ids, mask = part[f"{prefix}input_ids"], part[f"{prefix}completion_mask"]
    out = model(
        input_ids=ids,
        attention_mask=part[f"{prefix}attention_mask"],
        use_cache=False,
        labels=ids.masked_fill(mask == 0, -100),
        fused_lm_head=True,
    )
    total: Tensor = out.log_probs[:, -(ids.shape[1] - 1) :].sum(-1)
    return total


def preference_arguments(settings: Hyperparameters) -> dict[str, Any]:
    """What TRL's trainers of preferences are told. Dropout is off while they score: see `without_dropout`."""
    return common_arguments(settings) | {
        "max_length": settings.max_length,
        "beta": settings.beta,
        "disable_dropout": False,
    }


@contextmanager
def without_dropout(model: Any) -> Iterator[None]:
    """No dropout, as is TRL's rule for preferences (policy and reference must agree); afterwards as it was."""
    layers = [(layer, layer.p) for layer in model.modules() if isinstance(layer, torch.nn.Dropout)]
    for layer, _ in layers:
        layer.p = 0.0
    try:
        yield
    finally:
        for layer, share in layers:
            layer.p = share


class _Unread(Dataset):  # type: ignore[misc]
    """What the trainers ask for and never read."""

    def map(self, *_: Any, **__: Any) -> _Unread:
        return self
