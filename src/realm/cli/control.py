"""Requests to the training: they are files in `control/`, read at every step."""

from __future__ import annotations

import typer

from realm.cli.context import find_workspace, open_realm
from realm.errors import QuestError
from realm.quests.queue import QuestQueue
from realm.workspace import Workspace


def pause() -> None:
    """Pause training after the step in hand."""
    _running_workspace().request("pause")
    typer.echo("Pausing after this step. Go on with: realm resume")


def resume() -> None:
    """Go on after a pause or a stop."""
    workspace = find_workspace()
    workspace.withdraw("pause")
    workspace.withdraw("stop")
    typer.echo("Going on.")


def stop() -> None:
    """Save, end the run and hold the hero until `realm resume`."""
    _running_workspace().request("stop")
    typer.echo("Stopping after this step; the quest keeps its place. Go on with: realm resume")


def skip() -> None:
    """Save and leave the quest in training; take the next one."""
    with open_realm() as realm:
        in_training = QuestQueue(realm.workspace, realm.db, realm.events, realm.settings.quests).list("active", 1)
    if not in_training:
        raise QuestError("No quest is in training, so none was skipped.", hint="See what waits: realm quest list")
    _running_workspace().request("skip", in_training[0].id)
    typer.echo(f"Skipping {in_training[0].name} after this step; what was learned is kept.")


def _running_workspace() -> Workspace:
    workspace = find_workspace()
    if workspace.holder("hero") is None:
        typer.echo("No hero is awake in this workspace; the request waits until it is.", err=True)
    return workspace
