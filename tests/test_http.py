"""The guard in front of every service: what a browser attack sends is refused, what our page sends passes."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from realm.config.schema import ServiceSettings
from realm.errors import UsageError
from realm.http import is_loopback, make_app


def client(**settings: object) -> TestClient:
    app = make_app("test", settings=ServiceSettings(**settings), max_body_bytes=100)  # type: ignore[arg-type]

    @app.post("/change")
    async def change(body: dict[str, str]) -> dict[str, str]:
        return body

    @app.post("/stream")
    async def stream() -> None: ...

    @app.get("/wrong")
    async def wrong() -> None:
        raise UsageError("There is no quest named 'x'.", hint="Known: none.", param="id")

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("secret detail")

    return TestClient(app, base_url="http://localhost:8888", raise_server_exceptions=False)


def test_health_answers() -> None:
    assert client().get("/health").json()["status"] == "ok"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8888", "localhost.evil.example", "", "a@localhost", "localhost/x"]
)
def test_foreign_host_is_refused(host: str) -> None:
    answer = client().get("/health", headers={"host": host})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "foreign_host"


@pytest.mark.parametrize("host", ["localhost:8888", "127.0.0.1:1", "[::1]:8888", "LOCALHOST"])
def test_own_hosts_pass(host: str) -> None:
    assert client().get("/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:9999", "https://localhost:8888.evil.example"]
)
def test_foreign_origin_is_refused_on_a_change(origin: str) -> None:
    answer = client().post("/change", json={"a": "b"}, headers={"origin": origin})
    assert answer.status_code == 403


def test_own_origin_and_plain_clients_pass() -> None:
    c = client()
    assert c.post("/change", json={"a": "b"}, headers={"origin": "http://localhost:8888"}).json() == {"a": "b"}
    assert c.post("/change", json={"a": "b"}).status_code == 200


def test_a_form_or_fetch_from_another_site_is_refused() -> None:
    c = client()
    assert c.post("/change", data={"a": "b"}).status_code == 403
    assert c.post("/change", json={"a": "b"}, headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_a_body_above_the_limit_is_refused_with_and_without_a_length() -> None:
    c = client()
    assert c.post("/change", json={"a": "b" * 200}).status_code == 413
    chunks = (b" " * 60 for _ in range(3))
    assert c.post("/change", content=chunks, headers={"content-type": "application/json"}).status_code == 413


def test_errors_have_one_shape() -> None:
    c = client()
    assert c.get("/wrong").json() == {
        "error": {
            "message": "There is no quest named 'x'.",
            "type": "usage_error",
            "hint": "Known: none.",
            "param": "id",
        }
    }
    assert c.get("/wrong").status_code == 404
    assert set(c.get("/nowhere").json()["error"]) == {"message", "type", "hint", "param"}
    assert c.post("/change", json=[]).json()["error"]["type"] == "invalid_request"
    broken = c.get("/broken")
    assert broken.status_code == 500
    assert "secret" not in broken.text


def test_off_loopback_a_token_is_required() -> None:
    c = client(bind="0.0.0.0", token="t0ken")
    assert c.get("/ready").status_code == 401
    assert c.get("/ready", headers={"authorization": "Bearer wrong"}).status_code == 401
    assert c.get("/ready", headers={"authorization": "Bearer t0ken"}).status_code == 200
    assert c.get("/ready?token=t0ken").status_code == 200  # and sets the cookie
    assert c.get("/ready").status_code == 200


def test_security_headers_are_there() -> None:
    headers = client().get("/health").headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("0.0.0.0", False), ("example.org", False)]
)
def test_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
