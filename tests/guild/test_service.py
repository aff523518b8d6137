"""A skill over HTTP: what it answers, what it refuses, and what any machine may send to it."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode

from realm.config.schema import ServiceSettings
from realm.errors import UsageError
from realm.guild import service
from realm.guild.engine import SkillEngine, skills
from tests.guild.tiny_skills import tiny_engine

NAMES = skills().names()
HOST = "http://localhost"


def app(name: str, engine: SkillEngine | None = None) -> FastAPI:
    return service.create(name, ServiceSettings(), engine)


def client(name: str, engine: SkillEngine | None = None) -> TestClient:
    return TestClient(app(name, engine), base_url=HOST, raise_server_exceptions=False)


@pytest.fixture(scope="module", params=NAMES)
def shipped(request: pytest.FixtureRequest) -> TestClient:
    return client(request.param)


def test_each_shipped_skill_tells_what_it_is(shipped: TestClient) -> None:
    info, levels = shipped.get("/info").json(), shipped.get("/levels").json()
    assert info["id"] == levels["skill"] and info["levels"] == len(levels["levels"])
    assert [row["level"] for row in levels["levels"]] == list(range(1, info["levels"] + 1))
    assert shipped.get("/health").json()["service"] == f"skill-{info['id']}"
    assert shipped.get("/ready").json() == {"ready": True, "reason": None}


def test_what_is_generated_is_what_the_engine_makes_and_scores_full_marks(shipped: TestClient) -> None:
    name = shipped.get("/info").json()["id"]
    asked = {"level": 2, "count": 20, "seed": "a/b ü"}
    batch = shipped.post("/generate", json=asked).json()
    own = SkillEngine().generate_batch(name, 2, 20, "a/b ü")
    assert [p["prompt"] for p in batch["problems"]] == [p.prompt for p in own]
    answers = [p["answer"] for p in batch["problems"]]
    graded = shipped.post("/score", json={**asked, "side": "train", "responses": answers}).json()
    assert (graded["n"], graded["correct"], graded["accuracy"]) == (20, 20, 1.0)
    wrong = shipped.post("/score", json={**asked, "side": "train", "responses": answers[1:]}).json()
    assert wrong["n"] == 20 and wrong["correct"] < 20 and wrong["scores"][-1]["correct"] is False


def test_an_examination_is_held_out_and_keeps_its_answers(shipped: TestClient) -> None:
    name = shipped.get("/info").json()["id"]
    told = shipped.get("/eval/3?count=40")
    own = SkillEngine().generate_eval_batch(name, 3, 40)
    assert [p["prompt"] for p in told.json()["problems"]] == [p.prompt for p in own]
    assert all(set(p) == {"prompt", "primitives"} for p in told.json()["problems"])
    asked = {"level": 3, "count": 40, "responses": [p.answer for p in own]}
    assert shipped.post("/score", json=asked).json()["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/generate", {"level": 0, "seed": "x"}, "level"),
        ("/generate", {"level": 99, "seed": "x"}, "level"),
        ("/generate", {"level": 1, "seed": "x", "count": 1001}, "count"),
        ("/generate", {"level": 1, "seed": "x", "count": True}, "count"),
        ("/generate", {"level": 1, "seed": "x" * 101}, "seed"),
        ("/generate", {"level": 1, "seed": "x", "side": "exam"}, "side"),
        ("/score", {"level": 1, "responses": []}, "responses"),
        ("/score", {"level": 1, "responses": [""] * 1001}, "responses"),
        ("/score", {"level": 1, "responses": ["x" * 100_001]}, "responses.0"),
    ],
)
def test_what_is_out_of_bounds_is_refused_with_its_field(path: str, body: dict[str, object], param: str) -> None:
    refused = client("bin").post(path, json=body)
    assert refused.status_code == 422
    assert refused.json()["error"]["param"] == param and refused.json()["error"]["hint"]


def test_more_responses_than_problems_are_refused() -> None:
    refused = client("bin").post("/score", json={"level": 1, "count": 5, "responses": [""] * 6})
    assert refused.status_code == 404
    assert "the batch has" in refused.json()["error"]["message"]


def test_a_body_above_the_limit_and_one_nested_deeply_are_refused() -> None:
    skill = client("bin")
    large = skill.post("/score", content=b'{"responses": ["' + b"x" * service.MAX_BODY_BYTES + b'"]}')
    assert (large.status_code, large.json()["error"]["type"]) == (413, "too_large")
    headers = {"content-type": "application/json"}
    for body in (b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000, b"{", b"\xff\xfe", b""):
        refused = skill.post("/score", content=body, headers=headers)
        assert 400 <= refused.status_code < 500 and refused.json()["error"]["message"]


def test_foreign_pages_and_hosts_are_refused() -> None:
    skill, body = client("bin"), {"level": 1, "seed": "x"}
    assert skill.post("/generate", json=body, headers={"origin": "http://evil.example"}).status_code == 403
    assert skill.get("/info", headers={"host": "evil.example"}).status_code == 400
    far = TestClient(service.create("bin", ServiceSettings(bind="0.0.0.0", token="t0ken")), base_url="http://far")
    assert far.get("/info").status_code == 401
    assert far.get("/info", headers={"authorization": "Bearer t0ken"}).status_code == 200


def test_any_registered_skill_is_served() -> None:
    tiny = client("double", tiny_engine())
    batch = tiny.post("/generate", json={"level": 1, "count": 3, "seed": "s"}).json()["problems"]
    assert [int(p["answer"]) for p in batch] == [2 * p["meta"]["number"] for p in batch]
    with pytest.raises(UsageError, match="no skill named 'bim'"):
        app("bim")


def test_metrics_count_what_was_made_and_graded() -> None:
    tiny = client("double", tiny_engine())
    tiny.post("/generate", json={"level": 1, "count": 7, "seed": "s"})
    assert 'realm_skill_problems_total{skill="double"} 7.0' in tiny.get("/metrics").text


OPEN_TO_TESTS = ServiceSettings(allowed_hosts=("testserver",))


@pytest.mark.parametrize("name", NAMES)
def test_openapi_holds_for_whatever_is_sent(name: str) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", service.create(name, OPEN_TO_TESTS))
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 5
    for operation in operations:
        for mode in GenerationMode:

            @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
            @given(operation.as_strategy(generation_mode=mode))
            def holds(case: Case) -> None:
                response = case.call()
                if response.status_code != 413:  # larger than a service reads: never held against the schema
                    case.validate_response(response)

            with suppress(Unsatisfiable):  # a route without parameters has no wrong ones
                holds()


def test_openapi_names_every_route_and_its_bounds() -> None:
    told = client("bin").get("/openapi.json").json()
    assert set(told["paths"]) == {"/info", "/levels", "/generate", "/eval/{level}", "/score"}
    level = told["components"]["schemas"]["Generate"]["properties"]["level"]
    assert (level["minimum"], level["maximum"]) == (1, 30)
    assert json.dumps(told).count("Refused") >= 5
