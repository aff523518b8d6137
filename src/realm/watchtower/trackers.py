"""The trackers of one run: told in a thread of their own, so that neither a failing nor a slow one holds up a training.

Knows no tracker's package (see `sinks`).
"""

from __future__ import annotations

import logging
import math
import queue
import threading
from collections.abc import Callable, Mapping, Sequence

from realm.errors import RealmError
from realm.events import AlertRaised, Events
from realm.records import StepMetrics
from realm.registry import Registry
from realm.watchtower.sinks import MetricsSink, Opening, TrackedRun, sinks

log = logging.getLogger(__name__)
WAITING_STEPS = 10_000
"""Steps that wait for a slow tracker; further ones are left out."""
CLOSE_SECONDS = 30.0
"""How long the end of a run waits for its trackers."""

Failed = Callable[[str, str, str], None]
"""Told once of a tracker that is left out: its name, why, what to do."""


class Trackers:
    """Tells each recorded step to the trackers of a run. Nothing here raises."""

    def __init__(
        self, names: Sequence[str], run: TrackedRun, failed: Failed, *,
        known: Registry[Opening] = sinks, close_seconds: float = CLOSE_SECONDS,
    ) -> None:  # fmt: skip
        self._close_seconds = close_seconds
        self._told = [_Told(name, run, failed, known) for name in names]

    def add(self, metrics: StepMetrics) -> None:
        """One recorded step."""
        self.tell(metrics.step, values(metrics))

    def tell(self, step: int, named: Mapping[str, float]) -> None:
        """What was measured at a step, by name."""
        for one in self._told:
            one.put((step, named))

    def close(self) -> None:
        """Wait until all is told, but not for ever."""
        for one in self._told:
            one.close(self._close_seconds)


class _Told:
    """One tracker and its thread."""

    def __init__(self, name: str, run: TrackedRun, failed: Failed, known: Registry[Opening]) -> None:
        self._name, self._run, self._failed, self._known = name, run, failed, known
        self._waiting: queue.Queue[tuple[int, Mapping[str, float]] | None] = queue.Queue(WAITING_STEPS)
        self._over = False
        self._thread = threading.Thread(target=self._tell, name=f"tracker-{name}", daemon=True)
        self._thread.start()

    def put(self, step: tuple[int, Mapping[str, float]] | None) -> None:
        try:
            if not self._over:
                self._waiting.put_nowait(step)
        except queue.Full:
            self._give_up("it is too slow", "Look at its service; the run's own metrics are whole.")

    def close(self, seconds: float) -> None:
        self.put(None)
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._give_up(f"it did not end within {seconds:g} s", "What it holds of this run may lack its end.")

    def _tell(self) -> None:
        try:
            sink: MetricsSink = self._known.get(self._name)(self._run)
            try:
                while (step := self._waiting.get()) is not None:
                    sink.log(*step)
            finally:
                sink.close()
        except ModuleNotFoundError as error:
            package = (error.name or self._name).partition(".")[0]
            self._give_up(f"the package '{package}' is not installed", f"Install it: pip install {_wheel(package)}")
        except Exception as error:  # the boundary of a metric sink
            log.info("tracker %s", self._name, exc_info=True)
            words = error.message if isinstance(error, RealmError) else f"{type(error).__name__}: {error}"
            self._give_up(words, "The training goes on without it, and its own metrics are whole.")

    def _give_up(self, why: str, what_to_do: str) -> None:
        """Said once, whatever else goes wrong after it."""
        if not self._over:
            self._over = True
            log.warning("The tracker '%s' is left out: %s. %s", self._name, why, what_to_do)
            self._failed(self._name, why, what_to_do)


def open_trackers(
    names: Sequence[str], run: TrackedRun, events: Events, *, known: Registry[Opening] = sinks
) -> Trackers:
    """The trackers of a run; one that fails raises an alert."""

    def failed(name: str, why: str, todo: str) -> None:
        what = f"The tracker '{name}' is left out: {why}."
        events.append(
            AlertRaised(
                hero=run.key.hero, campaign=run.key.campaign, alert=f"tracker-{name}", severity="warning", what=what,
                why="What it shows of this run ends here; the training goes on.", todo=todo,
            )
        )  # fmt: skip

    return Trackers(names, run, failed, known=known)


def _wheel(package: str) -> str:
    return {"tensorboardX": "'realm[tracking]'", "mlflow": "mlflow-skinny"}.get(package, package)


def values(metrics: StepMetrics) -> dict[str, float]:
    """A step in the names that trackers group by: `train/loss`, `eval/loss`, ..."""
    named = {
        "train/loss": metrics.loss,
        "train/grad_norm": metrics.grad_norm,
        "train/learning_rate": metrics.learning_rate,
        "train/step_seconds": metrics.step_seconds,
        "train/tokens_per_second": metrics.tokens / metrics.step_seconds if metrics.step_seconds else None,
        "train/strain": metrics.strain,
        "train/effort": metrics.effort,
        "eval/loss": metrics.val_loss,
    }
    return {name: value for name, value in named.items() if value is not None and math.isfinite(value)}
