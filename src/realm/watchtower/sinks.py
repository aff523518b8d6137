"""Trackers that other people keep: TensorBoard, W&B, Trackio, MLflow, each behind the same three calls.

Each is spoken to through its own small interface: the Trainer's callbacks would open a tracker once for all quests of
a warm engine. Every package is imported when its tracker is opened, and none is needed otherwise.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from realm.records import CampaignKey
from realm.registry import Registry

PROJECT = "realm"


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """What a tracker is told of a run when it is opened."""

    key: CampaignKey
    run: str
    first_step: int
    """Step of the campaign that comes next: what a tracker holds from there on is outdated."""
    configuration: Mapping[str, Any]
    trackers: Path
    """Where trackers that keep files have a folder each."""

    @property
    def name(self) -> str:
        return f"{self.key}/{self.run}"

    @property
    def id(self) -> str:
        """The name as letters, digits, `-` and `_`: the same each time a run goes on."""
        return re.sub(r"[^A-Za-z0-9_-]+", "-", self.name)


class MetricsSink(Protocol):
    """Where the metrics of one run go. May raise anything: who calls it goes on without it then."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Values of one step of the campaign."""

    def close(self) -> None:
        """No more comes."""


Opening = Callable[[TrackedRun], MetricsSink]
sinks: Registry[Opening] = Registry("tracker", "realm.trackers")


class TensorBoard:
    """Event files, one folder a run: `tensorboard --logdir WORKSPACE/logs/trackers/tensorboard`."""

    def __init__(self, run: TrackedRun) -> None:
        from tensorboardX import SummaryWriter  # noqa: PLC0415 - an optional package

        folder = run.trackers / "tensorboard" / run.key.hero / run.key.campaign / run.run
        # two lives of a run may begin within the second that a file's name tells
        self._writer = SummaryWriter(str(folder), purge_step=run.first_step, filename_suffix=f".{run.first_step}")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class WeightsAndBiases:
    """A W&B run; `offline` unless there is a key to log in with, so that nobody is asked for one in a training."""

    def __init__(self, run: TrackedRun) -> None:
        import wandb  # noqa: PLC0415 - an optional package

        folder = run.trackers / "wandb"
        folder.mkdir(parents=True, exist_ok=True)
        mode: Any = os.environ.get("WANDB_MODE") or ("online" if wandb.login(prompt=False) else "offline")
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT), name=run.name, id=run.id, resume="allow",
            config=dict(run.configuration), dir=str(folder), mode=mode, reinit="create_new",
        )  # fmt: skip

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


class Trackio:
    """A run of Trackio, on this machine: `trackio show --project realm`."""

    def __init__(self, run: TrackedRun) -> None:
        import trackio  # noqa: PLC0415 - an optional package

        self._run = trackio.init(
            project=os.environ.get("TRACKIO_PROJECT", PROJECT), name=run.name, config=dict(run.configuration),
            resume="allow", embed=False,
        )  # fmt: skip

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


class MLflow:
    """A run of MLflow: at MLFLOW_TRACKING_URI, else in a SQLite file of the workspace."""

    def __init__(self, run: TrackedRun) -> None:
        from mlflow.entities import Metric, Param  # noqa: PLC0415 - an optional package
        from mlflow.tracking import MlflowClient  # noqa: PLC0415

        run.trackers.mkdir(parents=True, exist_ok=True)
        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{run.trackers / 'mlflow.db'}"
        self._metric, self._client = Metric, MlflowClient(tracking_uri=uri)
        self._id = self._find(run) or self._begin(run, Param)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        self._client.log_batch(self._id, [self._metric(name, value, now, step) for name, value in values.items()])

    def close(self) -> None:
        self._client.set_terminated(self._id)

    def _find(self, run: TrackedRun) -> str | None:
        """The run of the same name, where a training goes on."""
        found = self._client.search_runs([self._experiment()], f"tags.`realm.run` = '{run.id}'", max_results=1)
        return str(found[0].info.run_id) if found else None

    def _begin(self, run: TrackedRun, param: Any) -> str:
        made = self._client.create_run(self._experiment(), run_name=run.name, tags={"realm.run": run.id})
        said = [param(name, str(value)[:500]) for name, value in flat(run.configuration)]
        self._client.log_batch(made.info.run_id, params=said[:100])
        return str(made.info.run_id)

    def _experiment(self) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        known = self._client.get_experiment_by_name(name)
        return str(known.experiment_id if known else self._client.create_experiment(name))


def flat(table: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    """Dotted names with their values, `hyperparameters` first: trackers that take few are told what matters."""
    for key, value in sorted(table.items(), key=lambda item: (item[0] != "hyperparameters", item[0])):
        name = f"{above}.{key}" if above else key
        if isinstance(value, Mapping):
            yield from flat(value, name)
        elif value is not None:
            yield name, value


sinks.register("tensorboard", lambda: TensorBoard)
sinks.register("wandb", lambda: WeightsAndBiases)
sinks.register("trackio", lambda: Trackio)
sinks.register("mlflow", lambda: MLflow)
