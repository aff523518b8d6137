"""A queue in a workspace of the test's own, and files to put into it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import realm.quests.ledger  # noqa: F401 - its tables must be known before the database is made
from realm.config.schema import QuestSettings
from realm.db import Database
from realm.events import Events
from realm.quests.queue import QuestQueue
from realm.workspace import Workspace

Write = Callable[..., Path]


@pytest.fixture
def drop(workspace: Workspace) -> Write:
    """Write a file into the inbox: bytes, or rows."""

    def write(name: str, content: bytes | list[dict[str, Any]] | None = None, folder: str = "") -> Path:
        path = workspace.inbox / folder / name
        if content is None:
            content = [{"prompt": f"{name} {i} + 1?", "completion": str(i + 1)} for i in range(3)]
        if not isinstance(content, bytes):
            content = "".join(json.dumps(row) + "\n" for row in content).encode()
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def queue(workspace: Workspace, db: Database) -> QuestQueue:
    return QuestQueue(workspace, db, Events(db), QuestSettings())
