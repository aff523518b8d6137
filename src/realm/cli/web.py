"""The web services of one process: each app on its own port, stopped together."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from realm.cli.context import Realm
from realm.tavern import app as tavern


def create_page(realm: Realm) -> FastAPI:
    return tavern.create(realm.workspace, realm.settings, realm.db, realm.events)


def create_watchtower(realm: Realm) -> FastAPI:
    raise NotImplementedError


class Server(uvicorn.Server):
    """A server that leaves signals to whoever runs several of them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_together(apps: Sequence[tuple[FastAPI, int]], host: str) -> None:
    """Serve until SIGINT or SIGTERM. Open streams get two seconds to end."""
    servers = [
        Server(uvicorn.Config(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=2, ws="none"))
        for app, port in apps
    ]

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    await asyncio.gather(*(server.serve() for server in servers))
