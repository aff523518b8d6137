"""Asking the models from a command: the running service, else one that lives as long as the command."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from realm.cli.context import Realm
from realm.clients import client, is_up
from realm.errors import RealmError, ServiceError, UsageError

START_SECONDS = 20.0
PROBE_SECONDS = 1.0
Message = dict[str, Any]


@dataclass(slots=True)
class Answer:
    """One answer, and what it took."""

    asked: str
    """The name that was asked."""
    model: str = ""
    """The weights that answered."""
    text: str = ""
    finish_reason: str = ""
    usage: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    first_seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {
            "asked": self.asked, "model": self.model, "text": self.text, "finish_reason": self.finish_reason,
            "usage": dict(self.usage), "seconds": round(self.seconds, 3), "first_seconds": round(self.first_seconds, 3),
        }  # fmt: skip


class Models:
    """The service of the models, wherever it answers."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def list(self) -> Sequence[Mapping[str, Any]]:
        """Every name that may be asked for. Raises ServiceError."""
        return list(self._read(self._http.get("/v1/models"))["data"])

    def call(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """One of the service's own calls. Raises UsageError and ServiceError in its words."""
        return self._read(self._http.post(path, json=body))

    def answer(
        self, model: str, messages: Sequence[Message], show: Callable[[str], object] = lambda _: None, **how: Any
    ) -> Answer:
        """Ask, and `show` each piece as it comes. Raises UsageError and ServiceError in the service's words."""
        body = {"model": model, "messages": list(messages), "stream": True, **how}
        body["stream_options"] = {"include_usage": True}
        got, began = Answer(model), time.perf_counter()
        with self._http.stream("POST", "/v1/chat/completions", json=body, timeout=None) as response:
            if not response.is_success:
                response.read()
                raise _said(response)
            for event in _events(response.iter_lines()):
                if piece := _take(got, event):
                    got.first_seconds = got.first_seconds or time.perf_counter() - began
                    show(piece)
        got.seconds = time.perf_counter() - began
        return got

    def _read(self, response: httpx.Response) -> dict[str, Any]:
        if not response.is_success:
            raise _said(response)
        return dict(response.json())


@contextmanager
def open_models(realm: Realm) -> Iterator[Models]:
    """The models of a realm, ready to be asked."""
    services = realm.settings.services
    if is_up("oracle", services, timeout=PROBE_SECONDS):
        with client("oracle", services, timeout=600) as http:
            yield Models(http)
        return
    with _own_service(realm) as url, httpx.Client(base_url=url, timeout=600, trust_env=False) as http:
        yield Models(http)


@contextmanager
def _own_service(realm: Realm) -> Iterator[str]:
    """The same service on a free port of this machine, in a thread."""
    import uvicorn  # noqa: PLC0415 - with FastAPI 0.5 s, which no other command should pay

    from realm.cli.models import RealmModels  # noqa: PLC0415
    from realm.cli.serve import spin_briefly  # noqa: PLC0415
    from realm.cli.serve_oracle import backend  # noqa: PLC0415
    from realm.cli.web import Server  # noqa: PLC0415
    from realm.oracle.api import create  # noqa: PLC0415

    spin_briefly()
    settings, here = realm.settings.oracle, realm.settings.services.model_copy(update={"bind": "127.0.0.1"})
    app = create(RealmModels(realm), settings, here, backend=backend(settings))
    server = Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, name="models", daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + START_SECONDS
        while not server.started:
            if time.monotonic() > deadline or not thread.is_alive():
                raise ServiceError("The models could not be served.", hint="See why: realm serve oracle")
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        app.state.end_streams()
        server.should_exit = True
        thread.join(10)


def _events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line.removeprefix("data: "))


def _take(got: Answer, event: Mapping[str, Any]) -> str:
    """Note what an event says; the piece of text that it brings."""
    if "error" in event:
        raise ServiceError(event["error"]["message"], hint=event["error"].get("hint", ""))
    got.model = event.get("model", got.model)
    got.usage = event.get("usage") or got.usage
    piece = ""
    for choice in event.get("choices", ()):
        piece = choice["delta"].get("content") or ""
        got.text += piece
        got.finish_reason = choice.get("finish_reason") or got.finish_reason
    return piece


def _said(response: httpx.Response) -> RealmError:
    """The service's refusal, as the error that it was."""
    try:
        told = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return ServiceError(f"The service of the models answered {response.status_code}.", hint="See logs/oracle.log.")
    kind = UsageError if response.status_code in (400, 404) else ServiceError
    return kind(str(told.get("message", "")), hint=str(told.get("hint", "")))
