"""kill -9 at any moment loses no quest, trains none twice, corrupts no checkpoint, and needs no hand to recover."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pytest
from safetensors.torch import load_file

from realm.db import open_database
from realm.events import Events, QuestCompleted
from realm.records import CampaignKey
from realm.vault.files import verify
from realm.vault.ledger import CheckpointLedger
from realm.watchtower.metrics import Metrics
from realm.workspace import Workspace

from .conftest import SETTINGS, Nursery, quest_lines

KEY = CampaignKey("hatchling", "story")
QUESTS = ("alder", "birch", "cedar")
KILLS = 30


def realm_with_quests(root: Path) -> Workspace:
    workspace = Workspace(root)
    workspace.create()
    workspace.settings.write_text(SETTINGS)
    for name in QUESTS:
        (workspace.inbox / f"{name}.jsonl").write_text(quest_lines(name, 400))
    return workspace


class Ledger:
    """What a realm has to show for itself."""

    def __init__(self, workspace: Workspace) -> None:
        db = open_database(workspace.database)
        events = Events(db)
        newest = CheckpointLedger(db, events).newest(KEY)
        assert newest
        self.folder = workspace.checkpoints(*("hatchling", "story")) / Path(newest.path).name
        self.step = newest.step
        self.losses = [(m.step, m.loss) for m in Metrics(db).after(KEY, 0, 10_000)]
        self.completed = Counter(r.fact.name for r in events.replay() if isinstance(r.fact, QuestCompleted))
        db.close()


@pytest.mark.slow
def test_thirty_kills_end_like_an_uninterrupted_run(nursery: Nursery, tmp_path: Path) -> None:
    calm, stormy = realm_with_quests(tmp_path / "calm"), realm_with_quests(tmp_path / "stormy")
    began = time.monotonic()
    assert nursery.live(calm.root) == 0
    whole_life = time.monotonic() - began

    moments = random.Random("kills")
    kills = 0
    while kills < KILLS:
        pid = nursery.start(stormy.root)
        time.sleep(moments.uniform(0.05, max(1.0, whole_life / 4)))
        kills += nursery.kill(pid) != 0
        if not any(stormy.inbox.glob("*.jsonl")) and not any(
            file for state in ("high", "normal", "low", "active") for file in stormy.queue(state).glob("*.jsonl")
        ):
            break  # all is trained: nothing is left to disturb
    assert kills >= 8
    assert nursery.live(stormy.root) == 0

    one, other = Ledger(calm), Ledger(stormy)
    assert other.completed == one.completed == Counter(f"{name}.jsonl" for name in QUESTS)
    assert other.step == one.step
    assert other.losses == one.losses
    verify(other.folder)
    left, right = load_file(one.folder / "model.safetensors"), load_file(other.folder / "model.safetensors")
    assert left.keys() == right.keys()
    assert all(left[name].equal(right[name]) for name in left)
