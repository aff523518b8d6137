"""The warm engine: model, optimizer and schedule of one hero in one campaign, kept loaded from quest to quest.

Knows no queue, no database and no manifest.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from realm.arena.control import Hooks
from realm.arena.crew import Crew, Silent
from realm.arena.fit.fit import Fit
from realm.arena.methods import Course, Grade, Method, Parts, PreparedCourse, Teachers, methods
from realm.arena.optim import build
from realm.arena.schedule import Schedule
from realm.config.schema import Hyperparameters
from realm.errors import CheckpointError, MemoryShortage
from realm.heroes.hero import LoadedHero
from realm.records import LevelCell, Progress, Row, RunResult

if TYPE_CHECKING:
    from realm.arena.callbacks import StepWatch
    from realm.arena.data import Reading
    from realm.arena.optim.averaging import WeightAverage

_OUTCOMES: dict[str | None, Literal["completed", "stopped", "skipped"]] = {
    None: "completed",
    "stop": "stopped",
    "skip": "skipped",
}


class Engine:
    """Trains and answers with one model. Made by `Engine.open`."""

    def __init__(
        self,
        hero: LoadedHero,
        settings: Hyperparameters,
        progress: Progress,
        checkpoint: Path | None,
        grade: Grade | None = None,
        teachers: Teachers | None = None,
        fit: Fit | None = None,
        crew: Crew | None = None,
    ) -> None:
        self.hero = hero
        self._fit = fit or Fit()
        self._crew = crew or Crew()
        self.progress = progress
        self.reading: Reading | None = None
        """What became of the rows of the newest quest: counts of truncated and untrained rows."""
        self._level_tokens: Counter[LevelCell] = Counter()
        hero.model.to(_device())
        self.settings = settings = self._crew.tell(self._fit.settle(hero.model, settings))
        self._optimizer = build(hero.model, settings, hidden_matrices=hero.hidden_matrices)
        self.average = _average(hero.model, settings.ema_decay)
        """The weights that answer, are measured and are written."""
        self._quest_state: Mapping[str, Any] | None = None
        """What the method remembers of the quest in training."""
        if checkpoint is not None:
            from realm.arena.files import quest_state, restore  # noqa: PLC0415 - torch stays behind the door

            self._quest_state = quest_state(checkpoint)
            restore(checkpoint, model=hero.model, optimizer=self._optimizer, average=self.average)
        self._schedule = Schedule(
            settings.lr_scheduler_type,
            settings.warmup_steps,
            timescale=settings.lr_timescale,
            lowest=settings.min_lr_rate,
            decay_share=settings.lr_decay_share,
            decay_from=settings.lr_decay_from,
            decay_steps=settings.lr_decay_steps,
        )
        self._scheduler = _scheduler(self._optimizer, self._schedule, progress.step)
        self._parts = Parts(
            hero.model, hero.tokenizer, self._optimizer, self._scheduler, settings, self._render,
            grade and _reading(hero, grade),
            render_prompt=partial(hero.family.render_prompt, hero.tokenizer),
            teachers=teachers, progress=lambda: self.progress, average=self.average, fit=self._fit,
        )  # fmt: skip
        self._methods: dict[str, Method] = {}
        self.method(settings.method)

    @classmethod
    def open(
        cls,
        hero: LoadedHero,
        settings: Hyperparameters,
        *,
        progress: Progress,
        checkpoint: Path | None = None,
        grade: Grade | None = None,
        teachers: Teachers | None = None,
        fit: Fit | None = None,
        crew: Crew | None = None,
    ) -> Engine:
        """An engine that stands at `progress`; `checkpoint` is the folder that was written there.

        `grade` gives the rewards of answers, to the methods that learn from them; `teachers` finds who is learned from.
        `fit` knows what the machine's memory allows, and learns more of it. `crew` are the processes that train
        together.

        Raises CheckpointError when a part of the checkpoint is missing, TrainingError when the model cannot be
        trained with these settings.
        """
        return cls(hero, settings, progress, checkpoint, grade, teachers, fit, crew)

    @property
    def used(self) -> Hyperparameters:
        """The settings, with what was found on this machine wherever they say `auto`."""
        from realm.arena.precision import in_bfloat16  # noqa: PLC0415 - torch stays behind the door

        found = in_bfloat16(self.hero.model.device, self.settings.bf16)
        used: Hyperparameters = self.settings.model_copy(update={"bf16": found})
        return used

    def method(self, name: str) -> Method:
        """The training method of that name, opened when it is asked for first. Raises UsageError for an unknown one."""
        if name not in self._methods:
            self._methods[name] = methods.get(name)(self._parts)
        return self._methods[name]

    def train(self, rows: Iterable[Row], *, run: str, quest: str, hooks: Hooks, method: str = "") -> RunResult:
        """Train one quest to its end, or to a stop or skip, by the settings' method or another one.

        Goes on at `progress.quest_step` when this quest was left unfinished; `rows` must then be the same rows in
        the same order. Raises NonFinite before the update that would have spoilt the weights, and TrainingError
        when no row can be trained.
        """
        began, before, method = time.perf_counter(), self.progress, method or self.settings.method
        self._crew.require_shared(method)
        rows, hooks = self._crew.begin(rows, run, quest, method), self._crew.hooks(hooks)
        self._enter(run, quest)
        # A further quest of the same content (`3fa9c1d2e4b5.2`) is trained in the same order: so a rerun repeats it.
        order = f"{self.settings.seed}/{quest.partition('.')[0]}"
        prepared = map(self.hero.data_profile.prepare, rows)
        course = self.method(method).course(prepared, seed=order)
        self.reading = course.reading
        self._fit.begin(self.hero.model)
        watch = self._watch(course, hooks)
        if self.progress.quest_step < course.steps and not watch.ask():
            self._prepare(course, hooks)
            self._run(course, watch, hooks)
            self._fit.end(self.hero.model, self.settings.model_copy(update={"method": method}))
        if watch.ending != "stop":
            self.progress = replace(self.progress, quest_done=True)
        watch.save()
        return RunResult(
            outcome=_OUTCOMES[watch.ending],
            progress=self.progress,
            steps=self.progress.step - before.step,
            tokens=watch.tokens,
            seconds=time.perf_counter() - began,
            loss_first=watch.losses[0] if watch.losses else float("nan"),
            loss_last=watch.losses[-1] if watch.losses else float("nan"),
            val_loss=watch.val_loss,
        )

    def follow(self) -> None:
        """Train what rank 0 trains, until it has nothing more: what the other ranks of a crew do."""
        while (order := self._crew.tell()) is not None:
            self.train(order.rows, run=order.run, quest=order.quest, hooks=Silent(), method=order.method)

    def count(self, level_tokens: Mapping[LevelCell, int]) -> None:
        """Count the trained tokens of a step by skill and level."""
        self._level_tokens.update(level_tokens)

    def take_level_tokens(self) -> dict[LevelCell, int]:
        """The trained tokens by skill and level since this was asked last; those of rows that name none are UNNAMED."""
        taken, self._level_tokens = self._level_tokens, Counter()
        return dict(taken)

    def add_effort(self, strain: float) -> None:
        """Count a step's strain; the engine only remembers the sum."""
        self.progress = replace(self.progress, effort=self.progress.effort + strain)

    def answer(
        self,
        prompts: Sequence[Any],
        *,
        max_new_tokens: int,
        batch_size: int | None = None,
        before_batch: Callable[[], object] = lambda: None,
    ) -> list[str]:
        """Greedy answers of the model as it stands, in the order asked; `before_batch` is called before each batch."""
        with self.average.applied():
            return self.hero.answer(
                prompts, max_new_tokens=max_new_tokens, batch_size=batch_size, before_batch=before_batch
            )

    def sample(
        self,
        prompts: Sequence[Any],
        *,
        count: int,
        temperature: float,
        top_p: float,
        max_new_tokens: int,
        seed: str,
    ) -> list[list[str]]:
        """`count` sampled answers to each prompt by the model as it stands; the same for the same weights and seed."""
        with self.average.applied():
            return self.hero.sample(
                prompts, count=count, temperature=temperature, top_p=top_p, max_new_tokens=max_new_tokens, seed=seed
            )

    def measure(self, rows: Iterable[Row], *, method: str = "") -> float | None:
        """Loss per trained token of the weights that answer, on rows that are not trained; None when none counts."""
        from realm.arena.data import only_measured  # noqa: PLC0415 - numpy stays behind the door

        rows = iter(rows)
        if (first := next(rows, None)) is None:
            return None
        prepared = map(self.hero.data_profile.prepare, only_measured(chain([first], rows)))
        course = self.method(method or self.settings.method).course(prepared, seed="measure")
        with self.average.applied():
            return course.validate()

    def write(self, folder: Path) -> None:
        """Weights (of an adapter: it alone), tokenizer, optimizer, schedule and random state; no manifest."""
        from realm.arena.files import write  # noqa: PLC0415 - torch stays behind the door

        write(
            folder,
            hero=self.hero,
            optimizer=self._optimizer,
            scheduler=self._scheduler,
            average=self.average,
            step=self.progress.step,
            quest_state=None if self.progress.quest_done else self._quest_state,
        )

    def _enter(self, run: str, quest: str) -> None:
        goes_on = quest == self.progress.quest and not self.progress.quest_done
        quest_step = self.progress.quest_step if goes_on else 0
        self._quest_state = self._quest_state if quest_step else None
        self.progress = replace(self.progress, run=run, quest=quest, quest_step=quest_step, quest_done=False)

    def _prepare(self, course: Course, hooks: Hooks) -> None:
        """Let the course see the model of the quest's start, or give back to it what it remembered of that."""
        share = 1.0
        if isinstance(course, PreparedCourse):
            share = course.learning_rate_share
            if self.progress.quest_step and self._quest_state is None and course.state():
                raise CheckpointError(
                    "The checkpoint inside this quest does not hold what its method remembers of the quest's start.",
                    hint="Leave the quest with `realm skip` and queue it anew with `realm quest retry`.",
                )
            course.begin(self._quest_state, hooks.request, self.average.applied)
            self._quest_state = course.state() or None
        self._aim(course.steps, share)

    def _run(self, course: Course, watch: StepWatch, hooks: Hooks) -> None:
        from realm.arena.fit.shortage import run_within_memory  # noqa: PLC0415 - torch stays behind the door

        def lightened(before: int, tokens: int) -> None:
            self._fit.lighten(self.hero.model, self.settings, tokens)
            if self._crew.size > 1:  # the others wait in this step, and would for ever
                raise MemoryShortage(
                    "Memory ran out in one of the processes.", hint=f"The next start computes {tokens} tokens at once."
                )
            hooks.on_lighten(self.progress.step, before, tokens)

        run_within_memory(course, watch, lambda: self.progress.quest_step, lightened)

    def _aim(self, quest_steps: int, share: float) -> None:
        """Point the schedule at this quest and give the optimizer the rate of the coming step."""
        self._schedule.share = share
        step = self.progress.step
        self._schedule.start = step - self.progress.quest_step
        self._schedule.end = self._schedule.start + quest_steps
        for group, peak in zip(self._optimizer.param_groups, self._scheduler.base_lrs, strict=True):
            group["lr"] = peak * self._schedule.factor(step)

    def _watch(self, course: Course, hooks: Hooks) -> StepWatch:
        from realm.arena.callbacks import StepWatch  # noqa: PLC0415 - transformers takes seconds to import

        def validate() -> float | None:
            with self.average.applied():
                return course.validate()

        return StepWatch(self, hooks, steps=course.steps, facts=course.facts, validate=validate)

    def _render(self, rows: Sequence[Row]) -> Any:
        return self.hero.family.render_all(self.hero.tokenizer, rows)


def _reading(hero: LoadedHero, grade: Grade) -> Grade:
    """The same rewards, given for the plain answers."""
    read = hero.data_profile.read

    def graded(rows: Sequence[Row], answers: Sequence[str]) -> Sequence[float]:
        return grade(rows, [read(answer, row["prompt"]) for row, answer in zip(rows, answers, strict=True)])

    return graded


def _scheduler(optimizer: Any, schedule: Schedule, step: int) -> Any:
    """torch's scheduler around the pure function, standing at `step` of the campaign."""
    from torch.optim.lr_scheduler import LambdaLR  # noqa: PLC0415 - torch stays behind the door

    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return LambdaLR(optimizer, lambda at: schedule.factor(at), last_epoch=step - 1)


def _average(model: Any, decay: float) -> WeightAverage:
    from realm.arena.optim.averaging import WeightAverage  # noqa: PLC0415 - torch stays behind the door

    return WeightAverage(model, decay)


def _device() -> Any:
    import torch  # noqa: PLC0415 - torch stays behind the door

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
