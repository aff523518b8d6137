"""`realm train`: one preset, on its dataset or on a file, then exit. The engine and the ledgers of the hero loop."""

from __future__ import annotations

import logging
import signal
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from realm.cli import launch
from realm.cli.context import find_workspace, train_packages
from realm.cli.train_dry_run import dry_run, list_datasets, list_hardware, list_heroes, list_presets, preset_run
from realm.errors import UsageError

if TYPE_CHECKING:
    from realm.presets.loop import PresetLoop
    from realm.presets.record import How

LISTS = {"presets": list_presets, "experts": list_heroes, "hardware": list_hardware, "datasets": list_datasets}


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
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted training, as it was.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, also where one was interrupted.")] = False,
    suggest: Annotated[bool, typer.Option("--suggest", help="Presets that this machine can train.")] = False,
    show_launch: Annotated[bool, typer.Option("--print-launch", help="Print what starts all its processes.")] = False,
    presets: Annotated[bool, typer.Option("--list-presets")] = False,
    experts: Annotated[bool, typer.Option("--list-experts")] = False,
    hardware: Annotated[bool, typer.Option("--list-hardware")] = False,
    datasets: Annotated[bool, typer.Option("--list-datasets")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Every recorded step; a traceback on errors.")] = False,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Train one preset, on its dataset or on FILE, then exit. Look before: `realm train NAME --dry-run`."""
    asked = {"presets": presets, "experts": experts, "hardware": hardware, "datasets": datasets}
    wanted = next((name for name, is_asked in asked.items() if is_asked), "")
    if wanted:
        LISTS[wanted](config, as_json=json)
    elif suggest:
        from realm.cli.train_suggest import print_suggestions  # noqa: PLC0415 - only this looks at the machine

        print_suggestions(config, as_json=json)
    elif not preset:
        raise UsageError("Which preset?", hint="See them: realm train --list-presets. For this machine: --suggest")
    elif only_print:
        dry_run(preset, [word for word in overrides or [] if "=" in word], config, as_json=json)
    elif resume and fresh:
        raise UsageError("--resume goes on, --fresh begins anew: which?", hint="Give one of them, or none.")
    elif show_launch:
        spec = preset_run(preset, [word for word in overrides or [] if "=" in word], config)[0]
        launch.print_launch(spec, _again(preset, overrides, config))
    else:
        how: How = "resume" if resume else "fresh" if fresh else "auto"
        _train(preset, overrides or [], config, how, verbose=verbose, as_json=json)


def _train(preset: str, given: list[str], config: Path | None, how: How, *, verbose: bool, as_json: bool) -> None:
    files = [Path(word) for word in given if "=" not in word]
    if len(files) > 1:
        raise UsageError("One file at a time.", hint="Join them, or drop them into inbox/.")
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    settings = [word for word in given if "=" in word]
    if not launch.is_one_of_several():  # who started them has said it
        for notice in preset_run(preset, settings, config).notices:
            typer.echo(notice, err=as_json)
    workspace = find_workspace()
    with train_packages("Training"):
        from realm.cli.train_report import Report  # noqa: PLC0415 - what trains costs a second that lists need not pay
        from realm.presets.trainer import ConfigTrainer  # noqa: PLC0415

        if launch.follow(workspace.models, workspace.fit):
            return
        trainer, file = ConfigTrainer(config, workspace=workspace.root), files[0] if files else None
        training = trainer.build_training_config(preset, settings)
        if launch.is_to_start(training.spec):
            trainer.require_ready(training, file=file, how=how)
            flags = {"--resume": how == "resume", "--verbose": verbose, "--json": as_json}
            again = _again(preset, given, config, flags)
            launch.launch(training.spec, [*again, "--fresh"] if how == "fresh" else again, again=again)
            return
        report = Report(verbose=verbose, as_json=as_json)

        def begun(loop: PresetLoop) -> None:
            report.begin(loop)
            stoppable(loop)

        with launch.ending():
            finished = trainer.run(training, file=file, how=how, listener=report, started=begun)
    report.end(finished)


def _again(
    preset: str, given: list[str] | None, config: Path | None, flags: Mapping[str, bool] = MappingProxyType({})
) -> list[str]:
    """The arguments of the same training, for its further processes."""
    told = ["--config", str(config)] if config else []
    return ["train", preset, *(given or []), *told, *(flag for flag, is_given in flags.items() if is_given)]


def stoppable(loop: PresetLoop) -> None:
    """The first Ctrl-C, or a SIGTERM, saves and stops; a second Ctrl-C ends at once.

    One process of several hears each Ctrl-C twice, from the terminal and from the launcher, which ends it after 30 s.
    """

    def stop(_signal: int, _frame: Any) -> None:
        loop.stopping.set()
        if not launch.is_one_of_several():
            signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
