"""A told campaign, its page in this process, and the page behind a real server with a real browser."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parent))
from demo import Demo, tell

from realm.config.layers import load
from realm.config.schema import RealmSettings
from realm.db import Database, metadata, open_database
from realm.tavern import app as tavern
from realm.workspace import Workspace

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


@dataclass
class Server:
    """The page on a port of this machine; can be stopped and started again on the same port."""

    demo: Demo
    port: int = 0
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self) -> None:
        app = tavern.create(self.demo.workspace, self.demo.settings, self.demo.db, self.demo.events)
        self.port = self.port or _free_port()
        config = uvicorn.Config(app, port=self.port, log_level="error", ws="none", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._end_streams = app.state.end_streams
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        for _ in range(200):
            try:
                httpx.get(f"{self.url}/health", timeout=1)
                return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError("the page did not come up")

    def stop(self) -> None:
        assert self._server is not None and self._thread is not None
        self._end_streams()
        self._server.should_exit = True
        self._thread.join(15)
        assert not self._thread.is_alive()


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


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
