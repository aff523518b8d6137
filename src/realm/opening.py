"""A workspace opened: its settings, its database, its facts. Trains nothing and serves nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from realm.config.in_play import load_in_play
from realm.config.schema import RealmSettings
from realm.db import Database, open_database
from realm.events import Events
from realm.records import CampaignKey
from realm.workspace import Workspace


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
