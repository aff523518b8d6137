"""The pages of a campaign with two skills in focus; the hatchling's own default stays BIN alone."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from realm.config.layers import load
from realm.config.schema import RealmSettings
from realm.guild import titles
from realm.guild.engine import skills
from realm.guild.evidence import Evidence
from realm.tavern.skill_view import SkillReader
from tests.tavern.demo import Demo


@pytest.fixture
def settings() -> RealmSettings:
    return load(overrides=["campaign.skills=bin,sy"])


def test_both_skills_are_installed_and_one_is_in_focus() -> None:
    assert {"bin", "sy"} <= set(skills().names())
    assert load().campaign.skills == ("bin",)


def test_pages_show_both_skills(page: TestClient) -> None:
    for path in ("/", "/guild"):
        shown = page.get(path)
        assert shown.status_code == 200
        assert "Binary arithmetic" in shown.text and "Syllacrostics" in shown.text
    guild = page.get("/guild").text
    assert 'id="climb-bin"' in guild and 'id="climb-sy"' in guild


def test_each_skill_has_its_own_ladder(demo: Demo) -> None:
    reader = SkillReader(demo.guild, demo.key, demo.settings, titles.load(), Evidence(demo.db))
    told = {skill.id: skill for skill in reader.skills(demo.guild.bests(demo.key))}
    assert [len(told[name].rungs) for name in ("bin", "sy")] == [30, 50]
    assert told["sy"].frontier == 1 and told["sy"].about.endswith(".")
    assert set(reader.history()["skills"]) == {"bin", "sy"}
