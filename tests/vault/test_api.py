"""The API: what it says is what the ledger knows, hostile names get nowhere, and OpenAPI holds for whatever is sent."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode

from realm.clients import ask_vault_first
from realm.config.schema import ServiceSettings, StorageSettings, ZoneSettings
from realm.events import Events
from realm.vault import api, manifest
from realm.vault.catalogue import Asset, Location
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger
from realm.workspace import Workspace

from .conftest import FILES, KEY, RetentionSettings, facts, writer
from .server import Server

HOSTILE = [
    "../../realm.toml", "..%2F..%2Frealm.toml", "%2e%2e/%2e%2e/realm.toml", "/etc/passwd", "....//realm.db",
    "realm.json/../../../realm.toml", "\\..\\realm.toml", "model.safetensors%00", "~root/.ssh/id_rsa", ".", "..", "%",
]  # fmt: skip


@pytest.fixture
def kept(workspace: Workspace, ledger: CheckpointLedger, events: Events, tmp_path: Path) -> Keeper:
    storage = StorageSettings(warm=ZoneSettings(url=str(tmp_path / "warm"), max_bytes=10**9))
    keeper = Keeper(workspace, ledger, events, RetentionSettings(enabled=False), storage)
    before = ""
    for step in (1, 2, 3):
        made = facts(step, levels={"bin": 1})
        keeper.save(KEY, writer(step), made if not before else _with_parent(made, before))
        before = f"{KEY}@{step}"
    ledger.examined(f"{KEY}@2", 0.9, {"n": 100, "skills": {"bin": [90, 100]}, "levels": {"bin": 1}})
    keeper.storage.copy(ledger.get(f"{KEY}@1"), "warm")
    keeper.catalogue.name("good", f"{KEY}@2", "worked")
    keeper.catalogue.put(
        Asset("base_model:tiny", "base_model", "tiny", 7, "ab" * 32),
        Location("base_model:tiny", "hot", "/m", "verified", 1.0),
    )
    return keeper


def _with_parent(made, parent):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return replace(made, parent=parent)


@pytest.fixture
def app(kept: Keeper) -> FastAPI:
    return api.create(kept, KEY, ServiceSettings(allowed_hosts=("testserver",)))


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app, base_url="http://localhost", headers={"Origin": "http://localhost"})


def test_ledger(client: TestClient) -> None:
    page = client.get("/api/ledger").json()
    assert page["total"] == 3 and [one["step"] for one in page["checkpoints"]] == [3, 2, 1]
    assert [one["step"] for one in client.get("/api/ledger?limit=1&offset=1").json()["checkpoints"]] == [2]
    assert client.get("/api/ledger/best").json()["id"] == f"{KEY}@2"
    assert client.get("/api/ledger/1").json()["locations"][1]["zone"] == "warm"
    [summary] = client.get("/api/ledger/summary").json()["campaigns"]
    assert (summary["checkpoints"], summary["newest"], summary["champion"]) == (3, f"{KEY}@3", f"{KEY}@2")


def test_one_by_id_or_version(client: TestClient) -> None:
    by_id, by_name = client.get(f"/api/checkpoints/{KEY}@2").json(), client.get("/api/checkpoints/good").json()
    assert by_id == by_name and by_id["champion"] and by_id["versions"][0]["note"] == "worked"
    assert client.get(f"/api/checkpoints/{KEY}@9").status_code == 404
    assert "no checkpoint" in client.get(f"/api/checkpoints/{KEY}@9").json()["error"]["message"]


def test_places_assets_zones_and_search(client: TestClient) -> None:
    located = client.get(f"/api/locate/{KEY}@1").json()["locations"]
    assert [(place["zone"], place["state"]) for place in located] == [("hot", "verified"), ("warm", "verified")]
    assert located[0]["url"].endswith("/manifest") and not located[1]["url"]
    assert client.get("/api/asset/base_model:tiny").json()["sha256"] == "ab" * 32
    assert client.get(f"/api/asset/{KEY}@1").json()["kind"] == "checkpoint"
    assert client.get("/api/asset/base_model:none").status_code == 404
    zones = {zone["name"]: zone for zone in client.get("/api/zones").json()["zones"]}
    assert (zones["hot"]["checkpoints"], zones["warm"]["checkpoints"], zones["warm"]["max_bytes"]) == (3, 1, 10**9)
    found = client.get("/api/search?q=first-light").json()
    assert len(found["checkpoints"]) == 3 and not found["assets"]
    assert client.get("/api/search?q=tiny").json()["assets"][0]["id"] == "base_model:tiny"
    assert [one["name"] for one in client.get("/api/search?q=work").json()["versions"]] == ["good"]


def test_stats_plans_evaluations_and_lineage(client: TestClient) -> None:
    stats = client.get("/api/stats").json()
    assert stats["states"]["present"]["count"] == 3 and stats["disk"]["free_bytes"] > 0
    assert len(client.get("/api/retention").json()["decisions"]) == 4
    [evaluation] = client.get("/api/evals").json()["evaluations"]
    assert (evaluation["checkpoint"], evaluation["skills"]) == (f"{KEY}@2", {"bin": [90, 100]})
    lineage = client.get(f"/api/checkpoints/{KEY}@3/lineage").json()
    assert [one["step"] for one in lineage["back"]] == [3, 2, 1] and lineage["back"][0]["quests"] == ["ab" * 32]
    assert client.get(f"/api/checkpoints/{KEY}@1/lineage").json()["children"] == [f"{KEY}@2"]


def test_a_file_and_a_part_of_it(client: TestClient) -> None:
    made = manifest.decode(client.get(f"/api/checkpoints/{KEY}@1/manifest").content)
    for name, entry in made.files.items():
        answer = client.get(f"/api/checkpoints/{KEY}@1/files/{name}")
        assert len(answer.content) == entry.size_bytes and answer.headers["etag"] == f'"{entry.sha256}"'
    part = client.get(f"/api/checkpoints/{KEY}@1/files/optimizer.pt", headers={"Range": "bytes=100-"})
    assert part.status_code == 206 and part.content == FILES["optimizer.pt"][100:]
    assert client.get("/api/stats").json()["being_read"] == 0  # the lease of a download ends with it


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_get_nowhere(client: TestClient, kept: Keeper, name: str) -> None:
    for path in (f"/api/checkpoints/{KEY}@1/files/{name}", f"/api/checkpoints/{name}/manifest",
                 f"/api/checkpoints/{name}", f"/api/locate/{name}", f"/api/asset/{name}", f"/api/ledger/{name}",
                 f"/api/checkpoints/{name}/files/model.safetensors", f"/api/checkpoints/{name}/lineage"):  # fmt: skip
        answer = client.get(path)
        assert answer.status_code in {200, 400, 404, 405, 422}, path
        assert "root:" not in answer.text and "[campaign]" not in answer.text, path


def test_a_link_in_the_place_of_a_file_is_not_followed(client: TestClient, kept: Keeper, workspace: Workspace) -> None:
    victim = kept.folder(kept.ledger.get(f"{KEY}@1")) / "config.json"
    victim.unlink()
    victim.symlink_to(workspace.settings)
    answer = client.get(f"/api/checkpoints/{KEY}@1/files/config.json")
    assert answer.status_code == 422 and "no plain file" in answer.json()["error"]["message"]


def test_a_lease_is_taken_renewed_and_released(client: TestClient, kept: Keeper) -> None:
    asked = {"checkpoint": f"{KEY}@1", "holder": "another machine", "seconds": 60}
    token = client.post("/api/leases", json=asked).json()["token"]
    assert kept.leases.readers() == {f"{KEY}@1": "another machine"}
    assert client.post(f"/api/leases/{token}", json={"seconds": 60}).status_code == 200
    assert client.delete(f"/api/leases/{token}").json() == {"released": True}
    assert client.post(f"/api/leases/{token}", json={"seconds": 60}).status_code == 404
    assert kept.leases.readers() == {}


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_no_other_site_takes_a_lease(app: FastAPI, headers: dict[str, str]) -> None:
    stranger = TestClient(app, base_url="http://localhost", headers=headers)
    asked = {"checkpoint": f"{KEY}@1", "holder": "x"}
    assert stranger.post("/api/leases", json=asked).status_code == 403
    assert TestClient(app, base_url="http://evil.example").get("/api/stats").status_code == 400


def test_off_loopback_everything_needs_the_token(kept: Keeper) -> None:
    open_wide = api.create(kept, KEY, ServiceSettings(bind="0.0.0.0", token="secret"))
    stranger = TestClient(open_wide, base_url="http://example.com")
    assert stranger.get("/api/checkpoints").status_code == 401
    assert stranger.get("/api/checkpoints", headers={"Authorization": "Bearer secret"}).status_code == 200


def test_openapi_holds_for_whatever_is_sent(app: FastAPI) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 20
    for operation in operations:
        for mode in GenerationMode:

            @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
            @given(operation.as_strategy(generation_mode=mode))
            def holds(case: Case) -> None:
                case.call_and_validate()

            with suppress(Unsatisfiable):  # a route without parameters has no wrong ones
                holds()


@pytest.fixture
def server(kept: Keeper) -> Iterator[Server]:
    running = Server(api.create(kept, KEY, ServiceSettings()))
    yield running
    running.stop()


@pytest.mark.parametrize("length_told", [True, False])
def test_a_gigabyte_is_refused_and_not_kept(server: Server, length_told: bool) -> None:
    before, sent = psutil.Process().memory_info().rss, 0
    head = f"POST /api/leases HTTP/1.1\r\nHost: localhost:{server.port}\r\nOrigin: {server.url}\r\n"
    head += "Content-Type: application/json\r\n"
    head += "Content-Length: 1000000000\r\n\r\n" if length_told else "Transfer-Encoding: chunked\r\n\r\n"
    piece = b" " * 65536
    framed = piece if length_told else b"10000\r\n" + piece + b"\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as line:
        line.sendall(head.encode())
        with suppress(BrokenPipeError, ConnectionResetError):
            while sent < 1_000_000_000:
                line.settimeout(0.0)
                with suppress(BlockingIOError):
                    if line.recv(1, socket.MSG_PEEK):
                        break
                line.settimeout(20)
                line.sendall(framed)
                sent += len(piece)
        line.settimeout(20)
        answer = line.recv(4096)
    assert b" 413 " in answer.split(b"\r\n", 1)[0]
    assert sent < 50_000_000 and psutil.Process().memory_info().rss - before < 50_000_000


def test_who_asks_the_vault_first(server: Server, kept: Keeper) -> None:
    services = ServiceSettings(vault_port=server.port, bind="localhost")
    asked: list[str] = []

    def fallback(asset: str) -> list[dict[str, str]]:
        asked.append(asset)
        return [{"zone": "hot"}]

    found = ask_vault_first(f"{KEY}@1", fallback, services)
    assert [place["zone"] for place in found] == ["hot", "warm"] and not asked
    assert ask_vault_first("nobody:knows@1", fallback, services) == [{"zone": "hot"}]
    assert ask_vault_first(f"{KEY}@1", fallback, ServiceSettings(vault_port=1)) == [{"zone": "hot"}]
    assert asked == ["nobody:knows@1", f"{KEY}@1"]
