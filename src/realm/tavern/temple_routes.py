"""What a person may do in the Temple: have a group of checks looked at, decide otherwise than a verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse, Response

from realm.config.in_play import key_of
from realm.config.schema import RealmSettings
from realm.db import Database
from realm.errors import UsageError
from realm.events import Events
from realm.tavern.temple_view import TempleReader
from realm.temple import rollback
from realm.temple.ledger import Verdict
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger
from realm.workspace import Workspace

Decision = Literal["promote", "roll_back"]
Fragment = Callable[[str, Request, dict[str, Any]], Response]


class TempleRoutes:
    """The routes that look and decide; the page itself is drawn like every other."""

    def __init__(self, workspace: Workspace, settings: RealmSettings, db: Database, events: Events) -> None:
        self._workspace, self._key = workspace, key_of(settings)
        self._keeper = Keeper(workspace, CheckpointLedger(db, events), events, settings.retention)
        self._reader = TempleReader(workspace, settings, db, events)
        self._draw: Fragment | None = None

    def add_to(self, app: FastAPI, draw: Fragment) -> None:
        """`draw` makes a fragment of the page in the skin that the request asks for."""
        self._draw = draw
        app.post("/temple/groups/{group}")(self.look)
        app.post("/temple/verdicts/{run}/{decision}")(self.decide)

    def look(self, request: Request, group: str) -> Response:
        """Run the checks of one group and show what they found."""
        assert self._draw is not None
        return self._draw("temple_group", request, {"g": self._reader.look(group)})

    def decide(self, run: str, decision: Decision, reason: Annotated[str, Form(max_length=500)] = "") -> Response:
        """Promote the checkpoint of a run, or go back before it; kept with the reason."""
        ledger = self._reader.ledger
        verdict = ledger.find(self._key, run)
        if verdict is None:
            raise UsageError(f"There is no verdict about '{run}'.", hint="See them: realm verdict")
        why = reason.strip() or "decided on the page"
        if decision == "promote":
            return _said(f"{rollback.promote(self._keeper, ledger, verdict, why).id} is champion.")
        return _said(self._go_back(verdict, why))

    def _go_back(self, verdict: Verdict, why: str) -> str:
        record = rollback.roll_back(self._workspace, self._keeper, self._reader.ledger, verdict, why)
        return f"The campaign goes on from {record.id}, once the file in training has ended."


def _said(words: str) -> Response:
    return HTMLResponse("", headers={"HX-Trigger": json.dumps({"said": words})})
