"""`realm train`: one preset, on its dataset or on a file, then exit. The engine and the ledgers of the hero loop."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from realm.cli import launch
from realm.cli.context import find_workspace, open_realm, train_packages
from realm.cli.train_dry_run import dry_run, list_hardware, list_heroes, list_presets, preset_run
from realm.config.output import dataset_file, good_enough, model_folder, run_metadata
from realm.config.run_spec import RunSpec
from realm.config.schema import DatasetSettings
from realm.errors import UsageError

RESUME_FILES = ("realm.json", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")


def train(
    preset: Annotated[
        str, typer.Argument(metavar="[PRESET]", help="A preset of the catalogue or of this workspace.")
    ] = "",
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE] [KEY=VALUE]...", help="A file to train on, and settings for this run."),
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="A TOML file with presets of its own.")] = None,
    only_print: Annotated[bool, typer.Option("--dry-run", help="Print the run and its memory; train nothing.")] = False,
    show_launch: Annotated[bool, typer.Option("--print-launch", help="Print what starts all its processes.")] = False,
    presets: Annotated[bool, typer.Option("--list-presets")] = False,
    experts: Annotated[bool, typer.Option("--list-experts")] = False,
    hardware: Annotated[bool, typer.Option("--list-hardware")] = False,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Train one preset, on its dataset or on FILE, then exit. Look before: `realm train NAME --dry-run`."""
    if presets:
        list_presets(config, as_json=json)
    elif experts:
        list_heroes(config, as_json=json)
    elif hardware:
        list_hardware(config, as_json=json)
    elif not preset:
        raise UsageError("Which preset?", hint="See them: realm train --list-presets")
    elif only_print:
        dry_run(preset, [word for word in overrides or [] if "=" in word], config, as_json=json)
    elif show_launch:
        spec = preset_run(preset, [word for word in overrides or [] if "=" in word], config)[0]
        launch.print_launch(spec, _again(preset, overrides, config))
    else:
        _train(preset, overrides or [], config)


def _train(preset: str, given: list[str], config: Path | None) -> None:
    files = [Path(word) for word in given if "=" not in word]
    spec, settings, notices = preset_run(preset, [word for word in given if "=" in word], config)
    for notice in notices:
        typer.echo(notice)
    if spec.adapter is not None:
        raise UsageError(
            f"Preset '{preset}' trains the adapter '{spec.adapter_name}'; this version trains all weights.",
            hint="Look at the run: realm train NAME --dry-run. Train all weights: add adapter=none.",
        )
    file = _file(spec, files)
    workspace = find_workspace()
    if not launch.launched(spec):
        with workspace.hold("hero"):  # that a hero is awake is said once, before several processes find it out
            pass
        launch.launch(spec, _again(preset, given, config))
        return
    if launch.follow(spec, workspace.models, workspace.fit):
        return
    with open_realm() as realm, train_packages("Training"):
        from realm.hero_loop import HeroLoop  # noqa: PLC0415 - torch stays behind this door

        began = time.time()
        loop = HeroLoop(realm.workspace, settings, realm.db, realm.events, spec)
        checkpoint, rows = loop.train_file(file.name, _lines(file, spec))
        folder = model_folder(spec, settings.output, realm.workspace.models, datetime.now())
        told = run_metadata(
            spec, settings.output, samples=rows, seconds=time.time() - began, created=datetime.fromtimestamp(began)
        )
        finished = _finish(loop.keeper.folder(checkpoint), folder, told)
    typer.echo(f"Checkpoint: {checkpoint.id}\nModel: {finished}")


def _again(preset: str, given: list[str] | None, config: Path | None) -> list[str]:
    """The arguments of the same training, for its further processes."""
    return ["train", preset, *(given or []), *(["--config", str(config)] if config else [])]


def _file(spec: RunSpec, files: list[Path]) -> Path:
    """The file to train on: the one that is named, else the preset's dataset."""
    if len(files) > 1:
        raise UsageError("One file at a time.", hint="Join them, or drop them into inbox/.")
    if not files and spec.dataset is None:
        raise UsageError(
            f"Preset '{spec.preset}' names no dataset.", hint=f"Name a file: realm train {spec.preset} FILE"
        )
    file = files[0] if files else dataset_file(spec.dataset, "train") if spec.dataset else Path()
    if not file.is_file():
        raise UsageError(f"There is no file {file}.", hint="Mend the path, or that of the dataset in the settings.")
    return file


def _lines(file: Path, spec: RunSpec) -> Iterator[bytes]:
    """The file's lines, without those below the dataset's threshold; what cannot be read is left to validation."""
    with open(file, "rb") as lines:
        for line in lines:
            if spec.dataset is None or _passes(spec.dataset, line):
                yield line


def _passes(dataset: DatasetSettings, line: bytes) -> bool:
    try:
        row = json.loads(line)
    except ValueError:
        return True
    return not isinstance(row, dict) or good_enough(dataset, row)


def _finish(checkpoint: Path, folder: Path, told: dict[str, Any]) -> Path:
    """Copy the model out of a checkpoint, without what only a resume needs; the folder appears whole."""
    target, number = folder, 2
    while target.exists():
        target, number = folder.with_name(f"{folder.name}-{number}"), number + 1
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(checkpoint, temporary, ignore=shutil.ignore_patterns(*RESUME_FILES))
    (temporary / "metadata.json").write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return temporary.rename(target)
