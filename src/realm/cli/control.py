"""Requests to the training: they are files in `control/`, read at every step."""

from __future__ import annotations

import typer

from realm.cli.context import find_workspace
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
    _running_workspace().request("skip")
    typer.echo("Skipping this quest after this step; what was learned is kept.")


def _running_workspace() -> Workspace:
    workspace = find_workspace()
    if workspace.holder("hero") is None:
        typer.echo("No hero is awake in this workspace; the request waits until it is.", err=True)
    return workspace
