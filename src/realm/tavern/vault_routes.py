"""What a person may do with checkpoints from the page: verify, promote, name, copy, fetch, export, delete one."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import FastAPI, Form, Path, Request
from fastapi.responses import HTMLResponse, Response

from realm.errors import CheckpointError, UsageError
from realm.events import Events, ExportEnded
from realm.records import CheckpointRecord
from realm.tavern.vault_view import VaultReader
from realm.vault.retention import ZoneName
from realm.workspace import Workspace

log = logging.getLogger(__name__)
EXPORT_SECONDS = 3600
Id = Annotated[str, Path(max_length=250)]
ZoneForm = Annotated[str, Form(max_length=20)]
Fragment = Callable[[str, Request, dict[str, Any]], Response]


class VaultRoutes:
    """The routes that change checkpoints; the two pages themselves are drawn like every other."""

    def __init__(self, workspace: Workspace, events: Events, reader: VaultReader, fragment: Fragment) -> None:
        self._workspace = workspace
        self._events = events
        self._reader = reader
        self._fragment = fragment
        self._exporting = threading.Lock()

    def add_to(self, app: FastAPI) -> None:
        app.get("/vault/retention")(self.planned)
        app.post("/vault/retention")(self.retain)
        app.get("/checkpoint/{checkpoint}/weights")(self.weights)
        app.post("/checkpoint/{checkpoint}/verify")(self.verify)
        app.post("/checkpoint/{checkpoint}/promote")(self.promote)
        app.post("/checkpoint/{checkpoint}/name")(self.name)
        app.post("/checkpoint/{checkpoint}/unname")(self.unname)
        app.post("/checkpoint/{checkpoint}/push")(self.push)
        app.post("/checkpoint/{checkpoint}/fetch")(self.fetch)
        app.post("/checkpoint/{checkpoint}/export")(self.export)
        app.post("/checkpoint/{checkpoint}/delete")(self.delete)

    def planned(self, request: Request) -> Response:
        """What retention would do now."""
        return self._fragment("retention", request, {"planned": self._reader.planned()})

    def retain(self) -> Response:
        done = self._reader.keeper.retain()
        gone, moved = len(done.plan.of("drop")), len(done.plan.of("move"))
        failed = f" {len(done.failed)} could not be touched: {done.failed[0][1]}" if done.failed else ""
        return _said(f"{gone} dropped, {moved} moved.{failed}")

    def weights(self, request: Request, checkpoint: Id) -> Response:
        return self._fragment("weights", request, {"weights": self._reader.weights(checkpoint)})

    def verify(self, checkpoint: Id, zone: ZoneForm = "hot") -> Response:
        """Compare every byte of one copy."""
        problem = self._reader.keeper.storage.verify(self._record(checkpoint), self._zone(zone))
        return _said(problem or f"Every byte of {checkpoint} is as it was sealed.")

    def promote(self, checkpoint: Id, reason: Annotated[str, Form(max_length=300)] = "") -> Response:
        record = self._reader.keeper.ledger.promoted(self._record(checkpoint).id, reason.strip() or "on the page")
        return _said(f"{record.id} is the best checkpoint now.")

    def name(
        self,
        checkpoint: Id,
        version: Annotated[str, Form(max_length=80)],
        note: Annotated[str, Form(max_length=2000)] = "",
    ) -> Response:
        """Give a checkpoint a name, so that retention keeps it."""
        record = self._record(checkpoint)
        made = self._reader.keeper.catalogue.name(
            version.strip(), record.id, note.strip(), hero=record.hero, campaign=record.campaign
        )
        return _said(f"{record.id} is version {made.name}.")

    def unname(self, checkpoint: Id, version: Annotated[str, Form(max_length=80)]) -> Response:
        catalogue = self._reader.keeper.catalogue
        named = catalogue.named(version)
        if named is None or named.checkpoint != checkpoint:
            raise UsageError(f"There is no version '{version}' of {checkpoint}.", hint="See its page.")
        catalogue.unname(version)
        return _said(f"{version} names nothing any more.")

    def push(self, checkpoint: Id, zone: ZoneForm) -> Response:
        """Copy a checkpoint into a zone."""
        storage = self._reader.keeper.storage
        storage.copy(self._record(checkpoint), storage.zone(zone).name)
        return _said(f"A verified copy lies in the {zone} zone.")

    def fetch(self, checkpoint: Id) -> Response:
        """Bring a checkpoint back into the workspace."""
        self._reader.keeper.storage.fetch(self._record(checkpoint))
        return _said(f"{checkpoint} lies in the workspace again.")

    def export(self, checkpoint: Id) -> Response:
        """Write it for other programs, in a process of its own: the page never loads a model."""
        record = self._record(checkpoint)
        if record.state != "present":
            raise CheckpointError(f"{record.id} is {record.state}.", hint="Fetch it back first.")
        if not self._exporting.acquire(blocking=False):
            raise UsageError("Another export is under way.", hint="Try again when it has ended.")
        try:
            folder = self._workspace.free_export(f"{record.hero}-{record.campaign}-{record.step}")
            threading.Thread(target=self._export, args=(record, str(folder)), name="export", daemon=True).start()
        except BaseException:
            self._exporting.release()
            raise
        return _said(f"Exporting to {folder}; the log says when it has ended.")

    def delete(self, checkpoint: Id, confirm: Annotated[str, Form(max_length=250)], zone: ZoneForm = "") -> Response:
        """Remove a checkpoint, or one copy. `confirm` repeats its id: nobody deletes by a slip."""
        record = self._record(checkpoint)
        if confirm.strip() != record.id:
            raise UsageError(f"To delete it, write its whole id: {record.id}", param="confirm")
        keeper = self._reader.keeper
        keeper.require_replaceable(record, zone)
        removed = keeper.storage.delete(record, keeper.storage.copies(record, zone), "a person removed it on the page")
        return _said(f"{record.id} is removed from {', '.join(removed)}.")

    def _export(self, record: CheckpointRecord, folder: str) -> None:
        command = [sys.executable, "-m", "realm", "export", record.id, "--to", folder]
        environment = {**os.environ, "REALM_HOME": str(self._workspace.root)}
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=EXPORT_SECONDS, check=False
            )
            problem = "" if done.returncode == 0 else _last_words(done.stderr)
        except (OSError, subprocess.TimeoutExpired) as error:
            problem = f"The export did not end: {error}"
        finally:
            self._exporting.release()
        if problem:  # the command itself tells of a good end
            self._events.append(
                ExportEnded(
                    hero=record.hero, campaign=record.campaign, checkpoint=record.id, folder=folder, problem=problem
                )
            )

    def _record(self, checkpoint: str) -> CheckpointRecord:
        return self._reader.keeper.ledger.get(checkpoint)

    def _zone(self, zone: str) -> ZoneName:
        return "hot" if zone == "hot" else self._reader.keeper.storage.zone(zone).name


def _last_words(text: str) -> str:
    """What a command said when it failed, on one line."""
    return " ".join(text.split())[-500:] or "It said nothing."


def _said(words: str) -> Response:
    return HTMLResponse("", headers={"HX-Trigger": json.dumps({"said": words})})
