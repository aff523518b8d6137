"""`realm train --suggest`: presets for the machine that this is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer

from realm.cli.config import settings_file
from realm.cli.context import print_json
from realm.config.hardware import detect, suggest
from realm.config.layers import load
from realm.config.suggest import Suggestion, suggestions
from realm.errors import UsageError

SHOWN = 5


def suggested(config_file: Path | None = None) -> tuple[str, list[Suggestion]]:
    """The hardware profile that suits this machine, and the presets that fit it, best first."""
    file = settings_file()
    settings = load(file, config_file=config_file)
    profile = suggest(detect(), settings.hardware)
    if profile is None:
        raise UsageError("No hardware profile suits this machine.", hint="Write one: [hardware.NAME] in realm.toml")
    return profile, suggestions(settings, profile, file.parent / "models" if file else None)


def print_suggestions(config_file: Path | None = None, *, as_json: bool = False) -> None:
    profile, found = suggested(config_file)
    if as_json:
        print_json({"hardware": profile, "presets": [asdict(one) for one in found]})
        return
    typer.echo(f"This machine is like {profile}.")
    for one in found[:SHOWN]:
        typer.echo(f"  {one.preset}: {one.hero}, about {one.memory_gb:.1f} GB.  {one.command}")
    if not found:
        typer.echo("No preset fits it. Limits: realm train --list-hardware")
