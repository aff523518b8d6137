"""Several processes for one training: started by our own process, and all started anew when one is lost."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from realm.arena.crew import Crew, Stand
from realm.arena.fit.remembered import Remembered
from realm.config.launch import launch_arguments, processes, sharding
from realm.config.run_spec import RunSpec
from realm.errors import MemoryShortage, RealmError, TrainingError, UsageError

TRIES = 3
ENDING = "REALM_ENDING"
"""Environment variable: the file in which the process that leads notes its exit code when the training is over."""
USAGE = 2
"""Exit code of a mistake in the command: trying again would not mend it."""


def is_one_of_several() -> bool:
    """Whether this process runs under a launcher, beside others."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def is_to_start(spec: RunSpec) -> bool:
    """Whether a training wants processes that are not there yet."""
    return processes(spec) > 1 and "RANK" not in os.environ


def print_launch(spec: RunSpec, command: Sequence[str]) -> None:
    """Print what starts a preset's training: one line, the same on each machine."""
    arguments = launch_arguments(spec, ["realm", *command])
    typer.echo("torchrun " + " ".join(a if a.startswith("--rdzv-endpoint") else shlex.quote(a) for a in arguments))
    if extra := sharding(spec):
        import json  # noqa: PLC0415 - rarely wanted

        typer.echo(f"# for transformers' TrainingArguments ({spec.hardware.sharding if spec.hardware else ''}):")
        typer.echo(json.dumps(extra, indent=2))


def launch(spec: RunSpec, command: Sequence[str], *, again: Sequence[str]) -> None:
    """Train in as many processes as the hardware profile says; when one is lost, all begin at the last checkpoint.

    `again` is the command that goes on with what `command` began. Raises UsageError for several machines (each needs
    the command itself) and for sharding, TrainingError when the processes fail again and again, and SystemExit when
    the training itself came to an end that no new start would mend: its reason has been said.
    """
    require_launchable(spec)
    first, then = (
        [sys.executable, "-m", "torch.distributed.run", *launch_arguments(spec, ["realm", *words])]
        for words in (command, again)
    )
    with TemporaryDirectory() as folder:
        note = Path(folder) / "ending"
        code = relaunch(
            first, then, tries=TRIES, say=lambda words: typer.echo(words, err=True),
            env={**os.environ, ENDING: str(note)}, is_over=note.exists,
        )  # fmt: skip
        if note.exists():
            raise SystemExit(int(note.read_text(encoding="utf-8")))
    if code:
        raise TrainingError(
            f"The processes ended {TRIES} times before the training did; the last exit code was {code}.",
            hint="Their reasons stand above. What was sealed is kept: the same command goes on from there.",
        )


@contextmanager
def ending() -> Iterator[None]:
    """In the process that leads: tell the launcher of an error that a new start would not mend."""
    try:
        yield
    except MemoryShortage:
        raise
    except RealmError as error:
        if note := os.environ.get(ENDING):
            Path(note).write_text(str(error.exit_code), encoding="utf-8")
        raise


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
    first: Sequence[str],
    then: Sequence[str] | None = None,
    *,
    tries: int,
    say: Callable[[str], object],
    env: Mapping[str, str] | None = None,
    is_over: Callable[[], bool] = lambda: False,
) -> int:
    """Run a command (after the first time `then`) until it ends well, `tries` times at most; its last exit code.

    `is_over` tells that another try would change nothing. Never mended from within: of five in-job restarts after a
    kill two came back, of three whole ones all.
    """
    command = first
    for number in range(1, tries + 1):
        code = _ended(command, {"OMP_NUM_THREADS": "1", **(env or os.environ)})
        if code in {0, USAGE} or number == tries or is_over():
            return code
        say(f"A process was lost (exit code {code}). All start again from the last sealed checkpoint.")
        command = then or first
    return 1


def _ended(command: Sequence[str], env: Mapping[str, str]) -> int:
    """Exit code of a command. A Ctrl-C reaches it from the terminal, a SIGTERM is passed on to it."""
    with subprocess.Popen(command, env=dict(env)) as child:
        handlers: dict[signal.Signals, Callable[..., object]] = {
            signal.SIGINT: lambda *_: None,
            signal.SIGTERM: lambda *_: child.terminate(),
        }
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            return child.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def follow(models: Path, memory: Path) -> bool:
    """In a process that does not lead: train what rank 0 trains, to its end. False in one that leads, or is alone.

    It ends when rank 0 does, however that ends: signals are rank 0's to hear.
    """
    if not is_one_of_several() or os.environ["RANK"] == "0":
        return False
    from realm.arena.engine import Engine  # noqa: PLC0415 - what trains costs a second that lists need not pay
    from realm.arena.fit.fit import Fit  # noqa: PLC0415
    from realm.heroes.to_train import load_to_train  # noqa: PLC0415

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    crew = Crew.join()
    stand: Stand = crew.tell()
    spec = stand.spec
    hero = load_to_train(
        spec.profile, spec.adapter, models=models, checkpoint=stand.checkpoint, start=stand.start, seed=spec.seed,
        name=spec.hero,
    )  # fmt: skip
    engine = Engine.open(
        hero, spec.hyperparameters, progress=stand.progress, checkpoint=stand.checkpoint,
        fit=Fit.of(spec, Remembered(memory)), crew=crew,
    )  # fmt: skip
    engine.follow()
    crew.end()
    return True
