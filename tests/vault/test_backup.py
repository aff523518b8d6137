"""Backups and resets: nothing goes before it was copied and compared, and all of it comes back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from sqlalchemy import MetaData, select

from realm.db import Database
from realm.errors import CheckpointError, UsageError
from realm.events import Events
from realm.records import CampaignKey, StepMetrics
from realm.vault import campaign_rows, files
from realm.vault.backup import NAME, Backups
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger
from realm.watchtower.metrics import Metrics, MetricsWriter
from realm.workspace import Workspace

from .conftest import KEY, facts, writer

OTHER = CampaignKey("hatchling", "first-light-2")


@pytest.fixture
def backups(workspace: Workspace, db: Database, events: Events, keeper: Keeper) -> Backups:
    for step in (1, 2, 3):
        keeper.save(KEY, writer(step), facts(step))
    keeper.ledger.examined(f"{KEY}@2", 0.8, {"n": 50, "levels": {"bin": 1}})
    keeper.catalogue.name("good", f"{KEY}@2", "the one that worked")
    for key in (KEY, OTHER):
        with MetricsWriter(db, key, "run-1", every_seconds=1e9) as written:
            for step in range(1, 5):
                written.add(StepMetrics(step, float(step), 1.0, 1.0, 1e-3, 10, 10, 0.1, step, 4))
    folder = workspace.campaign(KEY.hero, KEY.campaign)
    (folder / "campaign.toml").write_text("# own\n")
    (folder / "start").mkdir()
    (folder / "start" / "model.safetensors").write_bytes(b"start")
    (folder / "runs" / "run-1").mkdir(parents=True)
    (folder / "runs" / "run-1" / "spec.json").write_text("{}")
    return Backups(workspace, db, events)


def everything(workspace: Workspace, db: Database) -> tuple[dict[str, bytes], dict[str, list[tuple[object, ...]]]]:
    root = workspace.root / "campaigns"
    content = {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}
    found = MetaData()
    with db.read() as connection:
        found.reflect(connection)
        rows = {
            table.name: sorted(
                (
                    tuple(v for c, v in row.items() if c != "id" or not isinstance(v, int))
                    for row in connection.execute(select(table)).mappings()
                ),
                key=repr,
            )
            for table in found.sorted_tables
            if table.name != "fact"
        }
    return content, rows


def test_a_reset_takes_what_was_learned_and_a_restore_brings_all_of_it_back(
    backups: Backups, workspace: Workspace, db: Database, ledger: CheckpointLedger, events: Events
) -> None:
    before = everything(workspace, db)
    made = backups.reset([KEY], "a test")
    assert ledger.present(KEY) == [] and Metrics(db).latest(KEY) is None
    assert Metrics(db).latest(OTHER) is not None  # a campaign with the longer name is another one
    folder = workspace.campaign(KEY.hero, KEY.campaign)
    assert sorted(p.name for p in folder.iterdir()) == ["campaign.toml", "start"]
    assert not workspace.current_model.is_symlink()
    assert [r.kind for r in events.newest(2)] == ["campaign_reset", "backup_made"]
    backups.restore(made.name)
    after = everything(workspace, db)
    assert after[0] == before[0]
    assert after[1] == before[1]
    champion = ledger.champion(KEY)
    assert champion is not None and champion.id == f"{KEY}@2"
    assert files.verify(Path(ledger.get(f"{KEY}@3").path)).step == 3
    backups.restore(made.name)  # again is no mistake
    assert everything(workspace, db)[0] == before[0]


def test_a_backup_of_checkpoints_takes_no_room_and_outlives_them(
    backups: Backups, workspace: Workspace, ledger: CheckpointLedger
) -> None:
    made = backups.make([KEY], "a test")
    weights = Path(ledger.get(f"{KEY}@3").path) / "model.safetensors"
    copy = next((workspace.backups / made.name).rglob("checkpoint-3-*/model.safetensors"))
    assert copy.stat().st_ino == weights.stat().st_ino
    content = weights.read_bytes()
    shutil.rmtree(weights.parent)
    assert copy.read_bytes() == content and backups.verify(made.name) == backups.all()[0]


@pytest.mark.parametrize("damage", ["changed", "removed", "added", "rows"])
def test_a_damaged_backup_is_never_put_back(damage: str, backups: Backups, workspace: Workspace, db: Database) -> None:
    made = backups.reset([KEY], "a test")
    folder = workspace.backups / made.name
    victim = next(folder.rglob("checkpoint-2-*/optimizer.pt"))
    if damage == "changed":
        victim.write_bytes(b"x")
    elif damage == "removed":
        victim.unlink()
    elif damage == "added":
        (victim.parent / "evil.pkl").write_bytes(b"x")
    else:
        (folder / "rows.jsonl").write_text(json.dumps(["checkpoint", {}]) + "\n")
    before = everything(workspace, db)
    with pytest.raises(CheckpointError, match="must not be used"):
        backups.restore(made.name)
    assert everything(workspace, db) == before


def test_half_a_backup_is_none(backups: Backups, workspace: Workspace) -> None:
    made = backups.make([KEY], "a test")
    (workspace.backups / made.name / NAME).unlink()
    assert backups.all() == []
    with pytest.raises(UsageError, match="no backup"):
        backups.restore(made.name)


@pytest.mark.parametrize("name", ["../../etc", "a/b", ".hidden", "", "nothing"])
def test_a_name_is_no_path(name: str, backups: Backups) -> None:
    with pytest.raises(UsageError):
        backups.read(name)


def test_the_queue_goes_and_comes_back_with_the_workspace(backups: Backups, workspace: Workspace, db: Database) -> None:
    (workspace.queue("high") / "a.jsonl").write_text("{}\n")
    made = backups.reset([KEY], "a test", queue=True)
    assert list(workspace.queue("high").iterdir()) == []
    backups.restore(made.name)
    assert (workspace.queue("high") / "a.jsonl").read_text() == "{}\n"


def test_facts_stay(backups: Backups, events: Events) -> None:
    count = len(events.since(limit=1000))
    backups.reset([KEY], "a test")
    assert len(events.since(limit=1000)) == count + 2


def test_rows_of_a_campaign_only(backups: Backups, db: Database) -> None:
    tables = {table for table, _ in campaign_rows.read(db, [KEY])}
    assert {"checkpoint", "metric", "metric_span", "asset_location", "version"} <= tables
    assert not tables & campaign_rows.STAY
    for table, row in campaign_rows.read(db, [KEY]):
        told = [str(row.get(name, "")) for name in ("campaign", "asset", "checkpoint")]
        assert "first-light-2" not in " ".join(told), table


def test_a_backup_is_removed_when_it_is_asked(backups: Backups, workspace: Workspace) -> None:
    made = backups.make([KEY], "a test")
    backups.remove(made.name)
    assert backups.all() == [] and list(workspace.backups.iterdir()) == []
