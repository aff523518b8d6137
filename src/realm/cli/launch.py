"""Several processes for one training: started by our own process, and all started anew when one is lost."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import typer

from realm.arena.crew import Crew
from realm.arena.fit.remembered import Remembered
from realm.config.launch import launch_arguments, processes, sharding
from realm.config.run_spec import RunSpec
from realm.errors import TrainingError, UsageError

TRIES = 3
USAGE = 2
"""Exit code of a mistake in the command: trying again would not mend it."""


def launched(spec: RunSpec) -> bool:
    """Whether this process runs under a launcher already, or needs none."""
    return processes(spec) == 1 or "RANK" in os.environ


def print_launch(spec: RunSpec, command: Sequence[str]) -> None:
    """Print what starts a preset's training: one line, the same on each machine."""
    arguments = launch_arguments(spec, ["realm", *command])
    typer.echo("torchrun " + " ".join(a if a.startswith("--rdzv-endpoint") else shlex.quote(a) for a in arguments))
    if extra := sharding(spec):
        import json  # noqa: PLC0415 - rarely wanted

        typer.echo(f"# for transformers' TrainingArguments ({spec.hardware.sharding if spec.hardware else ''}):")
        typer.echo(json.dumps(extra, indent=2))


def launch(spec: RunSpec, command: Sequence[str]) -> None:
    """Train in as many processes as the hardware profile says; when one is lost, all begin at the last checkpoint.

    Raises UsageError for several machines (each needs the command itself) and for sharding, TrainingError when the
    processes fail again and again.
    """
    require_launchable(spec)
    torchrun = [sys.executable, "-m", "torch.distributed.run", *launch_arguments(spec, ["realm", *command])]
    code = relaunch(torchrun, tries=TRIES, say=lambda words: typer.echo(words, err=True))
    if code == USAGE:
        raise SystemExit(USAGE)
    if code:
        raise TrainingError(
            f"The processes ended {TRIES} times before the training did; the last exit code was {code}.",
            hint="Their reasons stand above. What was sealed is kept: the same command goes on from there.",
        )


def require_launchable(spec: RunSpec) -> None:
    """Raises UsageError for what this version only generates: sharded models, and the start of other machines."""
    if sharding(spec):
        raise UsageError(
            f"This version trains with sharding = 'ddp' only, not {spec.hardware.sharding if spec.hardware else ''}.",
            hint="See the configuration for other programs: realm train PRESET --print-launch",
        )
    if spec.hardware and spec.hardware.nodes > 1:
        raise UsageError(
            f"{spec.hardware_name} has {spec.hardware.nodes} machines, and this one cannot start the others.",
            hint="Run on each what this prints: realm train PRESET --print-launch",
        )


def relaunch(
    command: Sequence[str], *, tries: int, say: Callable[[str], object], env: Mapping[str, str] | None = None
) -> int:
    """Run a command until it ends well, `tries` times at most; its last exit code.

    Never mended from within: of five in-job restarts after a kill two came back, of three whole ones all.
    """
    for number in range(1, tries + 1):
        done = subprocess.run(command, env={"OMP_NUM_THREADS": "1", **(env or os.environ)}, check=False)
        if done.returncode in {0, USAGE} or number == tries:
            return done.returncode
        say(f"A process was lost (exit code {done.returncode}). All start again from the last sealed checkpoint.")
    return 1


def follow(spec: RunSpec, models: Path, memory: Path) -> bool:
    """In a process that does not lead: train what rank 0 trains, to its end. False in one that leads, or is alone."""
    if os.environ.get("RANK", "0") == "0":
        return False
    from realm.arena.engine import Engine  # noqa: PLC0415 - what trains costs a second that lists need not pay
    from realm.arena.fit.fit import Fit  # noqa: PLC0415
    from realm.heroes.hero import load  # noqa: PLC0415

    crew = Crew.join()
    stand = crew.tell()
    hero = load(spec.profile, models=models, checkpoint=stand.weights, seed=spec.seed, name=spec.hero)
    fit = Fit.of(spec, Remembered(memory))
    Engine.open(
        hero, spec.hyperparameters, progress=stand.progress, checkpoint=stand.checkpoint, fit=fit, crew=crew
    ).follow()
    crew.end()
    return True
