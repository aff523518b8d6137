"""A realm's life: make it, start it, watch it, stop it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import httpx
import typer

from realm.cli.address import host_of, page_address, page_url, with_token
from realm.cli.context import Realm, find_workspace, open_realm, open_workspace, print_json
from realm.cli.narrate import line
from realm.config.adapters import require_trainable
from realm.config.run_spec import campaign_spec
from realm.config.schema import ServiceSettings
from realm.errors import ServiceError, UsageError, WorkspaceLocked
from realm.guild.ledger import GuildLedger
from realm.weaver.ledger import ServiceLedger
from realm.weaver.service import Service
from realm.weaver.supervisor import Supervisor, require_port
from realm.workspace import Workspace

START_SECONDS = 60.0
STOP_SECONDS = 180.0


def init(directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")] = Path(".")) -> None:
    """Make a workspace: everything of one realm in one folder."""
    workspace = Workspace(directory)
    new = workspace.create()
    open_workspace(workspace).db.close()
    typer.echo(f"{'Made' if new else 'Found'} the workspace {workspace.root}")
    if new:
        typer.echo(f"Start it: realm -w {workspace.root} play")


def play(
    until: Annotated[str, typer.Option(metavar="SKILL=LEVEL", help="End with 0 when the level is reached.")] = "",
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="End with 1 when it is not reached in time.")] = 0.0,
) -> None:
    """Start everything and watch it here, until Ctrl-C. `--until bin=2` ends at a level."""
    goal = _parse_goal(until)
    with open_realm() as opened, opened.workspace.hold():
        realm = replace(opened, settings=with_token(opened.settings))
        _require_trainable(realm)
        reached = asyncio.run(_play(realm, goal, timeout or None))
    if goal and not reached:
        raise typer.Exit(1)


def start_all() -> None:
    """Start everything in the background and print the address of the page."""
    workspace = find_workspace()
    with open_realm() as realm:
        if holder := workspace.holder():
            raise WorkspaceLocked(
                f"The realm in {workspace.root} runs already (process {holder}).",
                pid=holder,
                hint=f"Open {page_address(realm.settings.services)}, or stop it: realm stop-all",
            )
        _require_trainable(realm)
        _check_ports(realm)
        services = with_token(realm.settings).services
    url = page_url(services)
    log = workspace.log("weaver")
    with open(log, "ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "realm", "play"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, **_environment(workspace, services)},
        )
    _wait_for(lambda: _answers(url) or process.poll() is not None, START_SECONDS)
    if process.poll() is not None or not _answers(url):
        raise ServiceError("The realm did not start.", hint=f"See the end of {log}.")
    typer.echo(f"The realm is up: {page_address(services)}")


def stop_all() -> None:
    """Save and stop everything."""
    workspace = find_workspace()
    pid = workspace.holder()
    if pid is None:
        typer.echo("Nothing runs in this workspace.")
        return
    os.kill(pid, signal.SIGTERM)
    if not _wait_for(lambda: workspace.holder() is None, STOP_SECONDS):
        raise ServiceError(f"Process {pid} has not stopped after {STOP_SECONDS:.0f} s.", hint="See logs/weaver.log.")
    typer.echo("Saved and stopped.")


def status(json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """What runs, where the hero stands, what waits."""
    from realm.cli.standing import standing, words  # noqa: PLC0415 - reads every room

    with open_realm() as realm:
        found = standing(realm)
    if json:
        print_json(found)
    else:
        typer.echo(words(found))


async def _play(realm: Realm, goal: tuple[str, int] | None, timeout: float | None) -> bool:
    """Run the supervisor until a signal, the goal or the timeout. Returns whether the goal was reached."""
    _check_ports(realm)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    supervisor = Supervisor(_services(realm), ServiceLedger(realm.db), realm.events)
    watcher = asyncio.create_task(_narrate(realm, goal, stopping))
    if timeout:
        loop.call_later(timeout, stopping.set)
    try:
        await supervisor.run(
            stopping,
            on_up=lambda: typer.echo(
                f"The realm is up: {page_address(realm.settings.services)}   (Ctrl-C saves and stops)"
            ),
        )
    finally:
        stopping.set()
        reached = await watcher
    for name in supervisor.gave_up:
        raise ServiceError(f"'{name}' crashed too often.", hint=f"See the end of {realm.workspace.log(name)}.")
    typer.echo("Saved and stopped.")
    return reached


async def _narrate(realm: Realm, goal: tuple[str, int] | None, stopping: asyncio.Event) -> bool:
    """Print facts as they come; end the play when the goal is reached."""
    last = realm.events.last_id()
    ledger = GuildLedger(realm.db, realm.events)
    while True:
        ended = stopping.is_set()
        for recorded in realm.events.since(last):
            last = recorded.id
            if text := line(recorded):
                typer.echo(f"{time.strftime('%H:%M:%S', time.localtime(recorded.time))}  {text}")
        reached = goal is not None and ledger.levels(realm.key).get(goal[0], 0) >= goal[1]
        if reached:
            stopping.set()
        if ended or reached:
            return reached
        await asyncio.sleep(0.5)


def _services(realm: Realm) -> list[Service]:
    """The processes of this realm."""
    workspace, services = realm.workspace, realm.settings.services
    environment = _environment(workspace, services)
    command = [sys.executable, "-m", "realm", "serve"]
    skills = Service(
        name="skills", command=[*command, "skills"], beat=workspace.logs / "skills.beat", log=workspace.log("skills"),
        environment=environment, depends_on=["page"], optional=True, stop_seconds=10.0,
    )  # fmt: skip
    oracle = Service(
        name="oracle", command=[*command, "oracle"],
        health_url=f"http://{host_of(services)}:{services.oracle_port}/health", port=services.oracle_port,
        log=workspace.log("oracle"), environment=environment, depends_on=["page"], optional=True, stop_seconds=10.0,
    )  # fmt: skip
    return [
        Service(
            name="page", command=[*command, "page"], health_url=f"{page_url(services)}/health",
            port=services.tavern_port, log=workspace.log("page"), environment=environment, stop_seconds=10.0,
        ),
        Service(
            name="hero", command=[*command, "hero"], beat=workspace.logs / "hero.beat", log=workspace.log("hero"),
            environment=environment, stop_seconds=STOP_SECONDS - 10,
        ),
        *([skills] if services.serve_skills else []),
        *([oracle] if services.serve_oracle else []),
    ]  # fmt: skip


def _environment(workspace: Workspace, services: ServiceSettings) -> dict[str, str]:
    """What a child must know: its workspace, and a token that was made at start."""
    token = {"REALM_SERVICES__TOKEN": services.token} if services.token else {}
    return {"REALM_HOME": str(workspace.root), "PYTHONUNBUFFERED": "1", **token}


def _require_trainable(realm: Realm) -> None:
    """Say here, once, what the hero would refuse in its log, start after start."""
    require_trainable(campaign_spec(realm.settings, versions={}))


def _check_ports(realm: Realm) -> None:
    services = realm.settings.services
    for setting in ("tavern_port", "watchtower_port", "vault_port"):
        require_port(services.bind, getattr(services, setting), setting=f"services.{setting}")


def _parse_goal(text: str) -> tuple[str, int] | None:
    if not text:
        return None
    skill, _, level = text.partition("=")
    if not skill or not level.isdigit():
        raise UsageError(f"'{text}' is no goal.", hint="Write a skill and a level: --until bin=2")
    return skill, int(level)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=1.0, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()
