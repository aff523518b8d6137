"""`realm train`: one preset, or one file, then exit. The same engine and the same ledgers as the hero loop."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from realm.cli.context import open_realm
from realm.cli.train_dry_run import dry_run, list_hardware, list_heroes, list_presets, preset_run
from realm.config.metadata import metadata
from realm.config.run_spec import RunSpec
from realm.errors import MissingExtra, UsageError


def train(
    preset: Annotated[
        str, typer.Argument(metavar="[PRESET]", help="A preset of the catalogue or of this workspace.")
    ] = "",
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings for this run.")
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="A TOML file with presets of its own.")] = None,
    only_print: Annotated[bool, typer.Option("--dry-run", help="Print the run and its memory; train nothing.")] = False,
    presets: Annotated[bool, typer.Option("--list-presets")] = False,
    experts: Annotated[bool, typer.Option("--list-experts")] = False,
    hardware: Annotated[bool, typer.Option("--list-hardware")] = False,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Train a preset: `realm train NAME`. Look before: `realm train NAME --dry-run`."""
    if presets:
        list_presets(config, as_json=json)
    elif experts:
        list_heroes(config, as_json=json)
    elif hardware:
        list_hardware(config, as_json=json)
    elif not preset:
        raise UsageError("Which preset?", hint="See them: realm train --list-presets")
    elif only_print:
        dry_run(preset, overrides or [], config, as_json=json)
    else:
        _train(preset, overrides or [], config)


def _train(preset: str, overrides: list[str], config: Path | None) -> None:
    spec, settings, notices = preset_run(preset, overrides, config)
    for notice in notices:
        typer.echo(notice)
    if spec.adapter is not None:
        raise UsageError(
            f"Preset '{preset}' trains the adapter '{spec.adapter_name}'; this version trains all weights.",
            hint="Look at the run: realm train NAME --dry-run. Train all weights: add adapter=none.",
        )
    file = _dataset_file(spec)
    with open_realm() as realm, train_packages("Training"):
        from realm.hero_loop import HeroLoop  # noqa: PLC0415 - torch stays behind this door

        began = time.time()
        loop = HeroLoop(realm.workspace, settings, realm.db, realm.events, spec)
        checkpoint, rows = loop.train_file(file)
        folder = loop.keeper.folder(checkpoint)
    told = metadata(spec, dataset=str(file), rows=rows, seconds=time.time() - began)
    target = realm.workspace.campaign(spec.hero, spec.campaign) / "metadata.json"
    target.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    typer.echo(f"Saved: {folder}\nMetadata: {target}")


def _dataset_file(spec: RunSpec) -> Path:
    """The file that a preset trains on."""
    if spec.dataset is None:
        raise UsageError(f"Preset '{spec.preset}' names no dataset.", hint='Add one: dataset = "NAME"')
    folder = Path(spec.dataset.path).expanduser()
    file = folder / spec.dataset.train_split if folder.is_dir() else folder
    if not file.is_file():
        raise UsageError(f"The dataset '{spec.dataset_name}' is not at {file}.", hint="Mend its path in the settings.")
    return file


@contextmanager
def train_packages(what: str) -> Iterator[None]:
    """Say in words that the training extra is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"{what} needs the package '{error.name}', which is not installed.",
            hint="Install it: pip install 'realm[train]'",
        ) from error
