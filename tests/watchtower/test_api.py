from __future__ import annotations

import math

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from realm.config.schema import ServiceSettings
from realm.db import Database, metadata
from realm.watchtower import api
from realm.watchtower.gpu import Gpu
from realm.watchtower.machine import Machine
from realm.watchtower.metrics import Metrics
from realm.watchtower.prometheus import Sources

from .watchtower_support import KEY, step, write

MACHINE = Machine(0.5, 2, 3, 10, 10**12, 10**13, (Gpu(0, "H100", 0.25, 7, 80, 40.0, 300.0),))


@pytest.fixture
def sources(db: Database) -> Sources:
    with db.write() as connection:
        metadata.create_all(connection)
    return Sources(
        key=KEY,
        metrics=Metrics(db),
        machine=lambda: MACHINE,
        queue=lambda: {"high": 1, "normal": 2, "active": 1},
        levels=lambda: {"bin": 3},
        checkpoint_bytes=lambda: 15_000_000,
        now=lambda: 1010.0,
    )


@pytest.fixture
def client(sources: Sources) -> TestClient:
    return TestClient(api.create(sources, ServiceSettings()), base_url="http://localhost")


def scraped(client: TestClient) -> dict[tuple[str, str], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = [s for family in text_string_to_metric_families(answer.text) for s in family.samples]
    return {(s.name, ",".join(s.labels[k] for k in sorted(s.labels))): s.value for s in samples}


def test_metrics_are_what_the_conventions_name(client: TestClient, db: Database) -> None:
    write(db, *(step(n) for n in range(1, 11)))
    found = scraped(client)
    assert found["realm_train_loss", ""] == pytest.approx(1 / 11)
    assert found["realm_train_tokens_total", ""] == 100
    assert found["realm_train_step_seconds", ""] == 0.5
    assert found["realm_train_input_tokens_per_second", ""] == pytest.approx(200 / 9.5)
    assert found["realm_queue_quests", "normal"] == 2
    assert found["realm_skill_level", "bin"] == 3
    assert found["realm_checkpoint_bytes", ""] == 15_000_000
    assert found["realm_disk_free_bytes", ""] == 10**12
    assert found["realm_gpu_memory_used_bytes", "0"] == 7
    assert found["realm_campaign_info", "first-light,hatchling"] == 1


def test_metrics_of_a_new_realm(client: TestClient) -> None:
    found = scraped(client)
    assert ("realm_train_loss", "") not in found
    assert found["realm_train_tokens_total", ""] == 0


def test_names_follow_the_rules(client: TestClient, db: Database) -> None:
    write(db, step(1))
    for family in text_string_to_metric_families(client.get("/metrics").text):
        assert family.name.startswith("realm_")
        assert family.documentation


def test_series(client: TestClient, db: Database) -> None:
    write(db, step(1), step(2))
    assert client.get("/api/series", params={"column": "tokens", "since_step": 2}).json() == {
        "column": "tokens",
        "points": [[2, 10.0, 10.0, 10.0]],
    }
    assert client.get("/api/series", params={"hero": "other"}).json()["points"] == []
    refused = client.get("/api/series", params={"column": "los"})
    assert refused.status_code == 404
    assert "loss" in refused.json()["error"]["hint"]
    assert client.get("/api/series", params={"points": 0}).status_code == 422


def test_what_is_not_finite_still_answers(client: TestClient, db: Database) -> None:
    write(db, step(1, loss=math.nan, grad_norm=math.inf))
    assert client.get("/api/latest").json()["step"]["loss"] is None
    assert client.get("/api/series", params={"column": "grad_norm"}).json()["points"] == [[1, None, None, None]]
    assert math.isnan(scraped(client)["realm_train_loss", ""])
    assert [a["alert"] for a in client.get("/api/alerts").json()] == ["not_finite"]


def test_csv_holds_every_step(client: TestClient, db: Database) -> None:
    write(db, *(step(n) for n in range(1, 6000)))
    lines = client.get("/api/series.csv").text.splitlines()
    assert lines[0].startswith("step,time,loss,")
    assert [int(line.split(",")[0]) for line in lines[1:]] == list(range(1, 6000))


def test_machine_and_health(client: TestClient) -> None:
    assert client.get("/api/machine").json()["gpus"][0]["name"] == "H100"
    assert client.get("/health").json()["status"] == "ok"


def test_foreign_hosts_are_refused(client: TestClient) -> None:
    assert client.get("/metrics", headers={"Host": "evil.example"}).status_code == 400


def test_two_apps_in_one_process(sources: Sources) -> None:
    """Each has its own registry: the library's global one would refuse the second."""
    for _ in range(2):
        scraped(TestClient(api.create(sources, ServiceSettings()), base_url="http://localhost"))
