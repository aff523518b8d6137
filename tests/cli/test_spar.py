"""`realm spar` and `realm hero achievements` where little has happened yet, and what they say of it."""

from __future__ import annotations

import json

import pytest

from realm.cli import main
from realm.cli.context import open_workspace
from realm.events import StepsReached
from realm.workspace import Workspace


@pytest.fixture(autouse=True)
def here(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALM_HOME", str(workspace.root))


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def test_without_a_checkpoint_there_is_nobody_to_spar_with(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("spar", "--skill", "bin") == 1
    said = capsys.readouterr().err
    assert "hatchling:first-light has no checkpoint yet, so there is nobody to spar with." in said
    assert "Next: Let the hero train first" in said


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (("--skill", "bim"), "Did you mean 'bin'?", 2),
        (("--level", "31"), "BIN has no level 31.", 1),
        (("--count", "0"), "", 2),
    ],
)
def test_what_does_not_exist_is_said(
    arguments: tuple[str, ...], words: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("spar", *arguments) == code
    assert words in capsys.readouterr().err


def test_achievements_are_counted_before_they_are_shown(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    realm = open_workspace(workspace)
    realm.events.append(StepsReached(step=100, hero_level=0, hero=realm.key.hero, campaign=realm.key.campaign))
    realm.db.close()
    assert run("hero", "achievements", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [a["id"] for a in found["achievements"] if a["earned"]] == ["first_step", "steps_100"]
    assert (found["days"], found["gold"]) == (1, 0)
    assert run("hero", "achievements") == 0
    said = capsys.readouterr().out
    assert said.startswith("2 of 23 earned. 0 gold. Days of training in a row: 1 (best 1).")
    assert "First step" in said and "Not one mistake" in said
