"""A hero learns from another one, keeps its teacher through kills, and outlives one that does not answer."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from realm.cli.context import open_workspace
from realm.events import Fact
from realm.records import CampaignKey
from realm.vault.ledger import CheckpointLedger
from realm.watchtower.metrics import Metrics
from realm.workspace import Workspace
from tests.arena.local_endpoint import Behaviour, serving
from tests.stories.conftest import SETTINGS, Nursery, quest_lines

pytestmark = pytest.mark.slow

YOUNG = SETTINGS.replace('name = "story"', 'name = "young"\nseed = 3') + (
    'method = "distill"\nteacher = "hatchling:story"\ndistill_max_new_tokens = 8\n'
)
KEY = CampaignKey("hatchling", "young")


def facts(home: Workspace, kind: str) -> list[Fact]:
    realm = open_workspace(home)
    found = [r.fact for r in realm.events.replay(kinds=[kind])]
    realm.db.close()
    return found


def end(home: Workspace) -> tuple[int, dict[str, torch.Tensor], list[float]]:
    """The last step of the young campaign, its weights and its losses."""
    realm = open_workspace(home)
    newest = CheckpointLedger(realm.db, realm.events).newest(KEY)
    losses = [m.loss for m in Metrics(realm.db).after(KEY, 0, 10_000)]
    realm.db.close()
    assert newest
    folder = home.checkpoints(KEY.hero, KEY.campaign) / Path(newest.path).name
    return newest.step, load_file(folder / "model.safetensors"), losses


@pytest.fixture
def elder(home: Workspace, nursery: Nursery) -> Workspace:
    """A campaign that has trained on something, and another one that is to learn from it."""
    (home.inbox / "alder.jsonl").write_text(quest_lines("alder", 250))
    assert nursery.live(home.root) == 0
    home.settings.write_text(YOUNG)
    return home


def test_a_hero_learns_from_another_campaign_and_keeps_its_teacher_through_kills(
    elder: Workspace, nursery: Nursery
) -> None:
    prompts = "".join(json.dumps({"prompt": f"alder {i}?"}) + "\n" for i in range(200))
    (elder.inbox / "asked.jsonl").write_text(prompts)
    calm = Workspace(shutil.copytree(elder.root, elder.root.with_name("calm"), symlinks=True))
    assert nursery.live(calm.root) == 0
    kills = 0
    for _ in range(3):
        pid = nursery.start(elder.root)
        time.sleep(1.5)
        kills += nursery.kill(pid) != 0
    assert nursery.live(elder.root) == 0 and kills
    [told] = {(f.run, f.teacher, f.learned) for f in facts(elder, "teacher_fixed")}  # type: ignore[attr-defined]
    assert told[1].startswith("hatchling:story@") and told[2] == "tokens"
    assert not list(elder.runs("hatchling", "young").glob("*/teacher"))
    (step, weights, losses), (other_step, others, other_losses) = end(elder), end(calm)
    assert (step, losses) == (other_step, other_losses) and len(losses) == step
    assert all(weights[name].equal(others[name]) for name in weights) and weights.keys() == others.keys()
    assert sum(losses[-3:]) < 0.7 * sum(losses[:3])


def test_a_teacher_that_does_not_answer_costs_its_quest_and_nothing_else(home: Workspace, nursery: Nursery) -> None:
    with serving(Behaviour(key="sk-secret")) as server:
        taught = f'method = "distill"\nteacher = "{server.url}#little"\nteacher_timeout_seconds = 5\n'
        home.settings.write_text(SETTINGS + taught)
        (home.inbox / "alder.jsonl").write_text(quest_lines("alder", 40))
        (home.inbox / "birch.jsonl").write_text(quest_lines("birch", 60))
        (home.inbox / "birch.jsonl.meta.json").write_text(json.dumps({"method": "sft"}))
        assert nursery.live(home.root) == 0
    reasons = {f.name: f.reason for f in facts(home, "quest_failed")}  # type: ignore[attr-defined]
    assert set(reasons) == {"alder.jsonl"} and "refuses the API key (401)" in reasons["alder.jsonl"]
    assert [f.name for f in facts(home, "quest_completed")] == ["birch.jsonl"]  # type: ignore[attr-defined]
    assert [path.suffix for path in home.queue("failed").glob("*alder.jsonl")] == [".jsonl"]
