"""The page of campaigns: it shows each one, begins new ones and switches between them."""

from __future__ import annotations

import os

import pytest
from fastapi.testclient import TestClient

from realm.config import in_play
from realm.guild.campaigns import Campaigns
from realm.guild.level_cap import SkillVerdict
from realm.records import CampaignKey
from tests.tavern.demo import Demo

FIRST = CampaignKey("hatchling", "first-light")


@pytest.fixture
def begun(demo: Demo) -> Campaigns:
    demo.guild.begin(demo.key, demo.settings.campaign)
    return Campaigns(demo.workspace, demo.guild, env={})


def test_the_page_begins_a_campaign_and_puts_it_in_play(page: TestClient, demo: Demo, begun: Campaigns) -> None:
    answer = page.post("/campaigns", data={"name": "second", "hero": "smol", "seed": "4"})
    assert answer.status_code == 200, answer.text
    assert in_play.key_of(in_play.load_in_play(demo.workspace, {})) == CampaignKey("smol", "second")
    assert in_play.load_in_play(demo.workspace, {}).campaign.seed == 4
    html = page.get("/campaigns").text
    assert "second" in html and "first-light" in html


def test_a_campaign_is_activated_paused_archived_and_continued(page: TestClient, demo: Demo, begun: Campaigns) -> None:
    begun.create(CampaignKey("hatchling", "two"), {})
    assert page.post("/campaigns/hatchling:two/activate").status_code == 200
    assert begun.in_play() == CampaignKey("hatchling", "two")
    assert page.post("/campaigns/hatchling:two/pause").status_code == 200
    assert demo.guild.campaign_state(CampaignKey("hatchling", "two")) == "paused"
    assert page.post("/campaigns/hatchling:first-light/archive").status_code == 200
    assert page.post("/campaigns/hatchling:first-light/continue").status_code == 200
    assert begun.in_play() == FIRST
    assert demo.guild.campaign_state(FIRST) == "active"


@pytest.mark.parametrize(
    ("path", "data", "told"),
    [
        ("/campaigns", {"name": "a/b"}, "cannot be a campaign"),
        ("/campaigns", {"name": "first-light"}, "already"),
        ("/campaigns", {"name": "x", "hero": "hatchlin"}, "hatchlin"),
        ("/campaigns/hatchling:none/activate", {}, "no campaign"),
    ],
)
def test_what_cannot_be_is_said_in_words(
    page: TestClient, begun: Campaigns, path: str, data: dict[str, str], told: str
) -> None:
    answer = page.post(path, data=data)
    assert answer.status_code in {400, 404}, answer.text
    error = answer.json()["error"]
    assert told in error["message"] and error["hint"]


def test_a_foreign_page_changes_no_campaign(page: TestClient, begun: Campaigns) -> None:
    answer = page.post("/campaigns/hatchling:first-light/pause", headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
    assert page.get("/campaigns/hatchling:first-light/pause").status_code in {404, 405}


def test_a_maxed_out_campaign_invites_to_a_new_one(page: TestClient, demo: Demo, begun: Campaigns) -> None:
    verdict = SkillVerdict("bin", True, 3, "bin level 4: accuracy does not rise.", None, 1000, 10)
    demo.guild.max_out(FIRST, [verdict], step=9, tokens=99)
    for path in ("/", "/campaigns"):
        html = page.get(path).text
        assert "has reached its level cap: BIN 3" in html and "Begin a new campaign" in html
    assert "accuracy does not rise" in page.get("/campaigns").text


def test_a_paused_campaign_says_how_to_go_on(page: TestClient, begun: Campaigns) -> None:
    begun.change("first-light", "pause")
    assert "realm campaign continue hatchling:first-light" in page.get("/").text


def test_what_a_person_wrote_is_text(page: TestClient, demo: Demo) -> None:
    demo.guild.begin(CampaignKey("<b>x</b>", "<i>y</i>"), demo.settings.campaign)
    html = page.get("/campaigns").text
    assert "<b>x</b>" not in html and "<i>y</i>" not in html and "&lt;i&gt;y&lt;/i&gt;" in html


def test_the_environment_is_not_touched_by_the_page(page: TestClient, begun: Campaigns) -> None:
    before = dict(os.environ)
    page.post("/campaigns", data={"name": "second"})
    assert dict(os.environ) == before
