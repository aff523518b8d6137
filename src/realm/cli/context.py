"""What most commands need: the workspace, its settings, its database, its facts. Opened once, closed at the end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from realm.config.in_play import load_in_play
from realm.config.schema import RealmSettings
from realm.db import Database, open_database
from realm.errors import MissingExtra
from realm.events import Events
from realm.records import CampaignKey
from realm.workspace import Workspace

INSTALL_TRAIN = "pip install 'realm[train]'; in a clone: make play, or pip install -e '.[train]'"


@dataclass(frozen=True, slots=True)
class Realm:
    """An open workspace."""

    workspace: Workspace
    settings: RealmSettings
    db: Database
    events: Events

    @property
    def key(self) -> CampaignKey:
        """The campaign in play."""
        return CampaignKey(self.settings.campaign.hero, self.settings.campaign.name)


def find_workspace() -> Workspace:
    """The workspace that is meant: REALM_HOME, or this folder, or one above it.

    Raises WorkspaceError when there is none.
    """
    if home := os.environ.get("REALM_HOME"):
        return Workspace(home).require()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if Workspace(folder).exists:
            return Workspace(folder)
    return Workspace(here).require()


def open_workspace(workspace: Workspace, *, checkpoints: bool = False) -> Realm:
    """Open a workspace and bring its tables up to date."""
    settings = load_in_play(workspace, os.environ)
    workspace.create()
    db = open_database(workspace.database, checkpoints=checkpoints)
    db.upgrade()
    return Realm(workspace, settings, db, Events(db))


@contextmanager
def open_realm() -> Iterator[Realm]:
    """The realm that is meant, for one command."""
    realm = open_workspace(find_workspace())
    try:
        yield realm
    finally:
        realm.db.close()


@contextmanager
def train_packages(what: str) -> Iterator[None]:
    """Say in words that the training extra is missing. Raises MissingExtra; other errors pass as they are."""
    try:
        yield
    except (ImportError, RuntimeError) as error:  # transformers and trl wrap what their own imports miss
        if (package := _absent(error)) is None:
            raise
        raise MissingExtra(
            f"{what} needs the package '{package}', which is not installed.",
            hint=f"Install it: {INSTALL_TRAIN}",
        ) from error


def _absent(error: BaseException | None) -> str | None:
    """The package whose absence an error comes from; None when it comes from something else, our own code included."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and error.name:
            package = error.name.partition(".")[0]
            return None if package == "realm" else package
        error = error.__cause__
    return None


def print_json(value: Any) -> None:
    """Machine-readable output of a read command."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))
