"""The page of the chat: its calls, and a conversation in a real browser with a real model behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, expect

from realm.config.layers import load
from realm.config.schema import RealmSettings
from realm.db import Database
from realm.guild.engine import SkillEngine
from realm.quests.checks import validate
from realm.tavern import app as tavern
from realm.workspace import Workspace
from tests.chromium import IN_A_BROWSER, launched
from tests.oracle.oracle_support import Shelf, served, service, shelf
from tests.tavern.conftest import ORIGIN, Server
from tests.tavern.demo import Demo

PATIENCE = 30_000
"""Milliseconds: on a busy machine a model takes its time."""
OLD, NEW = "hatchling:first-light@10", "hatchling:first-light@20"


@pytest.fixture(scope="module")
def models() -> Shelf:
    return shelf(OLD, NEW)


@pytest.fixture(scope="module")
def oracle(models: Shelf) -> Iterator[str]:
    with served(service(models)) as url:
        yield url


def settings_for(oracle: str) -> RealmSettings:
    found = load()
    services = found.services.model_copy(update={"hosts": {"oracle": oracle}})
    return found.model_copy(update={"services": services})


@pytest.fixture
def chat(workspace: Workspace, db: Database, oracle: str) -> Iterator[TestClient]:
    demo = Demo(workspace, db, settings_for(oracle))
    app = tavern.create(demo.workspace, demo.settings, demo.db, demo.events)
    with TestClient(app, base_url="http://localhost", headers=ORIGIN) as client:
        yield client


def test_the_page_hands_the_service_s_answers_through(chat: TestClient) -> None:
    assert [model["id"] for model in chat.get("/oracle/models").json()["data"]] == [OLD, NEW]
    asked = {"model": OLD, "messages": [{"role": "user", "content": "hi"}], "temperature": 0, "max_tokens": 4}
    whole = chat.post("/oracle/chat", json=asked).json()
    streamed = chat.post("/oracle/chat", json={**asked, "stream": True})
    assert streamed.headers["content-type"].startswith("text/event-stream") and "[DONE]" in streamed.text
    assert whole["model"] == f"weights-{OLD}"
    refused = chat.post("/oracle/chat", json={**asked, "model": "nobody"})
    assert refused.status_code == 404 and refused.json()["error"]["hint"]
    page = chat.get("/oracle").text
    assert "<chat-room" in page and '<option value="bin">BIN</option>' in page


def test_a_service_that_is_down_is_said_with_the_command_that_starts_it(page: TestClient) -> None:
    for answer in (page.get("/oracle/models"), page.post("/oracle/chat", json={})):
        assert answer.status_code == 422 and "realm start-all" in answer.json()["error"]["hint"]


def test_a_trial_is_graded_by_its_skill(chat: TestClient) -> None:
    trial = chat.post("/oracle/trial", json={"model": OLD, "skill": "bin"}).json()
    problem = SkillEngine().generate_batch("bin", trial["level"], 1, f"trial/{trial['seed']}")[0]
    assert trial["messages"] == [{"role": "user", "content": problem.prompt}] and trial["level"] == 1
    given = {"model": OLD, "skill": "bin", "level": trial["level"], "seed": trial["seed"]}
    assert chat.post("/oracle/grade", json={**given, "answer": problem.answer}).json()["correct"]
    wrong = chat.post("/oracle/grade", json={**given, "answer": "no idea"}).json()
    assert not wrong["correct"] and wrong["right"] == problem.answer and wrong["reason"]
    assert chat.post("/oracle/trial", json={"model": OLD, "skill": "bin", "level": 99}).status_code == 400
    assert chat.post("/oracle/trial", json={"model": OLD, "skill": "nothing"}).status_code == 404


def test_opinions_land_in_the_inbox(chat: TestClient, workspace: Workspace) -> None:
    messages = [{"role": "user", "content": "1 + 1?"}]
    one = {"model": OLD, "messages": messages, "answer": "3", "verdict": "prefer", "better": "2"}
    assert chat.post("/oracle/feedback", json={"opinions": [one]}).json() == {"made": ["1 row for dpo"]}
    file = next(path for path in workspace.inbox.iterdir() if path.suffix == ".jsonl")
    assert validate(file).ok and json.loads(file.read_text())["chosen"][0]["content"] == "2"
    assert chat.post("/oracle/feedback", json={"opinions": [{**one, "better": ""}]}).status_code == 422
    assert chat.post("/oracle/feedback", json={"opinions": []}).status_code == 404


# -- in a real browser -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as running:
        yield running


@pytest.fixture
def look(browser: Browser, workspace: Workspace, db: Database, oracle: str) -> Iterator[tuple[Page, Workspace]]:
    server = Server(Demo(workspace, db, settings_for(oracle)))
    server.start()
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda m: said.append(m.text) if m.type in {"error", "warning"} else None)
    page.on("pageerror", lambda e: said.append(str(e)))
    page.set_default_timeout(15_000)
    page.goto(f"{server.url}/oracle")
    expect(page.locator("live-status")).to_have_class("live on")
    yield page, workspace
    context.close()
    server.stop()
    assert said == []


@pytest.mark.slow
@pytest.mark.skipif(IN_A_BROWSER[1].args[0], reason="no Chromium on this machine")
def test_a_chat_with_two_models_a_trial_and_opinions(look: tuple[Page, Workspace]) -> None:
    page, workspace = look
    room = page.locator("chat-room")
    expect(room.locator('[name="model"] option')).to_have_count(2)
    room.locator('[name="against"]').select_option(NEW)
    room.locator('[name="tokens"]').fill("12")
    room.locator('[name="temperature"]').fill("1")
    room.get_by_label("Your message").fill("<b>one</b> plus one?")
    room.get_by_label("Your message").press("Enter")
    expect(room.locator(".said.mine .words")).to_have_text("<b>one</b> plus one?")
    answers = room.locator(".said.theirs")
    expect(answers).to_have_count(2, timeout=PATIENCE)
    for answer, model in ((answers.nth(0), OLD), (answers.nth(1), NEW)):
        expect(answer.locator(".fine")).to_contain_text(f"weights-{model}", timeout=PATIENCE)
        expect(answer.locator(".fine")).to_contain_text(re.compile(r"\b([1-9]|1[0-2]) tokens? in"), timeout=PATIENCE)
    answers.nth(0).get_by_role("button", name="Good").click()
    answers.nth(1).get_by_role("button", name="Better words").click()
    answers.nth(1).get_by_label("Better words").fill("two")
    answers.nth(1).get_by_role("button", name="Prefer these").click()
    room.get_by_role("button", name="Put it to the test").click()
    expect(room.locator(".grade.wrong")).to_have_count(2, timeout=PATIENCE)
    expect(room.locator(".grade.wrong").first).to_contain_text("Right would be:")
    room.get_by_role("button", name="Send 2 opinions to training").click()
    expect(page.locator(".toast")).to_contain_text("Sent to the inbox: 1 row for dpo, 1 row for sft.")
    sent = [path for path in workspace.inbox.iterdir() if path.suffix == ".jsonl"]
    assert len(sent) == 2 and all(validate(path).ok for path in sent)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


@pytest.mark.slow
@pytest.mark.skipif(IN_A_BROWSER[1].args[0], reason="no Chromium on this machine")
def test_an_answer_can_be_stopped_and_the_talk_goes_on(look: tuple[Page, Workspace]) -> None:
    page, _ = look
    room = page.locator("chat-room")
    expect(room.locator('[name="model"] option')).to_have_count(2)
    room.locator('[name="tokens"]').fill("1000")
    room.get_by_label("Your message").fill("go on for ever")
    room.get_by_role("button", name="Ask").click()
    expect(room.locator(".said.theirs .words")).not_to_be_empty(timeout=PATIENCE)
    room.get_by_role("button", name="Stop").click()
    expect(room.locator(".said.theirs .fine")).to_have_text("stopped")
    expect(room.get_by_role("button", name="Ask")).to_be_enabled()
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
