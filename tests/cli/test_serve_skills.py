"""Skills served by name and all together: wrong words are refused, a taken port is said and holds up nothing else."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from realm.cli import main
from realm.cli.context import Realm, open_workspace
from realm.cli.serve_skills import address, open_all, served_ports
from realm.cli.standing import skill_services
from realm.config.layers import load
from realm.config.schema import ServiceSettings
from realm.errors import UsageError
from realm.events import standing_blockers
from realm.workspace import Workspace
from tests.guild.broken_skills import install


@pytest.fixture
def realm(workspace: Workspace) -> Iterator[Realm]:
    opened = open_workspace(workspace)
    yield opened
    opened.db.close()


def listening(realm: Realm, **ports: int) -> Realm:
    """The realm with these ports of skills, and none else."""
    ports = {"sy": 0, "bin": 0} | ports
    overrides = [f"services.skill_ports.{skill}={port}" for skill, port in ports.items()]
    return Realm(realm.workspace, load(overrides=overrides, env={}), realm.db, realm.events)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["skill"], "Which skill?"),
        (["skill", "bim"], "no skill named 'bim'"),
        (["skill", "bin", "bin", "--port", "8091"], "--port is for one skill"),
        (["page", "--port", "8091"], "--port is for one skill"),
        (["skills", "page"], "The skills run alone"),
    ],
)
def test_wrong_words_are_refused(
    words: list[str],
    said: str,
    workspace: Workspace,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REALM_HOME", str(workspace.root))
    with pytest.raises(SystemExit) as ended:
        main(["serve", *words])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_taken_port_is_named_with_the_setting(
    taken: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # no workspace is needed
    monkeypatch.delenv("REALM_HOME", raising=False)
    with pytest.raises(SystemExit) as ended:
        main(["serve", "skill", "bin", "--port", str(taken)])
    assert ended.value.code == 1
    assert f"realm config set services.skill_ports.bin {taken + 1}" in capsys.readouterr().err


def test_what_cannot_be_served_is_a_blocker_until_it_can(
    realm: Realm, taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "packages", "broken_load")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    blocked = listening(realm, bin=taken, broken_load=taken + 1)
    for _ in range(2):
        assert open_all(blocked) == []
    assert {b.blocker for b in standing_blockers(realm.events)} == {"serve-bin", "serve-broken_load"}
    assert len(realm.events.newest(kinds=["blocker_raised"])) == 2
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = int(probe.getsockname()[1])
    assert [port for _, port in open_all(listening(realm, bin=free))] == [free]
    assert [b.blocker for b in standing_blockers(realm.events)] == ["serve-broken_load"]


def test_a_skill_has_its_port_from_the_settings() -> None:
    services = ServiceSettings(skill_ports={"clock": 8091, "sy": 0})
    assert served_ports(["bin", "clock", "other", "sy"], services) == {"bin": 8090, "clock": 8091}
    assert address(services, 8091) == "http://localhost:8091/info"
    far = ServiceSettings(bind="0.0.0.0", token="t0ken")
    assert address(far, 8090).endswith(":8090/info?token=t0ken")
    with pytest.raises(UsageError):
        from realm.clients import get_service_url

        get_service_url("skill-sy", services)


def test_status_tells_of_each_skill_with_a_port(realm: Realm) -> None:
    assert {"skill": "bin", "port": 8090, "state": "down"} in skill_services(realm)
    assert skill_services(listening(realm)) == []
