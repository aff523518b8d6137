"""The models over HTTP: what the supervisor starts as the process `oracle`, and what a person may start by hand."""

from __future__ import annotations

import asyncio
import os

import typer

from realm.cli.address import host_of, with_token
from realm.cli.context import Realm
from realm.cli.models import RealmModels
from realm.cli.web import serve_together
from realm.config.schema import OracleSettings, ServiceSettings
from realm.errors import UsageError
from realm.http import is_loopback
from realm.oracle import sharing
from realm.oracle.api import create
from realm.oracle.backend import Backend
from realm.weaver.supervisor import require_port


def serve_oracle(realm: Realm) -> None:
    """Serve until SIGTERM. Raises PortTaken, and UsageError for a backend whose key is nowhere."""
    services, settings = with_token(realm.settings).services, realm.settings.oracle
    require_port(services.bind, services.oracle_port, setting="services.oracle_port")
    sharing.take_place(settings.sharing)
    word = sharing.Word(realm.workspace.logs, settings.sharing)
    app = create(RealmModels(realm), settings, services, backend=backend(settings), on_load=word.say)
    typer.echo(f"The models: {address(services)}   (OpenAI API)")
    try:
        asyncio.run(serve_together([(app, services.oracle_port)], services.bind, _forever()))
    finally:
        word.take_back()


def backend(settings: OracleSettings) -> Backend | None:
    """The server that is asked first, if the settings name one."""
    if not settings.backend:
        return None
    variable = settings.backend_key_variable
    if variable and not os.environ.get(variable):
        raise UsageError(f"The variable {variable} holds no key for {settings.backend}.", hint=f"Set {variable}.")
    return Backend(settings.backend, settings.backend_models, os.environ.get(variable, "") if variable else "")


def address(services: ServiceSettings) -> str:
    """What to give a client as its base URL; beyond this machine it sends the token as its key."""
    url = f"http://{host_of(services)}:{services.oracle_port}/v1"
    return url if is_loopback(services.bind) else f"{url}   key: {services.token}"


async def _forever() -> None:
    await asyncio.Event().wait()
