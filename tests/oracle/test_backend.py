"""Another server answers first where it can; where it cannot, this one does, and nobody notices more than a header."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import httpx

from realm.config.schema import OracleSettings, ServiceSettings
from realm.oracle.api import create
from realm.oracle.backend import Backend
from tests.oracle.oracle_support import Shelf, free_port, served, service, shelf

ASKED: dict[str, Any] = {
    "model": "a", "messages": [{"role": "user", "content": "hello"}], "temperature": 0, "max_tokens": 6,
    "ignore_eos": True,
}  # fmt: skip


def behind(backend: Backend, catalogue: Shelf) -> Any:
    return served(create(catalogue, OracleSettings(), ServiceSettings(), backend=backend))


def ask(url: str, **asked: Any) -> httpx.Response:
    return httpx.post(f"{url}/v1/chat/completions", json={**ASKED, **asked}, trust_env=False, timeout=60)


def test_a_server_that_answers_is_asked_first_and_the_embedded_engine_for_the_rest() -> None:
    far, near = shelf("theirs"), shelf("a", "b")
    with ExitStack() as both:
        there = both.enter_context(served(service(far)))
        here = both.enter_context(behind(Backend(f"{there}/v1", {"a": "theirs"}), near))
        first = ask(here)
        assert first.headers["x-realm-backend"] == there and first.json()["model"] == "weights-theirs"
        assert near.loads == []
        streamed = ask(here, stream=True)
        assert streamed.headers["x-realm-backend"] == there and streamed.text.endswith("data: [DONE]\n\n")
        assert ask(here, temperature=9).status_code == 400, "its refusals are ours"
        other = ask(here, model="b")
        assert other.headers["x-realm-backend"] == "embedded" and other.json()["model"] == "weights-b"


def test_a_server_that_is_down_or_does_not_know_the_model_is_passed_over() -> None:
    near = shelf("a")
    with behind(Backend(f"http://127.0.0.1:{free_port()}"), near) as here:
        for _ in range(2):
            answer = ask(here)
            assert answer.status_code == 200 and answer.headers["x-realm-backend"] == "embedded"
    with served(service(shelf("others"))) as there, behind(Backend(there), near) as here:
        assert ask(here).headers["x-realm-backend"] == "embedded"
        assert ask(here, model="nobody").status_code == 404
