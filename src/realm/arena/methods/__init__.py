"""Training methods by name; third parties add theirs by the entry point `realm.methods`. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from realm.arena.fit.fit import Fit
from realm.config.schema import Hyperparameters
from realm.heroes.hero import LoadedHero
from realm.records import Progress, Row
from realm.registry import Registry

if TYPE_CHECKING:
    from realm.arena.callbacks import StepFacts
    from realm.arena.data import Reading, Rendered


Grade = Callable[[Sequence[Row], Sequence[str]], Sequence[float]]
"""Rewards, 0 to 1, of answers to prompt-only rows: one answer for each row; NaN for a row that nobody can grade."""


class TextTeacher(Protocol):
    """A teacher that only writes: of what it would have said else nothing is known."""

    @property
    def name(self) -> str: ...

    def answer(self, prompts: Sequence[Any]) -> Sequence[str]:
        """Its answers to prompts (text or messages), in their order. Raises TrainingError when it does not answer."""


class Teachers(Protocol):
    """Finds who is learned from, and keeps a quest's teacher the same from its first step to its last."""

    def find(self, name: str, progress: Progress) -> LoadedHero | TextTeacher:
        """The teacher of that name for the quest in training. Raises a RealmError in words when there is none."""

    def kept(self, progress: Progress, tell: str) -> Path:
        """The file that holds the weights a run began with, for a hero that teaches itself; `tell` is its name."""


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
    render_prompt: Callable[[Any], Sequence[int]] = lambda _: ()
    """Token ids of a prompt, up to where the answer begins."""
    teachers: Teachers | None = None
    """None where nobody can be learned from; a method that needs a teacher then raises TrainingError."""
    progress: Callable[[], Progress] = Progress
    """Where the campaign stands: which run and quest, and how far in it."""
    average: Any = None
    """The running mean of the weights (`optim.averaging.WeightAverage`)."""
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


@runtime_checkable
class PreparedCourse(Protocol):
    """A course that looks at the model before the first step of its quest, and must remember what it saw."""

    @property
    def learning_rate_share(self) -> float:
        """What this quest takes of the learning rate."""

    def begin(
        self,
        kept: Mapping[str, Any] | None,
        before_batch: Callable[[], object],
        measured: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Called before `run`. `kept` is the `state` of this quest at the checkpoint that it goes on from.

        Within `measured()` the model has the weights that its validation is read with.
        """

    def state(self) -> Mapping[str, Any]:
        """Tensors that are sealed with each checkpoint inside the quest; none where there is nothing to remember."""


class Method(Protocol):
    """A way to train, opened once for a model and used for one quest after the other."""

    def course(self, rows: Iterable[Row], *, seed: str) -> Course:
        """Read a quest's rows; the order of its batches follows from rows, settings and the named seed."""


Opening = Callable[[Parts], Method]

methods: Registry[Opening] = Registry("training method", "realm.methods")


def _sft() -> Opening:
    from realm.arena.methods.sft import SupervisedFineTuning  # noqa: PLC0415 - trl takes seconds to import

    return SupervisedFineTuning


def _dpo() -> Opening:
    from realm.arena.methods.dpo import DirectPreference  # noqa: PLC0415 - trl takes seconds to import

    return DirectPreference


def _kto() -> Opening:
    from realm.arena.methods.kto import UnpairedPreference  # noqa: PLC0415 - trl takes seconds to import

    return UnpairedPreference


def _orpo() -> Opening:
    from realm.arena.methods.orpo import OddsRatio  # noqa: PLC0415 - trl takes seconds to import

    return OddsRatio


def _distill() -> Opening:
    from realm.arena.methods.distill import Distillation  # noqa: PLC0415 - trl takes seconds to import

    return Distillation


def _grpo() -> Opening:
    from realm.arena.methods.grpo import GroupRelative  # noqa: PLC0415 - trl takes seconds to import

    return GroupRelative


def _rloo() -> Opening:
    from realm.arena.methods.grpo import LeaveOneOut  # noqa: PLC0415 - trl takes seconds to import

    return LeaveOneOut


methods.register("sft", _sft)
methods.register("sparring", _sft)  # the rows differ, not the training
methods.register("dpo", _dpo)
methods.register("kto", _kto)
methods.register("orpo", _orpo)
methods.register("distill", _distill)
methods.register("grpo", _grpo)
methods.register("rloo", _rloo)
