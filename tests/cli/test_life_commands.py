"""Starting a realm: what is said before anything is started."""

from __future__ import annotations

import pytest

from realm.cli import main
from realm.workspace import Workspace


@pytest.fixture(autouse=True)
def here(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALM_HOME", str(workspace.root))


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


@pytest.mark.parametrize("command", ["play", "start-all", "doctor"])
def test_a_hero_with_an_adapter_is_refused_before_anything_is_started(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    workspace.settings.write_text('[campaign]\nhero = "FLO"\nname = "first"\n')
    assert run(command) == 1
    told = capsys.readouterr()
    said = told.out + told.err
    assert "FLO learns through the adapter 'standard'; this version trains all weights." in said
    assert "realm config set heroes.FLO.adapter none" in said
    assert not workspace.log("hero").exists()
