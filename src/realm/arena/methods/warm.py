"""What every trainer of the arena does differently from the stock Trainer. Knows no loss."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from realm.arena.callbacks import StepFacts
from realm.arena.crew import PATIENCE
from realm.arena.data import Reading
from realm.arena.methods import shares
from realm.arena.random_state import random_state, restore_random_state
from realm.arena.seeds import number
from realm.config.schema import Hyperparameters
from realm.records import LevelCell


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


class WarmCourse(ABC):
    """One quest, read and ordered, whose batches are known before the first step.

    A `loader` is a dataclass that iterates over batches from its field `first` on, with the `plan` that they follow.
    """

    def __init__(self, trainer: Any, reading: Reading, loader: Any, seed: str) -> None:
        self.reading = reading
        self.steps: int = loader.plan.steps
        self._trainer = trainer
        self._loader = loader
        self._seed = seed
        self._counted = (0, 0)
        self._level_tokens: Counter[LevelCell] = Counter()

    @abstractmethod
    def tokens(self, part: Any) -> tuple[int, int]:
        """The trained and the useful tokens of a part of a batch."""

    @abstractmethod
    def validate(self) -> float | None:
        """Loss on the held-out slice; None when there is none."""

    def run(self, first_step: int, watch: Any) -> None:
        trainer = self._trainer
        self._counted, self._level_tokens = (0, 0), Counter()  # of a step that memory cut short
        trainer.batches = _Counted(self.batches(first_step), self)
        trainer.add_callback(watch)
        try:
            trainer.train()
        finally:
            trainer.remove_callback(watch)
            trainer.batches = ()
            trainer.model.zero_grad()
            trainer.step_loss = 0.0

    def batches(self, first_step: int = 0) -> Any:
        """The batches from an optimizer step of the quest on."""
        return replace(self._loader, first=self._loader.plan.first_batch(first_step))

    def measures(self) -> dict[str, float]:
        """What else was measured in this step, by name."""
        return {}

    def facts(self) -> StepFacts:
        trainer, (trained, useful) = self._trainer, self._counted
        self._counted = (0, 0)
        level_tokens, self._level_tokens = self._level_tokens, Counter()
        loss, trainer.step_loss = float(trainer.step_loss), 0.0
        rate = trainer.optimizer.param_groups[-1]["lr"]
        return StepFacts(loss, float(trainer.step_grad_norm), rate, trained, useful, level_tokens, self.measures())

    def count(self, index: int, batch: Any) -> None:
        """A batch is about to be trained: its tokens count, and its draws (dropout) follow from its name alone."""
        counts = [self._counted, *map(self.tokens, batch)]
        self._counted = sum(trained for trained, _ in counts), sum(useful for _, useful in counts)
        self._level_tokens += self._loader.level_tokens(index)
        torch.manual_seed(number(self._seed, "batch", index))


class _Counted:
    """A loader that tells the course of each batch."""

    def __init__(self, loader: Any, course: WarmCourse) -> None:
        self._loader = loader
        self._course = course

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        for index, batch in enumerate(self._loader, start=self._loader.first):
            self._course.count(index, batch)
            yield batch


def common_arguments(settings: Hyperparameters) -> dict[str, Any]:
    """What each trainer is told: only the Trainer's loop is wanted, not its logging, saving or data preparation."""
    together_on_cpu = shares.ranks() > 1 and not torch.cuda.is_available()
    return {
        "output_dir": tempfile.gettempdir(),  # the Trainer insists on a folder; nothing is written to it
        "per_device_train_batch_size": settings.batch_rows,
        "gradient_accumulation_steps": settings.gradient_accumulation_steps,
        "max_grad_norm": settings.max_grad_norm,
        "num_train_epochs": 1,  # all passes are one sequence of batches
        "learning_rate": settings.learning_rate,
        "bf16": False,  # the trainer's own: see WarmTrainer.bf16
        "activation_checkpointing": settings.gradient_checkpointing,
        "seed": settings.seed % 2**32,
        "report_to": "none",
        "disable_tqdm": True,
        "logging_strategy": "no",
        "logging_nan_inf_filter": False,
        "save_strategy": "no",
        "eval_strategy": "no",
        "dataloader_pin_memory": False,
        "ddp_timeout": int(PATIENCE.total_seconds()),
        "ddp_backend": "gloo" if together_on_cpu else None,
        "use_cpu": together_on_cpu,  # else accelerate trains one process and says nothing
        "remove_unused_columns": False,
    }


def quiet(trainer: Any) -> None:
    """Take away the callback that prints."""
    for callback in list(trainer.callback_handler.callbacks):
        if type(callback).__name__ == "PrinterCallback":
            trainer.remove_callback(callback)


def first(batches: list[Any]) -> Any:
    """The collator of batches that are made already."""
    return batches[0]


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
