"""What the arena asks of a hero's day while it trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from realm.arena.control import Request
from realm.arena.engine import Engine
from realm.events import RunLightened, RunPaused, RunResumed
from realm.quests.queue import Quest
from realm.records import StepMetrics
from realm.watchtower.metrics import MetricsWriter

if TYPE_CHECKING:
    from realm.hero_loop.day import HeroLoop


class Hooks:
    """One quest in training: its steps, saves and requests, told to the day."""

    def __init__(self, day: HeroLoop, quest: Quest, writer: MetricsWriter) -> None:
        self._day, self._quest, self._writer = day, quest, writer
        self._last: dict[str, float] = {}
        self._asked: Request | None = None

    def on_step(self, metrics: StepMetrics) -> None:
        self._last["loss"] = metrics.loss
        if metrics.val_loss is not None:
            self._last["val_loss"] = metrics.val_loss
        self._day.on_step(self._quest, metrics, self._writer)

    def save(self, engine: Engine) -> None:
        self._writer.flush()
        if self._asked == "skip":
            self._day.leave_quest()  # before the seal: a quest sealed as done would be filed as completed
        self._day.save(self._quest, self._last)
        if self._day.hyperparameters.report_to:
            step = self._day.engine.progress.step
            taken = [one for one in self._day.guild.newest(self._day.key) if one.step == step]
            self._writer.track(step, {f"exam/{one.skill}/{one.level}": one.accuracy for one in taken})

    def request(self) -> Request | None:
        self._day.heart.beat()
        self._asked = self._day.request(self._quest)
        return self._asked

    def on_pause(self, step: int) -> None:
        self._writer.flush()
        self._day.say(RunPaused(run=self._day.engine.progress.run, step=step))

    def on_resume(self, step: int) -> None:
        self._day.say(RunResumed(run=self._day.engine.progress.run, step=step))

    def on_lighten(self, step: int, before: int, tokens: int) -> None:
        self._day.say(RunLightened(run=self._day.engine.progress.run, step=step, before=before, tokens=tokens))
