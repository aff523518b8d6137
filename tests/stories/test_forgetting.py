"""A hero that really knows some canaries really forgets them: the alarm is told then, and not before."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from realm.cli.context import open_workspace
from realm.config.schema import Hyperparameters, PassiveSettings
from realm.db import Database
from realm.events import CanariesDrifted, Events
from realm.guild.passives.canaries import Canaries
from realm.guild.passives.ledger import CanaryLedger
from realm.guild.passives.sets import CORE, modules, problems
from realm.records import CampaignKey, Progress
from realm.workspace import Workspace
from tests.stories.conftest import Nursery, quest_lines

pytestmark = pytest.mark.slow
KEY = CampaignKey("hatchling", "forgetting")


class Quiet:
    """Nobody looks on."""

    def on_step(self, metrics: object) -> None: ...
    def save(self, engine: object) -> None: ...
    def request(self) -> Any: ...
    def on_pause(self, step: int) -> None: ...
    def on_resume(self, step: int) -> None: ...


def test_broken_weights_raise_the_alarm_and_sound_ones_do_not(db: Database) -> None:
    import torch

    from realm.arena.engine import Engine
    from realm.heroes.hero import load

    asked = [problem for module in modules("core") for problem in problems(module.name)]
    rows = [{"prompt": problem.prompt, "completion": problem.answer} for problem in asked]  # no quest may: a test does
    settings = Hyperparameters(per_device_train_batch_size=20, max_length=192, learning_rate=3e-3, save_steps=10**6)
    engine = Engine.open(load("hatchling"), settings, progress=Progress())
    for part in range(20):
        engine.train(rows * 25, run="teach", quest=f"teach-{part}", hooks=Quiet())
        answers = engine.answer([problem.prompt for problem in asked], max_new_tokens=32)
        if sum(said == problem.answer for said, problem in zip(answers, asked, strict=True)) >= 10:
            break
    events = Events(db)
    watch = partial(Canaries(db, events, PassiveSettings()).watch, KEY)
    assert watch(100, engine.answer, "t") == []
    known = CanaryLedger(db, events, PassiveSettings()).standing(KEY)[CORE].sitting.correct
    assert known >= 10, "the hero was to know half of its canaries"

    def disturb(strength: float) -> None:
        with torch.no_grad():
            for weight in engine.hero.model.parameters():
                weight.add_(strength * weight.std().nan_to_num() * torch.randn_like(weight))

    torch.manual_seed(7)
    disturb(0.001)
    assert watch(200, engine.answer, "t") == [] and events.since(0) == []
    disturb(1.0)
    watch(300, engine.answer, "t")
    told = [recorded.fact for recorded in events.since(0)]
    core = [fact for fact in told if isinstance(fact, CanariesDrifted) and fact.module == CORE]
    assert [(fact.severity, fact.step, fact.best_correct) for fact in core] == [("critical", 300, known)]
    assert core[0].points >= 30 and core[0].lost >= 6


def test_a_day_asks_the_canaries_at_each_checkpoint_and_trains_on_none(nursery: Nursery, home: Workspace) -> None:
    leak = problems("arithmetic")[0]
    lines = quest_lines("plain", 300) + f'{{"prompt": "{leak.prompt}", "completion": "{leak.answer}"}}\n' * 2
    (home.inbox / "plain.jsonl").write_text(lines)
    assert nursery.live(home.root) == 0
    realm = open_workspace(home)
    try:
        history = CanaryLedger(realm.db, realm.events, realm.settings.passives).history(realm.key, CORE)
        examined = {r.fact.step for r in realm.events.since(0, kinds=["examination_taken"])}  # type: ignore[attr-defined]
        assert {sitting.step for sitting in history} == examined and len(examined) >= 2
        assert {sitting.n for sitting in history} == {20}
        reports = [path.read_text() for path in home.root.rglob("*report*") if "plain" in path.name]
        assert any("2 rows hold a canary" in text for text in reports)
    finally:
        realm.db.close()
