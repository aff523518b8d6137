"""Trackers: what they are told, and that none of them can stop a run."""

from __future__ import annotations

import struct
import sys
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from realm.db import Database, open_database
from realm.events import AlertRaised, Events
from realm.records import CampaignKey, StepMetrics
from realm.registry import Registry
from realm.watchtower.metrics import Metrics, MetricsWriter
from realm.watchtower.sinks import Opening, TrackedRun
from realm.watchtower.trackers import Trackers, open_trackers, values

from .watchtower_support import step as step_of

KEY = CampaignKey("smol", "tracked")


def metrics(step: int, val_loss: float | None = None) -> StepMetrics:
    return step_of(step, loss=1.0 / step, grad_norm=float("inf"), tokens=50, input_tokens=60, val_loss=val_loss)


def run_in(folder: Path, first_step: int = 1) -> TrackedRun:
    return TrackedRun(KEY, "run-1", first_step, {"hyperparameters": {"learning_rate": 1e-3}, "hero": "smol"}, folder)


class Shelf:
    """A tracker that keeps what it is told, and raises where it is asked to."""

    def __init__(self, fails_at: str = "", gate: threading.Event | None = None) -> None:
        self.fails_at, self.gate = fails_at, gate
        self.told: list[tuple[int, Mapping[str, float]]] = []
        self.closed = 0

    def open(self, run: TrackedRun) -> Shelf:
        self._may("open")
        return self

    def log(self, step: int, told: Mapping[str, float]) -> None:
        if self.gate:
            self.gate.wait()
        self._may("log")
        self.told.append((step, told))

    def close(self) -> None:
        self.closed += 1
        self._may("close")

    def _may(self, what: str) -> None:
        if what == self.fails_at:
            raise RuntimeError(f"the shelf broke at {what}")


@pytest.fixture
def shelves() -> dict[str, Shelf]:
    return {name: Shelf(name) for name in ("good", "open", "log", "close")}


@pytest.fixture
def known(shelves: dict[str, Shelf]) -> Registry[Opening]:
    """The shelves as trackers."""
    registry: Registry[Opening] = Registry("tracker")
    for name, shelf in shelves.items():
        registry.register(name, partial(getattr, shelf, "open"))
    return registry


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "realm.db")
    database.upgrade()
    yield database
    database.close()


def test_a_step_in_the_names_of_trackers() -> None:
    assert values(metrics(2, val_loss=0.25)) == {
        "train/loss": 0.5, "train/learning_rate": 1e-3, "train/step_seconds": 0.5, "train/tokens_per_second": 100.0,
        "eval/loss": 0.25,
    }  # fmt: skip


def test_a_tracker_that_raises_is_left_out_once_and_the_rest_goes_on(
    shelves: dict[str, Shelf], known: Registry[Opening], db: Database, tmp_path: Path
) -> None:
    events = Events(db)
    trackers = open_trackers(["open", "log", "close", "good"], run_in(tmp_path), events, known=known)
    with MetricsWriter(db, KEY, "run-1", trackers=trackers) as writer:
        for step in range(1, 6):
            writer.add(metrics(step))
    assert [m.step for m in Metrics(db).after(KEY, 0)] == [1, 2, 3, 4, 5]
    assert [step for step, _ in shelves["good"].told] == [1, 2, 3, 4, 5]
    assert [step for step, _ in shelves["close"].told] == [1, 2, 3, 4, 5], "it failed at the very end"
    assert shelves["log"].closed == 1, "closed although it failed"
    alerts = [r.fact for r in events.replay() if isinstance(r.fact, AlertRaised)]
    assert sorted(alert.alert for alert in alerts) == ["tracker-close", "tracker-log", "tracker-open"]
    assert all("the shelf broke at" in alert.what for alert in alerts)


def test_a_tracker_whose_package_is_absent_is_told_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)  # what an import finds where there is no such package
    said: list[tuple[str, str, str]] = []
    trackers = Trackers(["wandb"], run_in(tmp_path), lambda *words: said.append(words))
    trackers.add(metrics(1))
    trackers.close()
    assert said == [("wandb", "the package 'wandb' is not installed", "Install it: pip install wandb")]


def test_a_tracker_that_hangs_holds_nobody_up(
    shelves: dict[str, Shelf], known: Registry[Opening], tmp_path: Path
) -> None:
    gate = shelves["good"].gate = threading.Event()
    said: list[str] = []
    trackers = Trackers(["good"], run_in(tmp_path), lambda name, why, _todo: said.append(f"{name}: {why}"),
                        known=known, close_seconds=0.05)  # fmt: skip
    for step in range(1, 4):
        trackers.add(metrics(step))
    trackers.close()
    gate.set()
    assert said == ["good: it did not end within 0.05 s"]


def test_tensorboard_files_can_be_read_back(tmp_path: Path) -> None:
    said: list[str] = []
    for first in (1, 4):  # the second life goes on after a kill at step 5
        trackers = Trackers(["tensorboard"], run_in(tmp_path, first), lambda *words: said.append(str(words)))
        for step in range(first, first + 3):
            trackers.add(metrics(step, val_loss=0.125))
        trackers.close()
    assert said == []
    folder = tmp_path / "tensorboard" / "smol" / "tracked" / "run-1"
    files = sorted(folder.glob("events.out.tfevents.*"))
    found = [event for file in files for event in _events(file)]
    losses = {e.step: v.simple_value for e in found for v in e.summary.value if v.tag == "train/loss"}
    assert losses == pytest.approx({step: 1.0 / step for step in range(1, 7)})
    assert any(v.tag == "eval/loss" and v.simple_value == 0.125 for e in found for v in e.summary.value)


def _events(file: Path) -> Iterator[object]:
    """Records of a TensorBoard file: length, its checksum, the event, its checksum."""
    from tensorboardX.proto.event_pb2 import Event

    data, at = file.read_bytes(), 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        event = Event()
        event.ParseFromString(data[at + 12 : at + 12 + length])
        yield event
        at += 12 + length + 4
