"""What `realm train` says while it trains, and at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from realm.cli.context import print_json
from realm.cli.narrate import line
from realm.guild.progression import Examination
from realm.presets.loop import PresetLoop
from realm.presets.trainer import Finished
from realm.records import CheckpointRecord, StepMetrics

LINES = 10
"""Lines about steps that a training prints, unless it is asked for all."""


class Report:
    """Follows one training on a terminal; with `as_json` only its end is printed."""

    def __init__(self, *, verbose: bool, as_json: bool) -> None:
        self._verbose, self._as_json = verbose, as_json
        self._loop: PresetLoop | None = None
        self._told = 0

    def begin(self, loop: PresetLoop) -> None:
        self._loop = loop
        self._told = loop.events.last_id()

    def on_step(self, metrics: StepMetrics) -> None:
        step, steps = metrics.quest_step, metrics.quest_steps
        every = (self._loop.hyperparameters.logging_steps if self._loop else 1) if self._verbose else steps // LINES
        if step == 1 or step == steps or step % max(1, every) == 0 or metrics.val_loss is not None:
            self._say(_step(metrics))

    def on_checkpoint(self, checkpoint: CheckpointRecord, taken: Sequence[Examination]) -> bool:
        self._say(f"checkpoint {checkpoint.id}")
        self._facts()
        return True

    def end(self, finished: Finished) -> None:
        """The model and what was measured."""
        trained = finished.trained
        self._facts()
        if self._as_json:
            print_json({"model": str(finished.model), "campaign": finished.spec.campaign, **trained.evaluation})
            return
        for words in measured(trained.evaluation):
            typer.echo(words)
        typer.echo(f"Checkpoint: {trained.checkpoint.id}\nModel: {finished.model}")

    def _facts(self) -> None:
        if self._loop is None or self._as_json:
            return
        for recorded in self._loop.events.since(self._told, campaign=self._loop.key.campaign):
            self._told = recorded.id
            if words := line(recorded):
                typer.echo(words)

    def _say(self, words: str) -> None:
        if not self._as_json:
            typer.echo(words)


def measured(evaluation: dict[str, Any]) -> list[str]:
    """The end of a training in words: losses, and each examination with its interval."""
    said = []
    if "val_loss" in evaluation:
        said.append(f"Validation loss: {evaluation['val_loss']:.4f}")
    test = evaluation.get("test")
    if test and test["loss"] is not None:
        said.append(f"Test loss: {test['loss']:.4f} on {test['rows']} rows")
    for one in evaluation.get("examinations", ()):
        said.append(
            f"Examined {one['skill'].upper()} level {one['level']}: {one['correct']}/{one['n']} = "
            f"{one['accuracy']:.0%} [{one['low']:.0%}, {one['high']:.0%}]"
        )
    return said


def _step(metrics: StepMetrics) -> str:
    said = f"step {metrics.quest_step}/{metrics.quest_steps}: loss {metrics.loss:.4f}"
    tokens_per_second = metrics.tokens / max(metrics.step_seconds, 1e-9)
    said += f", learning rate {metrics.learning_rate:.2e}, {tokens_per_second:,.0f} tokens/s"
    return said + (f", validation loss {metrics.val_loss:.4f}" if metrics.val_loss is not None else "")
