"""A small OpenAI-compatible server on a real port, for as long as a test needs it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Behaviour:
    """What the server does, and what it was asked."""

    answer: Callable[[str], str | None] = lambda prompt: f"you said {prompt}"
    statuses: list[int] = field(default_factory=list)
    """Statuses of the next replies; then 200."""
    key: str = ""
    models: tuple[str, ...] = ("little",)
    raw: bytes | None = None
    """Sent in place of an answer."""
    seconds: float = 0.0
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[Behaviour]:
    """The server at `behaviour.url`."""
    quick = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

        def do_GET(self) -> None:
            self.reply({"data": [{"id": name} for name in behaviour.models]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            behaviour.asked.append(body)
            quick.wait(behaviour.seconds)
            said = behaviour.answer(body["messages"][-1]["content"])
            self.reply({"choices": [{"message": {"role": "assistant", "content": said}}]})

        def reply(self, told: Any) -> None:
            status = behaviour.statuses.pop(0) if behaviour.statuses else 200
            if behaviour.key and self.headers["Authorization"] != f"Bearer {behaviour.key}":
                status = 401
            self.send_response(status)
            self.end_headers()
            if status == 200:
                self.wfile.write(json.dumps(told).encode() if behaviour.raw is None else behaviour.raw)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    behaviour.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield behaviour
    finally:
        quick.set()
        server.shutdown()
        thread.join()
        server.server_close()
