"""A process that saves one checkpoint and is killed at a named step. Run by test_kill.py.

Arguments: workspace, step of the campaign, step of the save to die at.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from realm.config.schema import RetentionSettings
from realm.db import open_database
from realm.events import Events
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger
from realm.workspace import Workspace
from tests.vault.conftest import KEY, facts, writer


def main(root: str, step: int, die_at: str) -> None:
    def at(reached: str) -> None:
        if reached == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def write(folder: Path) -> None:
        writer(step)(folder)
        at("half written")
        (folder / "late.safetensors").write_bytes(b"late")

    workspace = Workspace(root)
    events = Events(db := open_database(workspace.database, checkpoints=True))
    keeper = Keeper(workspace, CheckpointLedger(db, events), events, RetentionSettings(keep_newest=1))
    keeper.save(KEY, write, facts(step), at=at)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
