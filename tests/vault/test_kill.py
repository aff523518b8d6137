"""A real process is killed at each step of a save; what is found afterwards is the one before or the new one, whole."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from realm.events import Events
from realm.vault import files
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger
from realm.workspace import Workspace

from .conftest import KEY, facts, writer

BEFORE_SEAL = ("made", "half written", "written", "synced", "renamed", "manifest written")
AFTER_SEAL = ("sealed", "registered", "linked", "retained")
SCRIPT = Path(__file__).with_name("killed_save.py")


@pytest.mark.parametrize("step", [*BEFORE_SEAL, *AFTER_SEAL])
def test_killed_at_each_step(
    step: str, workspace: Workspace, keeper: Keeper, ledger: CheckpointLedger, events: Events
) -> None:
    keeper.save(KEY, writer(100), facts(100))
    killed = subprocess.run([sys.executable, str(SCRIPT), str(workspace.root), "200", step], timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL

    keeper.recover(KEY)
    found = keeper.newest_good(KEY)

    expected = 200 if step in AFTER_SEAL else 100
    assert found is not None and found.step == expected
    assert files.verify(Path(found.path)).step == expected
    assert workspace.current_model.resolve() == Path(found.path)
    parent = workspace.checkpoints(KEY.hero, KEY.campaign)
    assert {str(path) for path in parent.iterdir()} == {record.path for record in ledger.present(KEY)}
    saved = [r.fact.step for r in events.since(kinds=["checkpoint_saved"])]  # type: ignore[attr-defined]
    assert saved == ([100, 200] if expected == 200 else [100])

    keeper.save(KEY, writer(300), facts(300))  # and life goes on
    assert not events.since(kinds=["checkpoint_quarantined"])
