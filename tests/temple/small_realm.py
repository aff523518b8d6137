"""A small healthy realm made of files and rows through the rooms' own functions, to be broken by tests."""

from __future__ import annotations

import json
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from realm.config.schema import RealmSettings
from realm.db import Database
from realm.events import Events, RunFailed, RunFinished, RunStarted
from realm.guild.ledger import GuildLedger
from realm.guild.passives.drift import Sitting
from realm.guild.passives.ledger import CanaryLedger
from realm.guild.progression import Examination
from realm.quests.queue import Quest, QuestQueue
from realm.records import CheckpointRecord, Progress, StepMetrics
from realm.temple.scene import Scene
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger
from realm.vault.manifest import ManifestFacts
from realm.watchtower.metrics import MetricsWriter
from realm.workspace import Workspace

STATE_FILES = ("optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")


def safetensors(values: Sequence[float]) -> bytes:
    """A file with one tensor of 32-bit floats."""
    data = struct.pack(f"<{len(values)}f", *values)
    entry = {"dtype": "F32", "shape": [len(values)], "data_offsets": [0, len(data)]}
    header = json.dumps({"model.layers.0.weight": entry, "__metadata__": {"format": "pt"}}).encode()
    return struct.pack("<Q", len(header)) + header + data


def rows(count: int, name: str = "q") -> list[dict[str, Any]]:
    return [{"prompt": f"{name} {i}?", "completion": f"answer {i * 7 % 13}"} for i in range(count)]


class SmallRealm:
    """One campaign; each call adds what a hero's day would leave behind."""

    def __init__(self, workspace: Workspace, db: Database, settings: RealmSettings) -> None:
        self.workspace, self.db, self.settings = workspace, db, settings
        self.events = Events(db)
        self.guild = GuildLedger(db, self.events, settings.curriculum)
        self.keeper = Keeper(workspace, CheckpointLedger(db, self.events), self.events, settings.retention)
        self.queue = QuestQueue(workspace, db, self.events, settings.quests)
        self.key = self.scene().key
        self.names = {"hero": self.key.hero, "campaign": self.key.campaign}
        self.guild.begin(self.key, settings.campaign)
        self.effort = 0.0

    def scene(self, **more: Any) -> Scene:
        return Scene(self.workspace, self.settings, self.db, self.events, **more)

    def checkpoint(
        self, step: int, weights: Sequence[float] = (0.5, -1.0, 2.0), run: str = "run-1"
    ) -> CheckpointRecord:
        def write(folder: Path) -> None:
            (folder / "model.safetensors").write_bytes(safetensors(weights))
            for name in STATE_FILES:
                (folder / name).write_bytes(b"state of " + str(step).encode())

        progress = Progress(step=step, run=run, quest="q", quest_done=True, effort=self.effort)
        hero, campaign = self.key.hero, self.key.campaign
        facts = ManifestFacts(hero=hero, campaign=campaign, progress=progress, run=run, metrics={"loss": 0.5})
        return self.keeper.save(self.key, write, facts)

    def examine(
        self,
        step: int,
        marks: str,
        *,
        level: int = 1,
        skill: str = "bin",
        training_correct: int = 0,
        crown: bool = True,
    ) -> Examination:
        """An examination with these marks, problem by problem; `crown` tells the ledger of checkpoints."""
        taken = Examination(
            key=self.key, step=step, skill=skill, level=level, role="frontier", n=len(marks), correct=marks.count("1"),
            seed="exam", marks=marks, training_n=50 if training_correct else 0, training_correct=training_correct,
            time=time.time(),
        )  # fmt: skip
        self.guild.record([taken])
        checkpoint = f"{self.key}@{step}"
        if crown and self.keeper.ledger.find(checkpoint):
            detail = {"n": taken.n, "levels": self.guild.levels(self.key)}
            self.keeper.ledger.examined(checkpoint, taken.accuracy, detail)
        return taken

    def canaries(self, step: int, right: int, n: int = 20) -> None:
        ledger = CanaryLedger(self.db, self.events, self.settings.passives)
        marks = tuple(i < right for i in range(n))
        ledger.record([Sitting(key=self.key, step=step, module="logic", problem_set="x", right=marks)])

    def quest(self, content: Sequence[Mapping[str, Any]], name: str = "file.jsonl", source: str = "person") -> Quest:
        path = self.workspace.inbox / name
        path.write_text("".join(json.dumps(row) + "\n" for row in content))
        return self.queue.add(path, None, source)  # type: ignore[arg-type]

    def train(
        self, start: int, end: int, *, run: str = "run-1", quest: str = "",
        losses: Callable[[int], float] | None = None, ends: bool = True, fails: str = "",
    ) -> str:  # fmt: skip
        """The steps of a run and its facts. `losses` maps a step to its loss."""
        self.events.append(RunStarted(run=run, quest=quest, method="sft", step=start, **self.names))
        of = losses or (lambda step: 1.0 / (1 + 0.1 * (step - start)))
        with MetricsWriter(self.db, self.key, run, every_seconds=1e9) as writer:
            for step in range(start + 1, end + 1):
                self.effort += max(0.0, of(step))
                writer.add(self._step(step, of(step), start, end))
        if fails:
            self.events.append(RunFailed(run=run, quest=quest, step=end, reason=fails, **self.names))
        elif ends:
            self.events.append(
                RunFinished(run=run, quest=quest, outcome="completed", step=end, steps=end - start, tokens=1000,
                            seconds=2.0, loss_first=of(start + 1), loss_last=of(end), effort=self.effort, **self.names)
            )  # fmt: skip
        return run

    def _step(self, step: int, loss: float, start: int, end: int) -> StepMetrics:
        return StepMetrics(
            step=step, time=time.time() - (end - step) * 0.1, loss=loss, grad_norm=0.8, learning_rate=1e-3, tokens=100,
            input_tokens=100, step_seconds=0.1, quest_step=step - start, quest_steps=end - start,
            strain=max(0.0, loss), effort=self.effort,
        )  # fmt: skip

    def healthy(self) -> SmallRealm:
        """A run of 60 steps on a good file, with two examined checkpoints."""
        quest = self.quest(rows(60))
        self.queue.claim(quest.id)
        self.train(0, 60, run="run-1", quest=quest.id)
        self.queue.complete(self.queue.get(quest.id), "run-1", 60, self.key)
        for step, right in ((30, 40), (60, 60)):
            self.checkpoint(step)
            self.examine(step, "1" * right + "0" * (100 - right), training_correct=right // 2)
            self.canaries(step, 18)
        return self


class _Answers(BaseHTTPRequestHandler):
    pages: Mapping[str, tuple[int, str]] = {}

    def do_GET(self) -> None:
        status, body = self.pages.get(self.path, (404, "{}"))
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None: ...


@contextmanager
def served(pages: Mapping[str, tuple[int, str]]) -> Iterator[str]:
    """A server of this machine that answers so: path -> status and body. Yields its address."""
    handler = type("Answers", (_Answers,), {"pages": pages})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
