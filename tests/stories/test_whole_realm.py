"""The program as a person runs it: real processes, started, killed one by one, and stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from realm.workspace import Workspace
from tests.stories.conftest import SETTINGS

pytestmark = pytest.mark.slow


class Player:
    """A person at a terminal."""

    def __init__(self, home: Path, page: int, watchtower: int, skill: int) -> None:
        self.home, self.url, self.skill_url = home, f"http://localhost:{page}", f"http://localhost:{skill}"
        self.environment = {
            **os.environ,
            "REALM_HOME": str(home),
            "OMP_NUM_THREADS": "1",
            "REALM_SERVICES__TAVERN_PORT": str(page),
            "REALM_SERVICES__WATCHTOWER_PORT": str(watchtower),
            "REALM_SERVICES__ORACLE_PORT": str(free_port()),
            "REALM_SERVICES__VAULT_PORT": "0",
        }

    def realm(self, *words: str, seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words), env=self.environment, capture_output=True, text=True, timeout=seconds
        )

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "realm", *words]

    def status(self) -> dict[str, Any]:
        answer = self.realm("status", "--json")
        assert answer.returncode == 0, answer.stderr
        found: dict[str, Any] = json.loads(answer.stdout)
        return found

    def pids(self) -> dict[str, int]:
        return {s["name"]: s["pid"] for s in self.status()["services"] if s["state"] == "up" and s["pid"]}

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = 90.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"waited too long for {what}"
            time.sleep(0.1)
        return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def player(tmp_path: Path) -> Iterator[Player]:
    skill_port = free_port()
    player = Player(tmp_path / "realm", free_port(), free_port(), skill_port)
    assert player.realm("init", str(player.home)).returncode == 0
    settings = SETTINGS.replace("enabled = false", "enabled = true\nexamples = 300")
    ports = f"[services.skill_ports]\nbin = {skill_port}\nsy = 0\n"
    Workspace(player.home).settings.write_text(settings + ports)
    yield player
    player.realm("stop-all")


def test_started_killed_and_stopped(player: Player) -> None:
    started = player.realm("start-all")
    assert started.returncode == 0, started.stderr
    assert player.url in started.stdout
    player.wait(lambda: set(player.pids()) == {"page", "hero", "oracle", "skills"}, "all services")
    player.wait(lambda: player.status()["skill_services"][0]["state"] == "up", "the skill's service")
    assert httpx.get(f"{player.skill_url}/info").json()["id"] == "bin"
    player.wait(lambda: player.status()["step"] > 0, "the first steps")

    again = player.realm("start-all")
    assert again.returncode == 1
    assert "runs already" in again.stderr

    for name in ("page", "hero", "skills"):
        before = player.pids()[name]
        os.kill(before, signal.SIGKILL)
        player.wait(lambda name=name, before=before: player.pids().get(name, before) != before, f"{name} to come back")
    assert player.wait(lambda: httpx.get(f"{player.url}/health").status_code == 200, "the page")

    weaver = Workspace(player.home).holder()
    assert weaver
    children = list(player.pids().values())
    os.kill(weaver, signal.SIGKILL)
    player.wait(lambda: not any(psutil.pid_exists(pid) for pid in children), "no orphans", seconds=10)
    assert player.status()["running"] is False

    step = player.status()["step"]
    assert player.realm("start-all").returncode == 0
    player.wait(lambda: player.status()["step"] > step, "training to go on")
    stopped = player.realm("stop-all")
    assert stopped.returncode == 0
    assert "Saved and stopped." in stopped.stdout
    assert player.status()["running"] is False


def test_play_ends_by_goal_timeout_and_ctrl_c(player: Player) -> None:
    assert player.realm("play", "--until", "bin").returncode == 2
    missed = player.realm("play", "--until", "bin=30", "--timeout", "8")
    assert missed.returncode == 1, missed.stderr
    reached = player.realm("play", "--until", "bin=0")
    assert reached.returncode == 0, reached.stderr

    process = subprocess.Popen(
        player.command("play"), env=player.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    player.wait(lambda: Workspace(player.home).holder("hero"), "the hero")
    player.wait(lambda: player.status()["step"] > 0, "the first steps")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "Saved and stopped." in output
    step = player.status()["step"]
    assert list((player.home / "campaigns").rglob("realm.json"))
    assert player.realm("play", "--timeout", "10").returncode == 0
    assert player.status()["step"] >= step


def test_a_taken_port_is_one_clear_sentence(player: Player) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", int(player.url.rpartition(":")[2])))
        holder.listen()
        refused = player.realm("start-all")
    assert refused.returncode == 1
    assert "is taken by another program" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_no_torch_is_one_clear_sentence(player: Player, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked" / "torch"
    blocked.mkdir(parents=True)
    (blocked / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    player.environment["PYTHONPATH"] = str(blocked.parent)
    refused = player.realm("serve", "hero")
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        "Error: Training needs the package 'torch', which is not installed.",
        "  Next: Install it: pip install 'realm[train]'; in a clone: make play, or pip install -e '.[train]'",
    ]
