"""Requests that no client of ours would send: refused in words, with a small answer and little memory."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode

from tests.oracle.oracle_support import Open, served, service, shelf

GIGABYTE = 1_000_000_000


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(service(shelf("a"), answer_tokens=8)) as url:
        yield url


def post(address: str, body: str | bytes, **headers: str) -> httpx.Response:
    headers = {"content-type": "application/json", **headers}
    return httpx.post(f"{address}/v1/chat/completions", content=body, headers=headers, trust_env=False)


@pytest.mark.parametrize(
    "body",
    [
        "", "[]", "null", "{", '"x"', '{"model": "a"}', '{"model": 1, "messages": []}', "[" * 100_000,
        '{"model": "a", "messages": [{"role": "user", "content": "\\ud800"}]}',
        '{"model": "a", "messages": [{"role": "user", "content": "x"}], "temperature": NaN}',
        '{"model": "a", "messages": [{"role": "user", "content": "x"}], "seed": 1e400}',
        '{"model": "a", "messages": [{"role": "user", "content": "x"}], "stop": [""]}',
        '{"model": "a", "messages": [{"role": "user", "content": "x"}], "logit_bias": {"99999999": 1}}',
        '{"model": "\\u0000", "messages": [{"role": "user", "content": "x"}]}',
    ],
)  # fmt: skip
def test_broken_bodies_are_refused_in_words(address: str, body: str) -> None:
    refused = post(address, body)
    assert refused.status_code in {400, 404} and refused.json()["error"]["message"]
    assert len(refused.content) < 5000


def test_other_hosts_origins_and_forms_are_refused(address: str) -> None:
    fine = json.dumps({"model": "a", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1})
    assert post(address, fine).status_code == 200
    assert post(address, fine, host="evil.example").status_code == 400
    assert post(address, fine, origin="http://evil.example").status_code == 403
    assert post(address, fine, **{"content-type": "text/plain"}).status_code == 403
    assert httpx.get(f"{address}/v1/models/..%2f..%2fetc%2fpasswd", trust_env=False).status_code == 404


def test_a_gigabyte_is_refused_at_the_limit_without_memory(address: str) -> None:
    process = psutil.Process()
    assert post(address, b"{}", **{"content-length": "2"}).status_code == 400
    before = process.memory_info().rss
    host, _, port = address.removeprefix("http://").partition(":")
    line, sent = _send(host, int(port), f"Content-Length: {GIGABYTE}", chunked=False)
    assert "413" in line and sent == 0
    line, sent = _send(host, int(port), "Transfer-Encoding: chunked", chunked=True)
    assert ("413" in line or line == "hung up") and sent < GIGABYTE / 10
    assert process.memory_info().rss - before < 60_000_000
    assert httpx.get(f"{address}/health", trust_env=False).status_code == 200


def _send(host: str, port: int, length: str, *, chunked: bool) -> tuple[str, int]:
    """Send up to a gigabyte; the first line of the answer, and the bytes that were taken before it."""
    piece = b" " * 1_000_000
    sent = 0
    with socket.create_connection((host, port), timeout=30) as line:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
        line.sendall(f"{head}{length}\r\n\r\n".encode())
        try:
            while chunked and sent < GIGABYTE and not select.select([line], [], [], 0)[0]:
                line.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
                sent += len(piece)
            return line.recv(4000).split(b"\r\n")[0].decode(), sent
        except OSError:
            return "hung up", sent  # as it may: nobody reads the rest


def test_any_machine_may_send_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Schemathesis on every route, with what the description allows and with what it does not."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with served(service(Open(), answer_tokens=4, cache_bytes=30_000_000)) as url:
        found = [op.ok() for op in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations()]
        assert len(found) == 7
        for operation in found:
            for mode in GenerationMode:
                with suppress(Unsatisfiable):  # a route without parameters has no wrong ones
                    _holds(operation, mode)


def _holds(operation: Any, mode: GenerationMode) -> None:
    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode))
    def holds(case: Case) -> None:
        answer = case.call()
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert answer.json()["error"]["message"] if answer.status_code not in {405, 413} else True

    holds()
