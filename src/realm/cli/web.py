"""The web services of one process: each app on its own port, stopped together."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from realm.cli.context import Realm
from realm.guild.ledger import GuildLedger
from realm.quests.queue import QuestQueue
from realm.tavern import app as tavern
from realm.vault.ledger import CheckpointLedger
from realm.watchtower import api as watchtower
from realm.watchtower.gpu import driver
from realm.watchtower.machine import MachineMeter
from realm.watchtower.metrics import Metrics
from realm.watchtower.prometheus import Sources

Apps = Sequence[tuple[FastAPI, int]]


def create_page(realm: Realm) -> FastAPI:
    """The page of a workspace."""
    return tavern.create(realm.workspace, realm.settings, realm.db, realm.events)


def create_watchtower(realm: Realm) -> FastAPI:
    """The watchtower, told where the other rooms' numbers are."""
    queue = QuestQueue(realm.workspace, realm.db, realm.events, realm.settings.quests)
    guild = GuildLedger(realm.db, realm.events, realm.settings.curriculum)
    checkpoints = CheckpointLedger(realm.db, realm.events)
    sources = Sources(
        realm.key,
        Metrics(realm.db),
        machine=MachineMeter(realm.workspace.root, nvml=driver()).read,
        queue=queue.counts,
        levels=lambda: guild.levels(realm.key),
        checkpoint_bytes=checkpoints.size_bytes,
    )
    return watchtower.create(sources, realm.settings.services)


class Server(uvicorn.Server):
    """A server that leaves signals to whoever runs several of them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_together(apps: Apps, host: str) -> None:
    """Serve until SIGINT or SIGTERM. Open streams are told to end, and get two seconds."""
    servers = [
        Server(uvicorn.Config(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=2, ws="none"))
        for app, port in apps
    ]

    def stop() -> None:
        for app, _ in apps:
            getattr(app.state, "end_streams", lambda: None)()
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    await asyncio.gather(*(server.serve() for server in servers))
