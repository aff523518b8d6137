"""A told campaign, its page in this process, and the page behind a real server with a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from realm.config.layers import load
from realm.config.schema import RealmSettings
from realm.db import Database, metadata, open_database
from realm.tavern import app as tavern
from realm.workspace import Workspace
from tests.tavern.demo import Demo, tell
from tests.tavern.server import Server

ORIGIN = {"Origin": "http://localhost"}


@pytest.fixture
def settings() -> RealmSettings:
    return load()


@pytest.fixture
def demo(workspace: Workspace, settings: RealmSettings, db: Database) -> Demo:
    """A new campaign: nothing has happened yet."""
    return Demo(workspace, db, settings)


@pytest.fixture
def page(demo: Demo) -> Iterator[TestClient]:
    app = tavern.create(demo.workspace, demo.settings, demo.db, demo.events)
    with TestClient(app, base_url="http://localhost", headers=ORIGIN) as client:
        yield client


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A campaign of three thousand steps, shared by the tests of a module."""
    workspace = Workspace(tmp_path_factory.mktemp("told") / "realm")
    workspace.create()
    db = open_database(workspace.database, checkpoints=True)
    with db.write() as connection:
        metadata.create_all(connection)
    with workspace.hold("hero"):  # as the training process does
        yield tell(Demo(workspace, db, load()))
    db.close()


@pytest.fixture(scope="module")
def server(told: Demo) -> Iterator[Server]:
    running = Server(told)
    running.start()
    yield running
    running.stop()
