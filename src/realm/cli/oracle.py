"""`realm oracle`: which models may be asked, which are in memory, and how to serve one with vLLM."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from realm.cli.asked_models import open_models
from realm.cli.context import open_realm, print_json
from realm.cli.models import RealmModels
from realm.heroes import bases
from realm.oracle.vllm import command as vllm_command

app = typer.Typer()

ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="hero:champion, hero:latest, hero:campaign@step.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def models(as_json: JsonOption = False) -> None:
    """List every name that may be asked for, and the model that it stands for now."""
    with open_realm() as realm:
        cards = RealmModels(realm).cards()
    if as_json:
        print_json([{"name": c.name, "model": c.id, "created": c.created, "about": c.about} for c in cards])
        return
    table = Table("name", "stands for", "about", box=None)
    for card in cards:
        table.add_row(card.name, "" if card.name == card.id else card.id, card.about)
    Console().print(table)


@app.command()
def command(
    model: ModelArgument,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the server.")] = 8000,
) -> None:
    """Print the command that serves exactly this checkpoint with vLLM, every byte of it verified."""
    with open_realm() as realm:
        found, folder, _ = RealmModels(realm).folder(model)
    base = bases.read(folder).base_model if bases.is_adapter(folder) else ""
    typer.echo(shlex.join(vllm_command(found.id, folder, base=base, port=port)))
    typer.echo(
        f"# Then let this realm ask it first: realm config set oracle.backend http://127.0.0.1:{port}/v1", err=True
    )


@app.command()
def load(model: ModelArgument) -> None:
    """Load a model in the running service before it is asked for."""
    with open_realm() as realm, open_models(realm) as service:
        told = service.call("/models/load", {"model": model})
    typer.echo(f"{told['id']} is loaded: {told['size_bytes']:,} bytes.")


@app.command()
def unload(model: ModelArgument) -> None:
    """Let a model of the running service go, once its requests have finished."""
    with open_realm() as realm, open_models(realm) as service:
        told = service.call("/models/unload", {"model": model})
    typer.echo("It goes." if told["unloaded"] else "It was not loaded.")
