"""Quests from the command line: add, look, move, try again, and validation of any file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from realm.cli.context import Realm, find_workspace, open_realm, print_json
from realm.config.layers import load, resolve_hero
from realm.config.schema import RealmSettings
from realm.errors import HeroError, WorkspaceError
from realm.guild.engine import SkillEngine
from realm.guild.held_out import Examinations
from realm.guild.passives.guard import holds_canary
from realm.guild.rewards import Rewards
from realm.heroes.data_profiles import data_profiles
from realm.quests.checks import Level, Validation
from realm.quests.checks import validate as validate_file
from realm.quests.elsewhere import Elsewhere
from realm.quests.filing import Check
from realm.quests.inbox import deliver
from realm.quests.past import TrainedRows
from realm.quests.plan import plan_facts
from realm.quests.queue import Quest, QuestQueue
from realm.quests.report import Report
from realm.workspace import Workspace

app = typer.Typer()

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The quest's id, as `realm quest list` shows it.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PriorityName = Literal["high", "normal", "low"]
_COPIED_BYTES = 1 << 20


@app.command()
def add(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files to train on; they are copied.")],
    priority: Annotated[PriorityName, typer.Option("--priority", "-p", help="Which queue.")] = "normal",
) -> None:
    """Check files and put them into the inbox. Exits with 1 when one of them cannot be trained."""
    with open_realm() as realm:
        fit = [_add(realm, file, priority) for file in files]
    if not all(fit):
        raise typer.Exit(1)


@app.command("list")
def list_quests(
    state: Annotated[
        str, typer.Option("--state", help="high, normal, low, active, failed or recently_completed.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many of each state.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List quests: those that wait in the order of training, those that ended newest first."""
    with open_realm() as realm:
        queue = _queue(realm)
        found = queue.list(state or None, limit=limit)
        counts = queue.counts()
    if as_json:
        print_json({"counts": counts, "quests": [_as_json(quest) for quest in found]})
    elif found:
        Console().print(_table(found))
    else:
        typer.echo("No quests. Drop a .jsonl file into inbox/, or: realm quest add FILE")


@app.command()
def show(quest_id: IdArgument, as_json: JsonOption = False) -> None:
    """Show one quest with its validation report."""
    with open_realm() as realm:
        queue = _queue(realm)
        quest, report, meta = queue.get(quest_id), json.loads(queue.report(quest_id)), queue.meta(quest_id)
    if as_json:
        print_json(_as_json(quest) | {"report": report, "meta": meta})
        return
    for name, value in [*_facts(quest), *plan_facts(meta)]:
        typer.echo(f"{name:<10} {value}")
    typer.echo(f"\n{report.get('words', '')}".rstrip())


@app.command()
def retry(quest_id: IdArgument) -> None:
    """Queue a quest again that failed, was skipped or was completed."""
    with open_realm() as realm:
        quest = _queue(realm).retry(quest_id)
    typer.echo(f"Quest {quest.id} ({quest.name}) waits again, with {quest.priority} priority.")


@app.command()
def rm(quest_id: IdArgument) -> None:
    """Take a waiting quest out of the queue. Its file goes to queue/failed; nothing is deleted."""
    with open_realm() as realm:
        quest = _queue(realm).remove(quest_id)
    typer.echo(f"Quest {quest.id} ({quest.name}) no longer waits. Its file: {quest.path}")


@app.command()
def priority(quest_id: IdArgument, priority: Annotated[PriorityName, typer.Argument(metavar="PRIORITY")]) -> None:
    """Move a waiting quest to another priority: high, normal or low."""
    with open_realm() as realm:
        quest = _queue(realm).set_priority(quest_id, priority)
    typer.echo(f"Quest {quest.id} ({quest.name}) waits with {quest.priority} priority.")


def validate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to check; it is only read.")],
    level: Annotated[
        Level,
        typer.Option("--level", help="quick: the rows alone. standard: also duplicates, and tokens on a sample."),
    ] = "standard",
    deep: Annotated[
        bool, typer.Option("--deep", help="Also near-duplicates, leaked examination questions, loops, broken text ...")
    ] = False,
    hero: Annotated[str, typer.Option("--hero", help="Whose tokens to count (default: the hero in play).")] = "",
    as_json: JsonOption = False,
) -> None:
    """Check a .jsonl file and say what is wrong with it. Exits with 1 when it cannot be trained."""
    report, note = _validated(file, "deep" if deep else level, hero)
    if as_json:
        print_json(report.as_json())
    else:
        typer.echo(report.words().rstrip())
        if note:
            typer.echo(f"Note: {note}")
    if not report.ok:
        raise typer.Exit(1)


def _validated(file: Path, level: Level, hero: str) -> tuple[Report, str]:
    """The report, and why it has no tokens."""
    workspace = _workspace()
    settings = load(workspace.settings) if workspace else RealmSettings()
    profile = resolve_hero(settings, hero or settings.campaign.hero)
    asked = Validation(
        level=level,
        settings=settings.quests,
        refused=holds_canary,
        prepare=data_profiles.get(profile.data_profile).prepare,
        elsewhere=partial(_known_elsewhere, settings, in_workspace=workspace is not None),
        ungradable=Rewards(SkillEngine()).why_not,
    )
    if level == "quick":
        return validate_file(file, asked), ""
    asked = replace(asked, template=profile.prompt_template)
    try:
        from realm.heroes import chat, weights  # noqa: PLC0415 - transformers costs seconds that quick need not pay
        from realm.heroes.families import families  # noqa: PLC0415

        found = weights.find(
            profile.base_model, models_folder=workspace.models if workspace else None, revision=profile.revision
        )
        tokenizer = families.get(profile.family).load_tokenizer(found)
    except HeroError as error:
        return validate_file(file, asked), f"no tokens were counted. {error.message} {error.hint}"
    if profile.chat_template:
        tokenizer.chat_template = profile.chat_template
    asked = replace(
        asked,
        render=partial(chat.render, tokenizer),
        decode=tokenizer.decode,
        max_length=profile.context_window,
    )
    return validate_file(file, asked), ""


def _known_elsewhere(settings: RealmSettings, *, in_workspace: bool) -> Elsewhere:
    """Who knows rows that a quest should not hold: the examinations, and in a workspace what was trained."""
    examinations = Examinations(settings.campaign.skills, settings.curriculum).where
    if not in_workspace:
        return Elsewhere(examinations)
    with open_realm() as realm:
        return Elsewhere(examinations, TrainedRows(_queue(realm)).lookup().where)


def _workspace() -> Workspace | None:
    try:
        return find_workspace()
    except WorkspaceError:
        return None


def _queue(realm: Realm, checked: Check | None = None) -> QuestQueue:
    return QuestQueue(
        realm.workspace, realm.db, realm.events, realm.settings.quests, template=_template(realm), check=checked
    )


def _template(realm: Realm) -> str | None:
    return resolve_hero(realm.settings, realm.settings.campaign.hero).prompt_template


def _arrival_check(realm: Realm) -> Check:
    """Validation as a hero that is awake would ask for it, without its tokenizer."""
    settings = realm.settings
    asked = Validation(
        level=settings.quests.validation,
        settings=settings.quests,
        template=_template(realm),
        refused=holds_canary,
        ungradable=Rewards(SkillEngine()).why_not,
        elsewhere=partial(_known_elsewhere, settings, in_workspace=True),
    )

    def check(path: Path, /, *, name: str) -> Report:
        return validate_file(path, asked, name=name)

    return check


def _add(realm: Realm, file: Path, priority: str) -> bool:
    """Copy a fit file into the inbox; where no hero is awake to take it, file it at once."""
    checked = _arrival_check(realm)
    report = checked(file, name=file.name)
    if not report.ok:
        typer.echo(report.words().rstrip(), err=True)
        return False
    path = deliver(realm.workspace, file.name, _chunks(file), priority=priority)
    if realm.workspace.holder("hero") is not None:
        typer.echo(f"{report.name}: {report.examples:,} examples are on their way into the queue.")
        return True
    quest = _queue(realm, checked).add(path, priority)
    if quest.outcome:
        typer.echo(f"{quest.name}: {quest.reason}", err=True)
        return False
    typer.echo(f"{quest.name}: waits as quest {quest.id} with {quest.rows:,} examples.")
    return True


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while chunk := opened.read(_COPIED_BYTES):
            yield chunk


def _as_json(quest: Quest) -> dict[str, Any]:
    return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(quest).items()}


def _table(quests: Any) -> Table:
    table = Table("id", "state", "name", "method", "examples", "set aside", "tries", "what", box=None)
    for quest in quests:
        table.add_row(
            quest.id, quest.state, _plain(quest.name), quest.method,
            f"{quest.rows:,}", f"{quest.set_aside:,}", str(quest.retries),
            _plain(": ".join(filter(None, (quest.outcome, quest.reason)))),
        )  # fmt: skip
    return table


def _plain(text: str) -> str:
    """Text of a person's, not markup."""
    return text.replace("[", r"\[")


def _facts(quest: Quest) -> list[tuple[str, str]]:
    facts = [
        ("quest", quest.id), ("name", quest.name), ("state", quest.state), ("priority", quest.priority),
        ("source", quest.source), ("method", quest.method),
        ("examples", f"{quest.rows:,}"), ("set aside", f"{quest.set_aside:,}"),
        ("added", f"{datetime.fromtimestamp(quest.added):%Y-%m-%d %H:%M:%S}"), ("retries", str(quest.retries)),
        ("outcome", ": ".join(filter(None, (quest.outcome, quest.reason)))), ("file", str(quest.path)),
        ("sha256", quest.sha256),
    ]  # fmt: skip
    return [(name, value) for name, value in facts if value]
