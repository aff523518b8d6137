"""The `realm` command: finds the command that was asked for and imports only what that one needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, NamedTuple

import typer

from realm import __version__
from realm.errors import RealmError


class Entry(NamedTuple):
    """Where a command lives; `attribute` is a function or a `typer.Typer` of subcommands."""

    module: str
    attribute: str
    help: str


COMMANDS = {
    "init": Entry("realm.cli.life", "init", "Make a workspace: everything of one realm in one folder."),
    "play": Entry("realm.cli.life", "play", "Start everything and watch it here, until Ctrl-C."),
    "start-all": Entry("realm.cli.life", "start_all", "Start everything in the background."),
    "stop-all": Entry("realm.cli.life", "stop_all", "Save and stop everything."),
    "status": Entry("realm.cli.life", "status", "What runs, where the hero stands, what waits."),
    "doctor": Entry("realm.cli.doctor", "doctor", "Check this machine and this workspace."),
    "pause": Entry("realm.cli.control", "pause", "Pause training after the step in hand."),
    "resume": Entry("realm.cli.control", "resume", "Go on after a pause or a stop."),
    "stop": Entry("realm.cli.control", "stop", "Save, end the quest in training and hold the hero until resume."),
    "skip": Entry("realm.cli.control", "skip", "Save and leave the quest in training; take the next one."),
    "practice": Entry("realm.cli.practice", "app", "The hero's own practice: show, resume."),
    "quest": Entry("realm.cli.quests", "app", "Quests: add, list, show, retry, rm, priority."),
    "validate": Entry("realm.cli.quests", "validate", "Check a .jsonl file and say what is wrong with it."),
    "generate": Entry("realm.cli.generate", "generate", "Rows of a skill's problems, with answers or as prompts."),
    "train": Entry("realm.cli.train", "train", "Train one preset, on its dataset or on a file, then exit."),
    "sweep": Entry("realm.cli.sweep", "app", "Sweeps over a preset's settings: run, show, best, list."),
    "estimate": Entry("realm.cli.estimate", "estimate", "How much memory a training would take, and what would fit."),
    "eval": Entry("realm.cli.guild", "evaluate", "Examine the hero on held-out problems now."),
    "spar": Entry("realm.cli.spar", "spar", "Make a quest of the hero's own wrong answers."),
    "chat": Entry("realm.cli.chat", "chat", "Talk to any model of this realm."),
    "oracle": Entry("realm.cli.oracle", "app", "Models for chat: models, command, load, unload."),
    "skill": Entry("realm.cli.guild", "skill_app", "Skills: list, sample, test, schema, check."),
    "guild": Entry(
        "realm.cli.primitives", "app", "What the hero can do and what it forgets: primitives, transfer, passives."
    ),
    "hero": Entry("realm.cli.guild", "hero_app", "Heroes: list, achievements."),
    "campaign": Entry(
        "realm.cli.campaign",
        "app",
        "Campaigns: create, activate, list, show, pause, archive, continue, compare, export, rerun.",
    ),
    "vault": Entry(
        "realm.cli.vault",
        "app",
        "Checkpoints: ls, show, verify, retain, zones, push, fetch, move, rm, scan, assets, locate, promote, name, "
        "unname, versions, lineage, diff, layers, backup, backups, restore, export.",
    ),
    "reset": Entry("realm.cli.reset", "reset", "Let a campaign, a hero or the workspace begin anew, after a backup."),
    "temple": Entry("realm.cli.temple", "temple", "Check everything: nine groups of checks, each with its remedy."),
    "verdict": Entry("realm.cli.temple", "verdict", "What a run was worth, with the evidence; promote, or roll back."),
    "autopsy": Entry("realm.cli.autopsy", "autopsy", "What went wrong in a run, and what to do about it."),
    "export": Entry("realm.cli.export", "export", "A checkpoint as a folder for other programs: hf, merged, gguf."),
    "adapter": Entry("realm.cli.export", "app", "Adapters: merge, unmerge, show."),
    "config": Entry("realm.cli.config", "app", "Settings: show, schema, set."),
    "presets": Entry("realm.cli.config", "presets", "Presets of the catalogue and of this workspace."),
    "serve": Entry("realm.cli.serve", "serve", "Run one service alone."),
}


def main(argv: Sequence[str] | None = None) -> None:
    """The entry point: errors end here, in words."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    verbose = "--verbose" in arguments
    try:
        _build(_asked_for(arguments))(args=arguments)
    except RealmError as error:
        if verbose:
            raise
        _say(error)
        sys.exit(error.exit_code)


def _asked_for(arguments: Sequence[str]) -> str | None:
    """The command in the arguments, if it is one of ours."""
    return next((a for a in arguments if a in COMMANDS), None)


def _build(asked: str | None) -> typer.Typer:
    """All commands by name and help; only the one that was asked for is imported."""
    app = typer.Typer(
        name="realm", no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False,
        help="Keeps small language models learning, raised like heroes in a game.",
    )  # fmt: skip
    app.callback()(_options)
    for name, entry in COMMANDS.items():
        part = getattr(import_module(entry.module), entry.attribute) if name == asked else _placeholder
        if isinstance(part, typer.Typer):
            app.add_typer(part, name=name, help=entry.help, no_args_is_help=True)
        else:
            app.command(name, help=None if name == asked else entry.help)(part)
    return app


def _placeholder() -> None: ...


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"realm {__version__}")
        raise typer.Exit


def _options(
    workspace: Annotated[
        str,
        typer.Option("--workspace", "-w", metavar="DIR", help="The workspace (default: REALM_HOME, or this folder)."),
    ] = "",
    verbose: Annotated[bool, typer.Option("--verbose", help="Show a traceback when something goes wrong.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if workspace:
        os.environ["REALM_HOME"] = workspace


def _say(error: RealmError) -> None:
    from rich.console import Console  # noqa: PLC0415 - rich costs 60 ms that a good command need not pay
    from rich.text import Text  # noqa: PLC0415

    console = Console(stderr=True, soft_wrap=True)
    console.print(Text("Error: ", style="bold red") + Text(error.message))
    if error.hint:
        console.print(Text("  Next: ", style="bold") + Text(error.hint))
