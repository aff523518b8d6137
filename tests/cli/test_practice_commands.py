"""`realm practice ...`, and what `realm status` and `realm quest show` say of practice."""

from __future__ import annotations

import json

import pytest

from realm.cli import main
from realm.cli.context import open_workspace
from realm.events import BlockerCleared, BlockerRaised
from realm.guild import practice
from realm.guild.curriculum import Mix
from realm.guild.engine import SkillEngine
from realm.guild.ledger import GuildLedger
from realm.guild.own_practice import BLOCKER, RESUME
from realm.quests.queue import QuestQueue
from realm.workspace import Workspace

NAMES = {"hero": "hatchling", "campaign": "first-light"}


@pytest.fixture(autouse=True)
def home(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALM_HOME", str(workspace.root))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    captured = capsys.readouterr()
    assert not ended.value.code, captured.err
    return captured.out


def practised(workspace: Workspace) -> str:
    """A practice quest in the queue, as the hero loop makes it. Returns its id."""
    realm = open_workspace(workspace)
    mix = Mix({("bin", 1): 0.75, ("bin", 2): 0.25}, "Strategy balanced. bin: equal shares of levels 1, 2 ahead.")
    about = {"grounding": [{"quest": "q", "name": "notes.jsonl", "sha256": "0", "rows": [4, 9]}]}
    path = practice.write(mix, SkillEngine(), workspace.inbox / "practice-0.jsonl", 20, "s", about=about)
    quest = QuestQueue(workspace, realm.db, realm.events, realm.settings.quests).add(path)
    GuildLedger(realm.db, realm.events).record_practice(realm.key, quest.id, step=0, rows=20, mix=mix)
    realm.db.close()
    return quest.id


def blocked(workspace: Workspace) -> None:
    realm = open_workspace(workspace)
    realm.events.append(
        BlockerRaised(blocker=BLOCKER, trying="making practice", why="All alike.", fix="Mend it.", **NAMES)
    )
    realm.db.close()


def test_why_a_practice_has_its_mix(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    quest = practised(workspace)
    shown = run(capsys, "quest", "show", quest)
    assert "why        Strategy balanced. bin: equal shares of levels 1, 2 ahead." in shown
    assert "mix        bin/1 75%, bin/2 25%" in shown and "real rows  2 of notes.jsonl" in shown
    assert json.loads(run(capsys, "quest", "show", quest, "--json"))["meta"]["parameters"]["mix"]["bin/1"] == 0.75
    told = run(capsys, "practice", "show")
    assert "strategy: curriculum" in told and f"quest {quest}: Strategy balanced." in told
    assert json.loads(run(capsys, "practice", "show", "--json"))["quests"][0]["mix"] == {"bin/1": 0.75, "bin/2": 0.25}


def test_before_any_practice(capsys: pytest.CaptureFixture[str]) -> None:
    assert "No practice has been made yet." in run(capsys, "practice", "show")
    assert "practice is paused" not in run(capsys, "status")
    assert "Nothing pauses practice." in run(capsys, "practice", "resume")


def test_a_pause_is_told_and_may_be_lifted(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    blocked(workspace)
    assert "practice is paused: All alike. Mend it." in run(capsys, "status")
    assert "paused: All alike. Mend it." in run(capsys, "practice", "show")
    assert json.loads(run(capsys, "status", "--json"))["practice"]["paused"] == {"why": "All alike.", "fix": "Mend it."}
    practised(workspace)
    assert run(capsys, "practice", "resume") == "The next 10 practice quests are made unwatched.\n"
    assert workspace.request_text(RESUME) == "hatchling:first-light 11"
    standing = json.loads(run(capsys, "status", "--json"))
    assert standing["practice"]["unwatched"] and standing["requests"] == []
    realm = open_workspace(workspace)
    realm.events.append(BlockerCleared(blocker="disk-full", **NAMES), BlockerCleared(blocker=BLOCKER, **NAMES))
    realm.db.close()
    assert json.loads(run(capsys, "status", "--json"))["practice"]["paused"] is None
