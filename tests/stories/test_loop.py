"""The flows of the architecture, really trained: (a) a dropped file becomes a checkpoint, (b) an idle hero practises,
(d) a preset trains. Flow (c), the chat, comes with the Oracle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from realm.cli.context import Realm, open_workspace
from realm.events import Fact
from realm.guild.ledger import GuildLedger
from realm.hero_loop import HeroLoop
from realm.quests.queue import Quest
from realm.records import StepMetrics
from realm.vault.files import verify
from realm.vault.ledger import CheckpointLedger
from realm.watchtower.metrics import Metrics, MetricsWriter
from realm.workspace import Workspace
from tests.stories.conftest import SETTINGS, quest_lines

pytestmark = pytest.mark.slow


class Story:
    """A hero loop in a thread of the test, and what its realm tells."""

    def __init__(self, workspace: Workspace) -> None:
        self.realm: Realm = open_workspace(workspace, checkpoints=True)
        self.stopping = threading.Event()
        self.loop = HeroLoop(workspace, self.realm.settings, self.realm.db, self.realm.events)
        self.thread = threading.Thread(target=self.loop.live, args=(self.stopping,))

    def __enter__(self) -> Story:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.thread.join()
        self.realm.db.close()

    def facts(self, kind: str) -> list[Fact]:
        return [r.fact for r in self.realm.events.replay(kinds=[kind])]

    def until(self, kind: str, count: int = 1, seconds: float = 120.0) -> list[Fact]:
        """Wait until that many facts of a kind are there."""
        return self.wait(lambda: found if len(found := self.facts(kind)) >= count else None, kind, seconds)

    def steps(self) -> None:
        """Wait until the run in hand has made some steps."""
        begun = self.loop.engine.progress.step
        self.wait(lambda: [] if self.loop.engine.progress.step > begun + 1 else None, "some steps")

    def wait(self, condition: Callable[[], list[Fact] | None], what: str, seconds: float = 120.0) -> list[Fact]:
        deadline = time.monotonic() + seconds
        while (found := condition()) is None:
            assert self.thread.is_alive(), "the hero loop ended"
            assert time.monotonic() < deadline, f"waited too long for {what}"
            time.sleep(0.02)
        return found


def test_a_dropped_file_becomes_an_examined_checkpoint(home: Workspace) -> None:
    (home.inbox / "my notes.jsonl").write_text(quest_lines("alder", 200))
    with Story(home) as story:
        story.until("quest_completed")
        story.until("examination_taken")
        key = story.realm.key
        newest = CheckpointLedger(story.realm.db, story.realm.events).newest(key)
        assert newest and newest.accuracy is not None
        manifest = verify(Path(newest.path))
        assert manifest.lineage.quests == tuple(f.sha256 for f in story.facts("quest_received"))  # type: ignore[attr-defined]
        assert manifest.progress.quest_done
        assert home.current_model.resolve() == Path(newest.path)
        steps = Metrics(story.realm.db).after(key, 0)
        assert [m.step for m in steps] == list(range(1, newest.step + 1))
        assert steps[-1].loss < steps[0].loss
        assert steps[-1].effort and steps[-1].effort > 0
        assert [f.name for f in home.queue("recently_completed").glob("*.jsonl")]
        order = [r.kind for r in story.realm.events.replay()]
        for before, after in (
            ("quest_received", "quest_queued"),
            ("quest_queued", "quest_started"),
            ("quest_started", "checkpoint_saved"),
            ("checkpoint_saved", "examination_taken"),
            ("checkpoint_saved", "quest_completed"),
        ):
            assert order.index(before) < order.index(after)
        run = next(iter(home.runs(*("hatchling", "story")).iterdir()))
        assert json.loads((run / "spec.json").read_text())["hero"] == "hatchling"


def test_every_step_costs_effort_also_one_that_is_not_recorded(home: Workspace) -> None:
    home.settings.write_text(SETTINGS.replace("eval_steps = 5", "eval_steps = 8\nlogging_steps = 4"))
    (home.inbox / "notes.jsonl").write_text(quest_lines("rowan", 300))
    with Story(home) as story:
        story.until("quest_completed")
        recorded = Metrics(story.realm.db).after(story.realm.key, 0)
        reached = story.loop.engine.progress
    assert {m.step for m in recorded} == {*range(4, reached.step + 1, 4), reached.step}
    assert reached.effort == pytest.approx(recorded[-1].effort)
    assert reached.effort > 2 * sum(m.strain or 0.0 for m in recorded)


def test_an_idle_hero_makes_its_own_data_and_is_examined(home: Workspace) -> None:
    home.settings.write_text(SETTINGS.replace("enabled = false", "enabled = true\nexamples = 60"))
    with Story(home) as story:
        story.until("quest_completed", 2)
        planned = story.facts("practice_planned")
        assert "frontier level 1" in planned[0].reason  # type: ignore[attr-defined]
        assert abs(sum(planned[0].mix.values()) - 1) < 1e-6  # type: ignore[attr-defined]
        examinations = GuildLedger(story.realm.db, story.realm.events).examinations(story.realm.key, "bin", 1)
        assert examinations
        assert examinations[0].n == 12
        assert examinations[0].training_n == 6


def test_a_preset_trains_a_file_and_leaves_a_model_with_metadata(home: Workspace, tmp_path: Path) -> None:
    data = tmp_path / "notes.jsonl"
    data.write_text(quest_lines("birch", 60))
    home.settings.write_text(f"""
[datasets.notes]
path = "{data}"

[presets.mine]
hero = "hatchling"
hardware = "cpu"
dataset = "notes"
hyperparameters = "quick-test"
max_steps = 6
sequence_length = 128
batch_size = 2
""")
    environment = {**os.environ, "REALM_HOME": str(home.root), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "realm", "train", "mine"]
    dry = subprocess.run([*command, "--dry-run"], env=environment, capture_output=True, text=True, check=True)
    assert "mine" in dry.stdout
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.rpartition("Model: ")[2].strip())
    told = json.loads((folder / "metadata.json").read_text())
    assert set(told) == {"expert", "model", "training", "hardware", "evaluation", "metadata"}
    assert [one["skill"] for one in told["evaluation"]["examinations"]] == ["bin"]
    assert told["training"]["num_samples"] == 60
    assert (folder / "model.safetensors").is_file()
    assert not (folder / "optimizer.pt").exists()


def test_pause_resume_skip_and_stop_act_within_a_step(home: Workspace) -> None:
    (home.inbox / "long.jsonl").write_text(quest_lines("cedar", 4000))
    (home.inbox / "next.jsonl").write_text(quest_lines("elm", 4000))
    with Story(home) as story:
        story.until("run_started")
        story.steps()
        home.request("pause")
        paused = story.until("run_paused")[0]
        step = paused.step  # type: ignore[attr-defined]
        time.sleep(0.3)
        assert story.loop.engine.progress.step == step
        home.withdraw("pause")
        story.until("run_resumed")
        home.request("skip")
        story.until("quest_skipped")
        assert home.requests() == set()
        story.until("run_started", 2)
        story.steps()
        home.request("stop")
        stopped = story.wait(
            lambda: [f for f in story.facts("run_finished") if f.outcome == "stopped"] or None,  # type: ignore[attr-defined]
            "the stop",
        )
        assert stopped
        assert list(home.queue("active").glob("*.jsonl")), "a stopped quest stays in hand"
        home.withdraw("stop")
        story.until("run_started", 3)


def test_a_run_that_fails_is_tried_again_and_then_reported(home: Workspace) -> None:
    (home.inbox / "bad.jsonl").write_text(quest_lines("fir", 100))

    class Broken(HeroLoop):
        def on_step(self, quest: Quest, metrics: StepMetrics, writer: MetricsWriter) -> None:
            super().on_step(quest, metrics, writer)
            if metrics.quest_step == 2:
                raise ValueError("the rows are cursed")

    story = Story(home)
    story.loop = Broken(home, story.realm.settings, story.realm.db, story.realm.events)
    story.thread = threading.Thread(target=story.loop.live, args=(story.stopping,))
    with story:
        story.until("quest_failed", 3)
        assert [f.retries_left for f in story.facts("quest_failed")] == [2, 1, 0]  # type: ignore[attr-defined]
        assert "the rows are cursed" in story.facts("run_failed")[0].reason  # type: ignore[attr-defined]
        story.wait(lambda: [] if list(home.queue("failed").glob("*.jsonl")) else None, "the file in failed/")
