"""The page of verdicts: what each run was worth, what checks found, what a person may decide."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from realm.temple.verdicts import Verdicts
from tests.tavern.demo import Demo
from tests.temple.small_realm import SmallRealm

RUN = "run-2"


@pytest.fixture
def weighed(demo: Demo) -> SmallRealm:
    """A good run, and one that spoiled it; both are weighed."""
    realm = SmallRealm(demo.workspace, demo.db, demo.settings)
    realm.healthy()
    verdicts = Verdicts(demo.workspace, demo.settings, demo.db, demo.events)
    verdicts.weigh(realm.key)
    realm.train(60, 90, run=RUN, quest="none")
    realm.checkpoint(90, run=RUN)
    realm.examine(90, "1" * 20 + "0" * 80)
    verdicts.weigh(realm.key)
    return realm


def test_before_the_first_run_the_page_says_so(page: TestClient) -> None:
    html = page.get("/temple").text
    assert "No run has been weighed yet" in html and html.count("not looked at yet") == 9


def test_each_verdict_is_a_page_of_evidence(page: TestClient, weighed: SmallRealm) -> None:
    html = page.get("/temple").text
    words = re.sub(r"<[^>]+>|\s+", " ", html)
    assert "file.jsonl" in html and "rose from 0% to 60%" in words and "fell from 60% to 20%" in words
    assert "the gate is met" in words and "Walk back" in html and "+60 −0" in html
    assert re.search(r"Order of the Champion.*?critical", html, re.S)
    plain = page.get("/temple?skin=lab").text
    assert "Checkpoint checks" in plain and "Order of" not in plain and "Unproven" in plain


def test_the_hero_s_card_shows_experience(page: TestClient, weighed: SmallRealm) -> None:
    html = page.get("/").text
    assert 'id="stat-experience"' in html
    assert "Effort that proved worthwhile" in html


def test_a_group_is_looked_at_on_demand(page: TestClient, weighed: SmallRealm) -> None:
    answer = page.post("/temple/groups/evaluation")
    assert answer.status_code == 200 and 'id="group-evaluation"' in answer.text
    assert "100 problems of bin level 1" in answer.text and "never asked" not in answer.text
    weighed.workspace.queue("low").rmdir()
    broken = page.post("/temple/groups/quick").text
    assert "f-fail" in broken and "realm init" in broken
    refused = page.post("/temple/groups/kwick")
    assert refused.status_code == 404 and refused.json()["error"]["hint"]


def test_a_person_decides_and_it_is_kept(page: TestClient, weighed: SmallRealm) -> None:
    answer = page.post(f"/temple/verdicts/{RUN}/promote", data={"reason": "<b>mine</b>"})
    assert answer.status_code == 200 and "@90 is champion" in answer.headers["HX-Trigger"]
    html = page.get("/temple").text
    assert "A person decided" in html and "&lt;b&gt;mine&lt;/b&gt;" in html and "<b>mine" not in html
    assert page.post(f"/temple/verdicts/{RUN}/roll_back").status_code == 200
    assert weighed.workspace.request_text("roll-back") == f"{weighed.key}@60"


@pytest.mark.parametrize(("path", "status"), [
    ("/temple/verdicts/none/promote", 404), (f"/temple/verdicts/{RUN}/burn", 422),
    ("/temple/verdicts/run-1/roll_back", 422),
    ("/temple/groups/..%2f..%2fetc", 404),
])  # fmt: skip
def test_what_cannot_be_is_said_in_words(page: TestClient, weighed: SmallRealm, path: str, status: int) -> None:
    answer = page.post(path)
    assert answer.status_code == status, answer.text
    if status != 404 or answer.headers["content-type"] == "application/json":
        assert answer.json()["error"]["message"]


def test_a_foreign_page_decides_nothing(page: TestClient, weighed: SmallRealm) -> None:
    foreign = {"Origin": "http://evil.example"}
    assert page.post(f"/temple/verdicts/{RUN}/promote", headers=foreign).status_code == 403
    assert page.post("/temple/groups/quick", headers=foreign).status_code == 403
    assert page.get(f"/temple/verdicts/{RUN}/promote").status_code in {404, 405}


def test_a_file_s_name_is_text(page: TestClient, demo: Demo) -> None:
    realm = SmallRealm(demo.workspace, demo.db, demo.settings)
    quest = realm.quest([{"prompt": "a", "completion": "b"}], "<img src=x>.jsonl")
    realm.train(0, 5, run="r", quest=quest.id)
    Verdicts(demo.workspace, demo.settings, demo.db, demo.events).weigh(realm.key)
    assert "<img src=x>" not in page.get("/temple").text
