"""Skills of other packages that fail in a hero's real day, each elsewhere: said in words, and the day goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from realm.cli.standing import standing, words
from realm.guild.ledger import GuildLedger
from realm.tavern import app as tavern
from realm.workspace import Workspace
from tests.guild.broken_skills import WORDS, install
from tests.guild.packages import EXAMPLE, install_project
from tests.stories.conftest import SETTINGS
from tests.stories.test_loop import Story

pytestmark = pytest.mark.slow
BROKEN = ("broken_import", "broken_load", "broken_generate", "broken_problem", "broken_score", "broken_meta")
IDLE = SETTINGS.replace("enabled = false", "enabled = true\nexamples = 60")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    target = tmp_path / "packages"
    target.mkdir()
    monkeypatch.syspath_prepend(target)
    return target


def focus(home: Workspace, *skills: str) -> None:
    names = ", ".join(f'"{name}"' for name in skills)
    home.settings.write_text(IDLE.replace('name = "story"', f'name = "story"\nskills = [{names}]'))


def test_broken_skills_are_set_aside_and_the_hero_goes_on_with_the_others(home: Workspace, packages: Path) -> None:
    install(packages, *BROKEN)
    focus(home, *BROKEN, "bin")
    with Story(home) as story:
        story.until("quest_completed", 2)
        ledger = GuildLedger(story.realm.db, story.realm.events)
        assert {e.skill for e in ledger.examinations(story.realm.key)} >= {"bin"}
        newest = ledger.practices(story.realm.key, limit=1)[0]
        assert {cell.partition("/")[0] for cell in newest.mix} == {"bin"}
        raised = {f.blocker: f for f in story.facts("blocker_raised")}  # type: ignore[attr-defined]
        assert set(raised) == {f"skill-{name}" for name in BROKEN}
        told = words(standing(story.realm))
        realm = story.realm
        with TestClient(
            tavern.create(home, realm.settings, realm.db, realm.events), base_url="http://localhost"
        ) as page:
            guild = page.get("/guild").text
        for name in BROKEN:
            why = raised[f"skill-{name}"].why  # type: ignore[attr-defined]
            assert WORDS[name] in why and why in told
            assert f'id="blocker-skill-{name}"' in guild
        assert "Binary arithmetic" in guild


def test_a_hero_with_no_skill_left_waits_and_still_trains_what_is_dropped(home: Workspace, packages: Path) -> None:
    install(packages, "broken_generate")
    focus(home, "broken_generate")
    with Story(home) as story:
        story.until("blocker_raised", 2)
        assert [f.blocker for f in story.facts("blocker_raised")] == ["skill-broken_generate", "no-skill"]  # type: ignore[attr-defined]
        (home.inbox / "notes.jsonl").write_text('{"prompt": "a?", "completion": "b"}\n' * 20)
        story.until("quest_completed")


def test_a_skill_from_a_package_is_practised_and_examined(home: Workspace, packages: Path) -> None:
    install_project(packages, EXAMPLE)
    focus(home, "clock")
    with Story(home) as story:
        story.until("quest_completed", 2)
        examinations = GuildLedger(story.realm.db, story.realm.events).examinations(story.realm.key, "clock", 1)
        assert examinations and examinations[0].n == 12
        assert story.facts("blocker_raised") == []
        realm = story.realm
        with TestClient(
            tavern.create(home, realm.settings, realm.db, realm.events), base_url="http://localhost"
        ) as page:
            assert "Clock times" in page.get("/guild").text
