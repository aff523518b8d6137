"""What happens around each optimizer step: finite or stop, metrics, validation, saves, requests. Knows no loss."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from transformers import TrainerCallback

from realm.arena.control import Hooks, next_request
from realm.errors import NonFinite
from realm.records import LevelCell, StepMetrics

if TYPE_CHECKING:
    from realm.arena.engine import Engine

Ending = Literal["stop", "skip"]


@dataclass(frozen=True, slots=True)
class StepFacts:
    """What a trainer knows of the step it is in."""

    loss: float
    grad_norm: float
    learning_rate: float
    trained_tokens: int
    input_tokens: int
    level_tokens: Mapping[LevelCell, int] = field(default_factory=dict)
    """The trained tokens by skill and level."""
    measures: Mapping[str, float] = field(default_factory=dict)
    """What else the method measured, by name."""


class StepWatch(TrainerCallback):  # type: ignore[misc]
    """One quest's callback. `facts` reads the running step off the trainer, `validate` measures the held-out slice."""

    def __init__(
        self,
        engine: Engine,
        hooks: Hooks,
        *,
        steps: int,
        facts: Callable[[], StepFacts],
        validate: Callable[[], float | None],
    ) -> None:
        self._engine = engine
        self._hooks = hooks
        self._steps = steps
        self._facts = facts
        self._validate = validate
        self._saved_step = engine.progress.step
        self._mark = time.perf_counter()
        self._now: StepFacts | None = None
        self.losses: list[float] = []
        self.val_loss: float | None = None
        self.tokens = 0
        self.ending: Ending | None = None
        self.updating = False
        """Between the first weight that may have moved and the end of the step."""

    def ask(self) -> Ending | None:
        """Wait while paused; remember how the run is to end."""
        self.ending = next_request(self._hooks, self._engine.progress.step)
        self._mark = time.perf_counter()
        return self.ending

    def save(self) -> None:
        """Have a checkpoint written, unless this step has one."""
        if self._engine.progress.step != self._saved_step:
            self._hooks.save(self._engine)
            self._saved_step = self._engine.progress.step

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._now = facts = self._facts()
        # Before the update, so that neither the weights nor the optimizer have seen the number.
        for what, value in (("loss", facts.loss), ("gradient norm", facts.grad_norm)):
            if not math.isfinite(value):
                raise NonFinite(
                    f"The {what} became {value} at step {self._engine.progress.step + 1}; the update was not made.",
                    hint="Lower learning_rate, or look at the quest's rows; the last checkpoint is intact.",
                )
        self.updating = True

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        assert self._now is not None
        facts, engine = self._now, self._engine
        engine.average.update()
        engine.progress = progress = replace(
            engine.progress,
            step=engine.progress.step + 1,
            tokens=engine.progress.tokens + facts.trained_tokens,
            quest_step=engine.progress.quest_step + 1,
        )
        engine.count(facts.level_tokens)
        seconds = time.perf_counter() - self._mark
        self.tokens += facts.trained_tokens
        self.losses = [*self.losses[:1], facts.loss]
        last = progress.quest_step >= self._steps
        self._hooks.on_step(self._metrics(facts, seconds, self._measured(last)))
        if last or self.ask():
            control.should_training_stop = True
        elif progress.step % engine.settings.save_steps == 0:
            self.save()
        self.updating = False
        self._mark = time.perf_counter()

    def _measured(self, last: bool) -> float | None:
        if not last and self._engine.progress.quest_step % self._engine.settings.eval_steps:
            return None
        value = self._validate()
        self.val_loss = self.val_loss if value is None else value
        return value

    def _metrics(self, facts: StepFacts, seconds: float, val_loss: float | None) -> StepMetrics:
        progress = self._engine.progress
        return StepMetrics(
            step=progress.step,
            time=time.time(),
            loss=facts.loss,
            grad_norm=facts.grad_norm,
            learning_rate=facts.learning_rate,
            tokens=facts.trained_tokens,
            input_tokens=facts.input_tokens,
            step_seconds=seconds,
            quest_step=progress.quest_step,
            quest_steps=self._steps,
            val_loss=val_loss,
            measures=facts.measures,
        )
