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


@pytest.mark.parametrize(("command", "code"), [("play", 2), ("start-all", 2), ("doctor", 1)])
def test_a_base_in_four_bits_is_refused_before_anything_is_started(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str, code: int
) -> None:
    monkeypatch.setenv("PATH", "")  # no driver answers
    workspace.settings.write_text('[campaign]\nhero = "FLO"\nname = "first"\n[adapters.standard]\nquantize = "nf4"\n')
    assert run(command) == code
    told = capsys.readouterr()
    said = told.out + told.err
    assert "FLO is to learn on a base in 4 bits" in said and "this machine has none" in said
    assert "realm config set adapters.standard.quantize none" in said
    assert not workspace.log("hero").exists()
