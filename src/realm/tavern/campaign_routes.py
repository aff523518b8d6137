"""What a person may do with campaigns from the page: begin one, put one in play, pause, archive, continue it."""

from __future__ import annotations

import json
import os
from typing import Annotated, Literal

from fastapi import FastAPI, Form
from fastapi.responses import HTMLResponse, Response

from realm.config.layers import hero_name, load
from realm.config.schema import RealmSettings
from realm.db import Database
from realm.events import Events
from realm.guild.campaign_state import WORDS
from realm.guild.campaigns import Campaigns
from realm.guild.ledger import GuildLedger
from realm.records import CampaignKey
from realm.workspace import Workspace

Asked = Literal["activate", "pause", "archive", "continue"]


class CampaignRoutes:
    """The routes that change campaigns; the page itself is drawn like every other."""

    def __init__(self, workspace: Workspace, settings: RealmSettings, db: Database, events: Events) -> None:
        self._workspace = workspace
        self._campaigns = Campaigns(workspace, GuildLedger(db, events, settings.curriculum))

    def add_to(self, app: FastAPI) -> None:
        app.post("/campaigns")(self.create)
        app.post("/campaigns/{key}/{action}")(self.change)

    def create(
        self,
        name: Annotated[str, Form(max_length=80)],
        hero: Annotated[str, Form(max_length=80)] = "",
        seed: Annotated[int, Form()] = 0,
    ) -> Response:
        """Begin a campaign and put it in play. What it does not say is as in realm.toml."""
        base = load(self._workspace.settings, env=os.environ)
        key = CampaignKey(hero_name(base, hero or base.campaign.hero), name.strip())
        self._campaigns.create(key, {"campaign": {"skills": list(base.campaign.skills), "seed": seed}})
        self._campaigns.activate(str(key))
        return _said(f"{key} begins.")

    def change(self, key: str, action: Asked) -> Response:
        """Ask something of a campaign. What is continued is put in play."""
        if action == "activate":
            played, _ = self._campaigns.activate(key)
            return _said(f"{played} is in play.")
        made = self._campaigns.change(key, action)
        if action == "continue":
            self._campaigns.activate(str(made.key))
        return _said(f"{made.key} is {WORDS[made.state]}.")


def _said(words: str) -> Response:
    return HTMLResponse("", headers={"HX-Trigger": json.dumps({"said": words})})
