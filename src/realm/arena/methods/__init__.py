"""Training methods by name; third parties add theirs by the entry point `realm.methods`. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from realm.arena.fit.fit import Fit
from realm.config.schema import Hyperparameters
from realm.records import Row
from realm.registry import Registry

if TYPE_CHECKING:
    from realm.arena.callbacks import StepFacts
    from realm.arena.data import Reading, Rendered


Grade = Callable[[Sequence[Row], Sequence[str]], Sequence[float]]
"""Rewards, 0 to 1, of answers to prompt-only rows: one answer for each row."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What stays loaded between quests and is handed to a method once."""

    model: Any
    tokenizer: Any
    optimizer: Any
    scheduler: Any
    settings: Hyperparameters
    render: Callable[[Sequence[Row]], Sequence[Rendered]]
    grade: Grade | None = None
    """None where nobody can grade; a method that needs rewards then raises TrainingError."""
    fit: Fit = field(default_factory=Fit)
    """What is known of the memory; `fit.part_tokens` limits what is computed at once."""


class Course(Protocol):
    """One quest, read and planned."""

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole quest."""

    @property
    def reading(self) -> Reading: ...

    def run(self, first_step: int, watch: Any) -> None:
        """Train from that step of the quest on; `watch` is the callback of the run."""

    def facts(self) -> StepFacts:
        """The step in training, once its gradient stands."""

    def validate(self) -> float | None:
        """Loss per trained token on the held-out slice; None when there is none."""


class Method(Protocol):
    """A way to train, opened once for a model and used for one quest after the other."""

    def course(self, rows: Iterable[Row], *, seed: str) -> Course:
        """Read a quest's rows; the order of its batches follows from rows, settings and the named seed."""


Opening = Callable[[Parts], Method]

methods: Registry[Opening] = Registry("training method", "realm.methods")


def _sft() -> Opening:
    from realm.arena.methods.sft import SupervisedFineTuning  # noqa: PLC0415 - trl takes seconds to import

    return SupervisedFineTuning


methods.register("sft", _sft)
methods.register("sparring", _sft)  # the rows differ, not the training
