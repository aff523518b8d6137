from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from realm import cli
from realm.cli.context import open_workspace
from realm.config.schema import RetentionSettings
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger
from realm.workspace import Workspace

from .conftest import KEY, facts, writer

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def saved(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace with checkpoints at the steps 1 to 5, of which 2 is champion."""
    monkeypatch.setenv("REALM_HOME", str(workspace.root))
    monkeypatch.setenv("COLUMNS", "200")
    realm = open_workspace(workspace, checkpoints=True)
    ledger = CheckpointLedger(realm.db, realm.events)
    keeper = Keeper(workspace, ledger, realm.events, RetentionSettings(enabled=False))
    for step in range(1, 6):
        keeper.save(KEY, writer(step), facts(step, levels={"bin": 1}))
    ledger.examined(f"{KEY}@2", 0.9, {"n": 100})
    yield workspace
    realm.db.close()


@pytest.fixture
def run(saved: Workspace, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["vault", *arguments])
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out + output.err

    return call


def as_json(run: Run, *arguments: str) -> Any:
    return json.loads(run(*arguments, "--json")[1])


def folder(workspace: Workspace, step: int) -> Path:
    return next(workspace.checkpoints(KEY.hero, KEY.campaign).glob(f"checkpoint-{step}-*"))


def test_ls(run: Run) -> None:
    code, text = run("ls")
    assert code == 0
    assert [line.split()[0] for line in text.splitlines()] == ["step", "5", "4", "3", "2", "1"]
    assert "champion" in text and "90.0%" in text and "bin=1" in text
    assert [row["step"] for row in as_json(run, "ls", "--limit", "2")] == [5, 4]


def test_ls_of_a_campaign_without_any(run: Run) -> None:
    assert run("ls", "--campaign", "other") == (0, "hatchling:other has no checkpoint yet.\n")


@pytest.mark.parametrize(("name", "step"), [("latest", 5), ("champion", 2), ("3", 3), (f"{KEY}@4", 4)])
def test_show(run: Run, name: str, step: int) -> None:
    code, text = run("show", name)
    assert code == 0
    assert f"{KEY}@{step}" in text and "model.safetensors" in text
    assert as_json(run, "show", name)["manifest"]["progress"]["step"] == step


@pytest.mark.parametrize(("name", "code"), [("77", 1), ("nonsense", 2)])
def test_what_is_not_there_is_said_in_words(run: Run, name: str, code: int) -> None:
    found, text = run("show", name)
    assert found == code
    assert "Error:" in text and "Next:" in text


def test_verify(run: Run, saved: Workspace) -> None:
    assert run("verify")[0] == 0
    (folder(saved, 3) / "optimizer.pt").write_bytes(b"x")
    code, text = run("verify")
    assert code == 1
    assert f"{KEY}@3: checkpoint-3" in text and "optimizer.pt has 1 bytes instead of" in text
    assert [row["whole"] for row in as_json(run, "verify")] == [True, True, False, True, True]
    assert run("verify", "champion")[0] == 0
    assert folder(saved, 3).is_dir()  # looking changes nothing


def test_retain(run: Run, saved: Workspace) -> None:
    code, text = run("retain", "--dry-run")
    assert code == 0
    assert f"keep  {KEY}@2: the champion" in text
    assert f"keep  {KEY}@1: the first at BIN level 1" in text
    assert "5 stay, 0 would go." in text
    saved.settings.write_text("[retention]\nkeep_newest = 1\nkeep_first_at_level = false\n")
    planned = as_json(run, "retain", "--dry-run")
    assert planned["dry_run"] and planned["disk"]["free_bytes"] > 0
    gone = [one["checkpoint"] for one in planned["decisions"] if one["action"] == "drop"]
    assert gone == [f"{KEY}@{n}" for n in (1, 3, 4)]
    assert folder(saved, 4).is_dir()
    assert "2 stay, 3 went.\n" in run("retain")[1]
    assert len(list(saved.checkpoints(KEY.hero, KEY.campaign).iterdir())) == 2
    assert [row["state"] for row in as_json(run, "ls", "--all")] == [
        "present",
        "dropped",
        "dropped",
        "present",
        "dropped",
    ]
