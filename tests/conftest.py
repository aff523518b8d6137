"""Fixtures shared by all rooms: a workspace and a database in a folder of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from realm.db import Database, open_database
from realm.workspace import Workspace

# A busy machine is no bug: how long an example takes is not what property tests are about.
settings.register_profile("realm", deadline=None)
settings.load_profile("realm")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stories first: a long file that is begun last leaves the other cores with nothing to do."""
    items.sort(key=lambda item: "stories" not in item.path.parts)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """torch computes on one thread: bits follow from the order of sums, and the machine is shared."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "realm")
    made.create()
    return made


@pytest.fixture
def db(workspace: Workspace) -> Iterator[Database]:
    """An empty database with the tables of every module that was imported so far."""
    from realm.db import metadata

    database = open_database(workspace.database, checkpoints=True)
    with database.write() as connection:
        metadata.create_all(connection)
    yield database
    database.close()
