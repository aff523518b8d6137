"""Fills a real workspace through the rooms' own functions with a campaign that has learned a little."""

from __future__ import annotations

import json
import math
import random
import time
from pathlib import Path

from realm.config.schema import RealmSettings
from realm.db import Database
from realm.events import (
    CheckpointSaved,
    Events,
    QuestStarted,
    RunFinished,
    RunStarted,
)
from realm.guild.curriculum import Mix
from realm.guild.ledger import GuildLedger
from realm.guild.progression import Examination
from realm.quests.queue import QuestQueue
from realm.records import CampaignKey, StepMetrics
from realm.watchtower.metrics import MetricsWriter
from realm.workspace import Workspace

PRIMITIVES = {
    "binary_add_no_carry": 0.97, "binary_add_with_carry": 0.86, "binary_sub_no_borrow": 0.92, "parity": 0.98,
    "binary_sub_with_borrow": 0.66, "binary_compare": 0.95, "mul_single_digit": 0.58, "div_exact": 0.52,
    "binary_to_decimal": 0.83, "decimal_to_binary": 0.78,
}  # fmt: skip
STEPS_PER_QUEST = 500


class Demo:
    """A small campaign, told step by step, so that a test can go on telling it while a page looks on."""

    def __init__(self, workspace: Workspace, db: Database, settings: RealmSettings) -> None:
        self.workspace, self.db, self.settings = workspace, db, settings
        self.events = Events(db)
        self.key = CampaignKey(settings.campaign.hero, settings.campaign.name)
        self.names = {"hero": self.key.hero, "campaign": self.key.campaign}
        self.queue = QuestQueue(workspace, db, self.events, settings.quests)
        self.guild = GuildLedger(db, self.events, settings.curriculum)
        self.random = random.Random("demo")
        self.step = 0
        self.effort = 0.0

    def quest(self, name: str, rows: int = 40, *, priority: str | None = None, source: str = "person",
              text: str | None = None) -> str:  # fmt: skip
        """Put a file through the queue's own door. Returns the quest's id."""
        line = {"prompt": f"⓪① + ①⓪ for {name}", "completion": "⓪① + ①⓪ = ①①"}
        path = self.workspace.inbox / name
        body = text if text is not None else "".join(json.dumps({**line, "id": i}) + "\n" for i in range(rows))
        path.write_text(body, encoding="utf-8")
        return self.queue.add(path, priority, source).id  # type: ignore[arg-type]

    def train(self, steps: int, *, of: int = STEPS_PER_QUEST, run: str = "run-1", now: float | None = None) -> None:
        """Record steps of a falling loss, the last of them now."""
        now = time.time() if now is None else now
        with MetricsWriter(self.db, self.key, run, every_seconds=1e9) as writer:
            for i in range(steps):
                self.step += 1
                writer.add(self._metrics(now - (steps - i) * 0.05))

    def _metrics(self, when: float) -> StepMetrics:
        level = 0.09 + 2.4 * math.exp(-self.step / 380) + 0.22 * math.exp(-self.step / 2200)
        loss = level * (1 + self.random.gauss(0, 0.07)) + 0.03 * abs(math.sin(self.step / 150))
        self.effort += max(0.0, loss)
        return StepMetrics(
            step=self.step, time=when, loss=loss, grad_norm=0.8, learning_rate=2e-3, tokens=380, input_tokens=610,
            step_seconds=0.05, quest_step=(self.step - 1) % STEPS_PER_QUEST + 1, quest_steps=STEPS_PER_QUEST,
            val_loss=level * 1.1 + 0.03 if self.step % 50 == 0 else None, strain=loss, effort=self.effort,
        )  # fmt: skip

    def examine(self, accuracies: dict[int, float]) -> None:
        """Record an examination of some levels at the step reached."""
        self.events.append(
            CheckpointSaved(
                checkpoint=f"{self.key}@{self.step}", step=self.step, size_bytes=9_000_000, seconds=0.3, **self.names
            )
        )
        self.guild.record([self._examination(level, accuracy) for level, accuracy in accuracies.items()])

    def _examination(self, level: int, accuracy: float) -> Examination:
        each = {name: round(60 * max(0.05, min(1.0, p + (accuracy - 0.8)))) for name, p in PRIMITIVES.items()}
        return Examination(
            key=self.key, step=self.step, skill="bin", level=level, role="frontier", n=100,
            correct=round(100 * accuracy), primitives={name: (min(n, 60), 60) for name, n in each.items()},
            training_n=100, training_correct=min(100, round(100 * accuracy) + 6), tokens=self.step * 380,
            time=time.time(),
        )  # fmt: skip

    def practise(self, frontier: int) -> str:
        """Plan a practice, as an idle hero does, and put it in the queue."""
        cells = {frontier: 0.4, frontier + 1: 0.2, frontier + 2: 0.1, frontier + 3: 0.05}
        cells |= {frontier - 1: 0.15, **{n: 0.1 / max(1, frontier - 2) for n in range(1, frontier - 1)}}
        shares = {("bin", level): share for level, share in cells.items() if level >= 1}
        reason = f"bin: frontier level {frontier} with levels up to {frontier + 3}; strain advises to continue."
        quest = self.quest(f"practice-{self.step:05d}.jsonl", 60, priority="low", source="practice")
        self.guild.record_practice(self.key, quest, step=self.step, rows=2000, mix=Mix(shares, reason))
        return quest

    def start(self) -> None:
        quest = self.queue.claim()
        assert quest is not None
        self.events.append(
            QuestStarted(quest=quest.id, name=quest.name, run="run-1", rows=quest.rows, **self.names),
            RunStarted(run="run-1", quest=quest.id, method="sft", step=self.step, **self.names),
        )  # fmt: skip

    def finish(self) -> None:
        quest = self.queue.list("active")[0]
        self.events.append(
            RunFinished(
                run=f"run-{self.step}",
                quest=quest.id,
                outcome="completed",
                step=self.step,
                steps=STEPS_PER_QUEST,
                tokens=190_000,
                seconds=41.0,
                loss_first=0.42,
                loss_last=0.31,
                effort=self.effort,
                **self.names,
            )
        )
        self.queue.complete(quest, f"run-{self.step}", STEPS_PER_QUEST, self.key)


def tell(demo: Demo) -> Demo:
    """A campaign of some three thousand steps: three levels mastered, the fourth on its way."""
    demo.guild.begin(demo.key, demo.settings.campaign)
    frontier = 1
    for step in range(250, 3251, 250):
        if demo.queue.list("active", 1):
            demo.finish()
        demo.practise(frontier)
        demo.start()
        demo.train(250, now=time.time() - (3250 - step) * 0.06)
        curve = {n: 1 / (1 + math.exp(-(step - 150 - 500 * n) / 220)) for n in range(1, 6)}
        taken = {n: min(0.98, max(0.03, curve[n] + demo.random.gauss(0, 0.02))) for n in range(1, min(6, frontier + 2))}
        demo.examine(taken)
        frontier = demo.guild.state(demo.key, "bin").frontier
    demo.finish()
    demo.quest("support-dialogues.jsonl", 400, priority="high")
    demo.quest("poems.jsonl", 120)
    alike = "".join(json.dumps({"prompt": f"p{i}", "chosen": "a", "rejected": "a"}) + "\n" for i in range(9))
    demo.quest("preferences.jsonl", text=alike)
    demo.practise(frontier)
    demo.queue.set_priority(demo.queue.list("low")[0].id, "high")
    waiting = demo.quest("letters.jsonl", 90, priority="low")
    assert waiting
    demo.start()
    demo.train(180)
    return demo


def build(root: Path, db: Database, settings: RealmSettings) -> Demo:
    return tell(Demo(Workspace(root), db, settings))
