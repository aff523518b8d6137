"""A vault in a folder of the test's own, and small checkpoints to put into it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from realm.config.schema import RetentionSettings
from realm.db import Database, metadata
from realm.events import Events
from realm.records import CampaignKey, Progress
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger
from realm.vault.manifest import ManifestFacts
from realm.workspace import Workspace

settings.register_profile("busy-machine", deadline=None)  # a pure rule may wait 200 ms for its turn on a busy machine
settings.load_profile("busy-machine")
KEY = CampaignKey("hatchling", "first-light")
FILES = {
    "config.json": b'{"model_type": "qwen3"}',
    "model.safetensors": b"\x08" + bytes(range(256)) * 40,
    "optimizer.pt": b"PK" + bytes(range(255, -1, -1)) * 60,
    "rng_state.pth": b"PK\x03\x04",
    "tokenizer.json": b"{}",
    "trainer_state.json": b'{"global_step": 1}',
}


def writer(step: int = 0) -> Callable[[Path], None]:
    """Writes files in the layout of a real checkpoint; the step is in the weights."""

    def write(folder: Path) -> None:
        for name, content in FILES.items():
            (folder / name).write_bytes(content + (str(step).encode() if name == "model.safetensors" else b""))

    return write


def facts(step: int, *, levels: dict[str, int] | None = None, created: float = 1_700_000_000.0) -> ManifestFacts:
    """Steps are a minute apart."""
    progress = Progress(step=step, tokens=step * 100, run="run-1", quest="q-1", quest_step=step, quest_done=False)
    return ManifestFacts(
        hero=KEY.hero,
        campaign=KEY.campaign,
        progress=progress,
        run="run-1",
        quests=("ab" * 32,),
        configuration={"hyperparameters": {"learning_rate": 2e-4}},
        metrics={"loss": 0.5},
        levels=levels or {},
        created=created + 60 * step,
    )


@pytest.fixture
def events(db: Database) -> Events:
    return Events(db)


@pytest.fixture
def ledger(db: Database, events: Events) -> CheckpointLedger:
    with db.write() as connection:
        metadata.create_all(connection)
    return CheckpointLedger(db, events)


@pytest.fixture
def keeper(workspace: Workspace, ledger: CheckpointLedger, events: Events) -> Keeper:
    return Keeper(workspace, ledger, events, RetentionSettings(keep_newest=3))
