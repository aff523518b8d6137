"""Run one service alone: what the supervisor starts, and what a person may start by hand."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from dataclasses import replace
from typing import Annotated

import typer

from realm.cli.address import page_address, with_token
from realm.cli.context import Realm, find_workspace, open_workspace, train_packages
from realm.config.in_play import load_in_play
from realm.errors import UsageError
from realm.guild.campaigns import CampaignWatch
from realm.guild.ledger import GuildLedger
from realm.registry import unknown
from realm.weaver.process import watch_parent

NAMES = ("page", "tavern", "watchtower", "vault", "hero", "oracle", "skills")


def serve(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="page, tavern, watchtower, vault, hero, oracle, skills, or: skill NAME"),
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of one skill (0: the one of the settings).")] = 0,
) -> None:
    """Run services in this process: `page` is tavern, watchtower and vault; `hero` trains; `oracle` answers."""
    if names[0] == "skill":
        from realm.cli.serve_skills import serve_named  # noqa: PLC0415 - FastAPI takes 0.5 s

        log_what_matters()
        serve_named(names[1:], port)
        return
    if port:
        raise UsageError(
            "--port is for one skill.",
            hint="Set services.tavern_port, services.watchtower_port or services.vault_port.",
        )
    for name in names:
        if name not in NAMES:
            raise unknown("service", name, NAMES)
    if "hero" in names and len(names) > 1:
        raise UsageError(
            "The hero runs alone: an out-of-memory must not take the page down.", hint="Start two processes."
        )
    if "oracle" in names and len(names) > 1:
        raise UsageError("The oracle runs alone: models take the memory of others.", hint="Start two processes.")
    if "skills" in names and len(names) > 1:
        raise UsageError("The skills run alone: other people's code may be among them.", hint="Start two processes.")
    log_what_matters()
    watch_parent()
    realm = open_workspace(find_workspace(), checkpoints=names == ["hero"])
    try:
        if names == ["hero"]:
            _hero(realm)
        elif names == ["oracle"]:
            from realm.cli.serve_oracle import serve_oracle  # noqa: PLC0415 - FastAPI takes 0.5 s

            spin_briefly()
            serve_oracle(realm)
        elif names == ["skills"]:
            from realm.cli.serve_skills import serve_all  # noqa: PLC0415 - FastAPI takes 0.5 s

            serve_all(realm)
        else:
            _web(realm, set(names))
    finally:
        realm.db.close()


def log_what_matters() -> None:
    """A service's log: what Realm itself says, and what goes wrong in the libraries below."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("realm").setLevel(logging.INFO)


def spin_briefly() -> None:
    """Before torch is imported: how its threads wait for each other.

    Threads that spin for long starve each other as soon as the machine has other work; threads that do not spin at all
    lose a third of the speed of small steps (docs/log.md).
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")


def _hero(realm: Realm) -> None:
    spin_briefly()
    stopping = threading.Event()
    with train_packages("Training"):
        from realm.hero_loop import HeroLoop  # noqa: PLC0415 - torch stays behind this door

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        while not stopping.is_set():  # a life ends when another campaign is put in play; the next one plays that
            settings = load_in_play(realm.workspace, os.environ)
            loop = HeroLoop(realm.workspace, settings, realm.db, realm.events)
            if loop.watch.named == loop.key:  # else it was put in play just now, between the two lines above
                loop.live(stopping)


def _web(opened: Realm, names: set[str]) -> None:
    """Each app listens on its own port, in one process; made anew when another campaign is put in play."""
    from realm.cli.web import (  # noqa: PLC0415 - FastAPI takes 0.5 s
        create_page,
        create_vault,
        create_watchtower,
        keep_watch,
        serve_together,
    )

    realm = replace(opened, settings=with_token(opened.settings))
    services = realm.settings.services
    if names & {"page", "tavern"}:
        typer.echo(f"The page: {page_address(services)}")
    moved = True
    while moved:
        apps = []
        if names & {"page", "tavern"}:
            apps.append((create_page(realm), services.tavern_port))
        if names & {"page", "watchtower"}:
            apps.append((create_watchtower(realm), services.watchtower_port))
        if names & {"page", "vault"}:
            apps.append((create_vault(realm), services.vault_port))
        watch = CampaignWatch(realm.workspace, GuildLedger(realm.db, realm.events), realm.key)
        gone = watch.named != realm.key
        moved = gone or asyncio.run(serve_together(apps, services.bind, keep_watch(realm), watch.has_moved))
        settings = load_in_play(realm.workspace, os.environ) if moved else realm.settings
        realm = replace(realm, settings=settings.model_copy(update={"services": services}))
