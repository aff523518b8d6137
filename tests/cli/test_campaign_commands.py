"""`realm campaign ...`: what a person types and reads, and how a page that runs takes a switch over."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from realm.cli import main
from realm.workspace import Workspace


@pytest.fixture(autouse=True)
def home(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REALM_HOME", str(workspace.root))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def realm(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["campaign", *arguments])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out + captured.err

    return run


def test_a_campaign_from_its_making_to_its_end(realm: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, out = realm("create", "deep", "--seed", "7", "--set", "curriculum.threshold=0.9")
    assert code == 0 and "realm campaign activate hatchling:deep" in out
    code, out = realm("activate", "deep")
    assert code == 0 and "hatchling:first-light waits where it stands" in out and "realm start-all" in out
    rows = json.loads(realm("list", "--json")[1])
    assert {(r["campaign"], r["in_play"], r["seed"]) for r in rows} == {("deep", True, 7), ("first-light", False, 0)}
    assert realm("list")[1].count("*") == 1
    assert "level  1: in hand" in realm("show")[1]
    code, out = realm("pause", "deep")
    assert code == 0 and "is paused" in out
    code, out = realm("activate", "deep")
    assert code == 2 and "realm campaign continue hatchling:deep" in out
    assert realm("continue", "deep")[0] == 0
    code, out = realm("archive", "deep")
    assert code == 0 and "Nothing is deleted" in out
    code, out = realm("export", "deep", "--to", str(tmp_path / "deep.json"))
    assert code == 0 and "realm campaign rerun" in out
    code, out = realm("rerun", str(tmp_path / "deep.json"), "--activate")
    assert code == 0 and "deep-rerun" in out and "differ" not in out
    again = json.loads(realm("show", "--json")[1])
    assert again["settings"]["curriculum"]["threshold"] == 0.9
    assert again["seeds"] == {"weights": 7, "practice": "hatchling:deep", "examinations": "exam"}
    assert "deep-rerun-2" in realm("rerun", str(tmp_path / "deep.json"))[1]


def test_two_are_compared_as_text_as_values_and_as_a_picture(
    realm: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    realm("create", "two")
    code, out = realm("compare", "first-light", "two", "--plot", str(tmp_path / "x.svg"))
    assert code == 0 and "bin: level cap" in out and "Drawn" in out and (tmp_path / "x.svg").is_file()
    told = json.loads(realm("compare", "first-light", "two", "--json")[1])
    assert [c["name"] for c in told["campaigns"]] == ["hatchling:first-light", "hatchling:two"]
    realm("export", "two", "--to", str(tmp_path / "two.json"))
    assert realm("compare", "first-light", str(tmp_path / "two.json"))[0] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["create", "a/b"], "cannot be a campaign's name"),
        (["create", "first-light"], "already"),
        (["create", "x", "--hero", "hatchlin"], "hatchling"),
        (["create", "x", "--skill", "binn"], "bin"),
        (["create", "x", "--set", "curriculum.thresold=1"], "threshold"),
        (["create", "x", "--set", "nonsense"], "section.key=value"),
        (["create", "x", "--from", "champion"], "no champion checkpoint yet"),
        (["create", "x", "--from", "hatchling:first-light@7"], "no checkpoint"),
        (["activate", "none"], "no campaign 'none'"),
        (["show", "none"], "realm campaign list"),
        (["compare", "first-light", "none"], "no campaign"),
        (["rerun", "absent.json"], "cannot be read"),
        (["export", "--to", "absent/x.json"], "cannot be written"),
    ],
)
def test_what_cannot_be_is_said_with_the_next_step(
    realm: Callable[..., tuple[int, str]], arguments: list[str], told: str
) -> None:
    code, out = realm(*arguments)
    assert code in {1, 2}
    assert told in out and "Error:" in out and "Traceback" not in out


@pytest.mark.slow
def test_a_page_that_runs_takes_another_campaign_up(
    realm: Callable[..., tuple[int, str]], workspace: Workspace
) -> None:
    realm("create", "second")
    ports = [str(_free_port()), str(_free_port())]
    environment = {
        **os.environ, "REALM_SERVICES__TAVERN_PORT": ports[0], "REALM_SERVICES__WATCHTOWER_PORT": ports[1],
        "REALM_SERVICES__VAULT_PORT": "0",
    }  # fmt: skip
    here = Path(__file__).parents[2]  # where the program lies that is under test, however it is found
    page = subprocess.Popen([sys.executable, "-m", "realm", "serve", "page"], env=environment, cwd=here)
    try:
        assert "first-light" in _until(f"http://localhost:{ports[0]}/", "first-light")
        realm("activate", "second")
        assert "second" in _until(f"http://localhost:{ports[0]}/", "· second")
        assert 'campaign="second"' in _until(f"http://localhost:{ports[1]}/metrics", 'campaign="second"')
        assert page.poll() is None, "the process is the same one"
    finally:
        page.send_signal(signal.SIGTERM)
        assert page.wait(20) == 0


def _until(url: str, text: str, seconds: float = 60.0) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(url, timeout=5, trust_env=False).text
            if re.search(re.escape(text), answer):
                return answer
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{url} never showed {text}")


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])
