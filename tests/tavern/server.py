"""The page behind a real server, for streams and browsers."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass

import httpx
import uvicorn

from realm.tavern import app as tavern
from tests.tavern.demo import Demo


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
        self._app = app
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        for _ in range(200):
            try:
                httpx.get(f"{self.url}/health", timeout=1)
                return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError("the page did not come up")

    def end_streams(self) -> None:
        self._app.state.end_streams()

    def stop(self) -> None:
        assert self._server is not None and self._thread is not None
        self.end_streams()
        self._server.should_exit = True
        self._thread.join(15)
        assert not self._thread.is_alive()


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])
