"""The web services of one process: each app on its own port, stopped together."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from realm.cli.context import Realm
from realm.cli.keeping import open_keeper
from realm.guild.ledger import GuildLedger
from realm.quests.queue import QuestQueue
from realm.records import CampaignKey
from realm.tavern import app as tavern
from realm.vault import api as vault
from realm.vault.ledger import CheckpointLedger
from realm.watchtower import alerts
from realm.watchtower import api as watchtower
from realm.watchtower.gpu import driver
from realm.watchtower.machine import MachineMeter
from realm.watchtower.metrics import Metrics
from realm.watchtower.prometheus import Sources

WATCH_SECONDS = 5.0
LOOK_SECONDS = 0.3

Apps = Sequence[tuple[FastAPI, int]]


def create_page(realm: Realm) -> FastAPI:
    """The page of a workspace."""
    return tavern.create(realm.workspace, realm.settings, realm.db, realm.events)


def sources(realm: Realm) -> Sources:
    """Where the watchtower finds the other rooms' numbers."""
    queue = QuestQueue(realm.workspace, realm.db, realm.events, realm.settings.quests)
    guild = GuildLedger(realm.db, realm.events, realm.settings.curriculum)
    checkpoints = CheckpointLedger(realm.db, realm.events)
    return Sources(
        realm.key,
        Metrics(realm.db),
        machine=MachineMeter(realm.workspace.root, nvml=driver()).read,
        queue=queue.counts,
        levels=lambda: guild.levels(realm.key),
        checkpoint_bytes=checkpoints.size_bytes,
    )


def create_watchtower(realm: Realm) -> FastAPI:
    """The watchtower on its own port."""
    return watchtower.create(sources(realm), realm.settings.services)


def create_vault(realm: Realm) -> FastAPI:
    """The checkpoints' API on its own port."""
    guild = GuildLedger(realm.db, realm.events, realm.settings.curriculum)

    def start_of(key: CampaignKey) -> str:
        found = guild.campaign(key)
        return found.starting_checkpoint if found else ""

    return vault.create(open_keeper(realm), realm.key, realm.settings.services, start_of)


async def keep_watch(realm: Realm) -> None:
    """Record an alert when a watched quantity leaves its bounds; again only after it was back within them."""
    watched = sources(realm)
    standing: set[str] = set()
    while True:
        if not realm.workspace.requests() & {"pause", "stop"}:
            found = await asyncio.to_thread(lambda: alerts.check(watchtower.observe(watched)))
            if new := alerts.newly(found, standing):
                await asyncio.to_thread(realm.events.append, *new)
            standing = {alert.alert for alert in found}
        await asyncio.sleep(WATCH_SECONDS)


class Server(uvicorn.Server):
    """A server that leaves signals to whoever runs several of them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_together(
    apps: Apps, host: str, watching: Coroutine[None, None, None], ended: Callable[[], bool] = lambda: False
) -> bool:
    """Serve until SIGINT or SIGTERM, or until `ended` says so, `watching` meanwhile.

    Open streams are told to end, and get two seconds. Returns whether it was `ended` that ended it.
    """
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
    asked = False

    async def look() -> None:
        nonlocal asked
        while not (asked := ended()):
            await asyncio.sleep(LOOK_SECONDS)
        stop()

    tasks = [asyncio.create_task(watching), asyncio.create_task(look())]
    await asyncio.gather(*(server.serve() for server in servers))
    for task in tasks:
        task.cancel()
    return asked
