"""`realm sweep`: run a sweep, go on with it, look at it, and take its best trial as a preset."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tomlkit
import typer

from realm.cli.context import find_workspace, print_json, train_packages

if TYPE_CHECKING:
    from realm.presets.sweep import TrialResult

COMMANDS = ("run", "show", "best", "list")
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A sweep of this workspace.")]


class _FileFirst(typer.core.TyperGroup):
    """`realm sweep FILE` is short for `realm sweep run FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_FileFirst, help="Sweeps: `realm sweep FILE` runs one or goes on with it.")


@app.command()
def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The sweep: a TOML file, see docs/sweeps.md.")],
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="A TOML file with presets of its own.")] = None,
) -> None:
    """Run a sweep to its last trial; one that was killed goes on where it stood."""
    from realm.config.sweep_file import read_sweep  # noqa: PLC0415

    sweep, workspace = read_sweep(file), find_workspace()
    with train_packages("A sweep"):
        from realm.cli.train import stoppable  # noqa: PLC0415
        from realm.presets.sweep import SweepRun, best  # noqa: PLC0415 - what trains costs a second
        from realm.presets.trainer import ConfigTrainer  # noqa: PLC0415

        trains_on = (file.parent / Path(sweep.sweep.file).expanduser()) if sweep.sweep.file else None
        running = SweepRun(workspace, sweep, ConfigTrainer(config, workspace=workspace.root), trains_on)
        running.go_on(typer.echo, stoppable)
        typer.echo(_line(sweep.sweep.objective, best(running.study)))
    typer.echo(f"All trials: realm sweep show {sweep.name}. As a preset: realm sweep best {sweep.name} --preset")


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Every trial with its values, the best one, and which value mattered most."""
    with train_packages("A sweep"):
        from realm.presets import sweep as sweeps  # noqa: PLC0415

        told, study = sweeps.load(find_workspace(), name)
        trials, weights = sweeps.results(study), sweeps.importance(study)
    ended = [trial for trial in trials if trial.state == "complete"]
    top = sweeps.best(study) if ended else None
    if as_json:
        print_json(
            {
                "name": name, "objective": told.sweep.objective, "direction": told.sweep.direction,
                "preset": told.sweep.preset, "wanted": told.sweep.trials, "trials": [asdict(one) for one in trials],
                "best": asdict(top) if top else None, "importance": weights,
            }
        )  # fmt: skip
        return
    for trial in trials:
        typer.echo(_line(told.sweep.objective, trial))
    if top:
        typer.echo(f"Best: trial {top.number}, {told.sweep.objective} {top.value:.4g}")
    for key, share in weights.items():
        typer.echo(f"  {share:.0%} of the difference: {key}")


@app.command()
def best(
    name: Name,
    as_json: AsJson = False,
    preset: Annotated[bool, typer.Option("--preset", help="As TOML, for realm.toml.")] = False,
) -> None:
    """The best trial; with --preset as a preset to train."""
    with train_packages("A sweep"):
        from realm.presets import sweep as sweeps  # noqa: PLC0415

        told, study = sweeps.load(find_workspace(), name)
        top = sweeps.best(study)
    if preset:
        from realm.config.sweep_preset import preset_of  # noqa: PLC0415

        settings = _presets()
        typer.echo(tomlkit.dumps(preset_of(settings, told, top.values)).rstrip())
    elif as_json:
        print_json(asdict(top))
    else:
        typer.echo(_line(told.sweep.objective, top))


@app.command("list")
def list_sweeps(as_json: AsJson = False) -> None:
    """The sweeps of this workspace."""
    folder = find_workspace().sweep("x").parent
    names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    if as_json:
        print_json(names)
    else:
        typer.echo("\n".join(names) or "No sweep yet. Write one: docs/sweeps.md")


def _presets() -> Any:
    from realm.config.layers import load  # noqa: PLC0415

    return load(find_workspace().settings)


def _line(objective: str, trial: TrialResult) -> str:
    value = f"{trial.value:.4g}" if trial.value is not None else "-"
    chosen = ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in trial.values.items())
    why = f"  ({trial.reason})" if trial.reason else ""
    return f"trial {trial.number}  {trial.state:8}  {objective} {value:>8}  {chosen}{why}"
