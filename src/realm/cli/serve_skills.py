"""The skills over HTTP, each on its own port: one by hand, or all that have a port under the supervisor."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence

import typer
from fastapi import FastAPI

from realm.cli.address import host_of, with_token
from realm.cli.context import Realm, find_workspace
from realm.cli.web import serve_together
from realm.config.layers import load
from realm.config.schema import RealmSettings, ServiceSettings
from realm.errors import PortTaken, SkillBroken, UsageError, WorkspaceError
from realm.events import BlockerCleared, BlockerRaised, Events, standing_blockers
from realm.guild import service
from realm.guild.engine import SkillEngine
from realm.http import is_loopback
from realm.weaver.heartbeat import BEAT_SECONDS, Heartbeat
from realm.weaver.supervisor import require_port

log = logging.getLogger(__name__)


def serve_named(names: Sequence[str], port: int) -> None:
    """Serve these skills until Ctrl-C, with the settings of the workspace that is meant, or the usual ones.

    Raises UsageError for an unknown skill or one without a port, SkillBroken, PortTaken.
    """
    engine, services = SkillEngine(), with_token(_settings()).services
    if not names:
        raise UsageError("Which skill?", hint=f"realm serve skill NAME; there are {', '.join(engine.names())}.")
    if port and len(names) > 1:
        raise UsageError("--port is for one skill.", hint="Leave it out: each has a port of its own.")
    ports = {name: port or _port(engine, name, services) for name in names}
    apps = [(service.create(name, services, engine), ports[name]) for name in names]
    for name in names:
        require_port(services.bind, ports[name], setting=f"services.skill_ports.{name}")
        typer.echo(f"{name}: {address(services, ports[name])}   (description: /openapi.json)")
    asyncio.run(serve_together(apps, services.bind, _forever()))


def serve_all(realm: Realm) -> None:
    """Serve every installed skill that has a port, until SIGTERM."""
    heart = Heartbeat(realm.workspace.logs / "skills.beat")
    asyncio.run(serve_together(open_all(realm), realm.settings.services.bind, _beating(heart)))


def open_all(realm: Realm) -> list[tuple[FastAPI, int]]:
    """The services of all skills that have a port; what cannot be served is said as a blocker, the others go on."""
    services, engine = realm.settings.services, SkillEngine()
    apps, teller = [], _Teller(realm.events)
    for name, port in served_ports(engine.names(), services).items():
        try:
            app = service.create(name, services, engine)
            require_port(services.bind, port, setting=f"services.skill_ports.{name}")
        except (SkillBroken, PortTaken) as error:
            log.warning("%s: %s %s", name, error.message, error.hint)
            teller.cannot(name, port, error)
        else:
            apps.append((app, port))
            teller.can(name)
    return apps


def served_ports(installed: Sequence[str], services: ServiceSettings) -> dict[str, int]:
    """Skill -> port, of those that are installed and have one."""
    return {name: port for name in installed if (port := services.skill_ports.get(name, 0))}


def address(services: ServiceSettings, port: int) -> str:
    """Where a skill answers; beyond this machine with the token."""
    url = f"http://{host_of(services)}:{port}/info"
    return url if is_loopback(services.bind) else f"{url}?token={services.token}"


class _Teller:
    """Says as facts which skills are not served, each once."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._standing = {b.blocker: b.why for b in standing_blockers(events)}

    def cannot(self, skill: str, port: int, error: SkillBroken | PortTaken) -> None:
        blocker = f"serve-{skill}"
        if self._standing.get(blocker) != error.message:
            trying = f"serving the skill {skill} on port {port}"
            self._events.append(BlockerRaised(blocker=blocker, trying=trying, why=error.message, fix=error.hint))

    def can(self, skill: str) -> None:
        if (blocker := f"serve-{skill}") in self._standing:
            self._events.append(BlockerCleared(blocker=blocker))


def _settings() -> RealmSettings:
    try:
        return load(find_workspace().settings, env=os.environ)
    except WorkspaceError:
        return load(env=os.environ)


def _port(engine: SkillEngine, name: str, services: ServiceSettings) -> int:
    engine.get(name)
    if port := services.skill_ports.get(name, 0):
        return port
    raise UsageError(f"The skill {name} has no port.", hint="Say one: --port 8091, or set services.skill_ports.")


async def _forever() -> None:
    await asyncio.Event().wait()


async def _beating(heart: Heartbeat) -> None:
    while True:
        heart.beat()
        await asyncio.sleep(BEAT_SECONDS)
