"""Requests from the terminal: what is asked, and of which quest."""

from __future__ import annotations

import pytest

from realm.cli import main
from realm.cli.context import open_workspace
from realm.quests.queue import QuestQueue
from realm.workspace import Workspace


@pytest.fixture(autouse=True)
def here(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.create()
    monkeypatch.setenv("REALM_HOME", str(workspace.root))


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def test_skip_says_that_nothing_is_in_training(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("skip") != 0
    assert "No quest is in training, so none was skipped." in capsys.readouterr().err
    assert workspace.requests() == set()


def test_skip_is_meant_for_the_quest_in_training(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace.root / "alder.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 3)
    realm = open_workspace(workspace)
    queue = QuestQueue(workspace, realm.db, realm.events, realm.settings.quests)
    quest = queue.add(workspace.root / "alder.jsonl")
    assert queue.claim() is not None
    realm.db.close()
    assert run("skip") == 0
    assert "Skipping alder.jsonl" in capsys.readouterr().out
    assert workspace.is_meant("skip", quest.id) and not workspace.is_meant("skip", "another")
