"""Skills, heroes and examinations from the terminal."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from realm.cli.context import find_workspace, open_realm, print_json, train_packages
from realm.cli.standing import achievements_row, examination_row
from realm.errors import WorkspaceError
from realm.guild.engine import SkillEngine

Json = Annotated[bool, typer.Option("--json", help="For programs.")]

skill_app = typer.Typer()
hero_app = typer.Typer()


@skill_app.command("list")
def list_skills(json: Json = False) -> None:
    """The skills that are installed."""
    engine = SkillEngine()
    rows = [{"id": n, "name": engine.get(n).name, "levels": engine.get(n).levels} for n in engine.names()]
    _print(rows, json)


@skill_app.command("sample")
def sample(
    name: Annotated[str, typer.Argument(metavar="SKILL")],
    level: Annotated[int, typer.Option(min=1)] = 1,
    count: Annotated[int, typer.Option(min=1, max=1000)] = 5,
    seed: Annotated[str, typer.Option()] = "sample",
    json: Json = False,
) -> None:
    """Problems of a level, from the training side."""
    problems = SkillEngine().generate_batch(name, level, count, seed)
    if json:
        print_json([{"prompt": p.prompt, "answer": p.answer, "primitives": p.primitives} for p in problems])
        return
    for p in problems:
        typer.echo(f"{p.prompt}\n    {p.answer.replace(chr(10), chr(10) + '    ')}\n")


@hero_app.command("list")
def list_heroes(json: Json = False) -> None:
    """The heroes of the catalogue and of this workspace; `*` marks the one in play."""
    from realm.config.layers import load  # noqa: PLC0415 - the settings' schema takes 0.2 s

    try:
        settings = load(find_workspace().settings)
    except WorkspaceError:
        settings = load()
    rows = [
        {
            "name": ("* " if name == settings.campaign.hero else "") + name,
            "base_model": profile.base_model,
            "role": profile.role,
        }
        for name, profile in settings.heroes.items()
    ]
    _print(rows, json)


@hero_app.command("achievements")
def achievements(json: Json = False) -> None:
    """What the hero in play has earned in its campaign, its streaks and its gold."""
    from realm.guild.awards import AwardLedger  # noqa: PLC0415 - the ledger and its database take 0.2 s

    with open_realm() as realm:
        awards = AwardLedger(realm.db, realm.events, realm.settings.curriculum, lambda s: SkillEngine().get(s).name)
        awards.catch_up(realm.key)  # facts may be newer than the last look of a hero that sleeps
        standing = awards.standing(realm.key)
    _say_achievements(achievements_row(awards.catalogue, standing, time.time()), json)


def _say_achievements(found: dict[str, Any], json: bool) -> None:
    if json:
        print_json(found)
        return
    typer.echo(
        f"{sum(row['earned'] is not None for row in found['achievements'])} of {len(found['achievements'])} earned. "
        f"{found['gold']} gold. Days of training in a row: {found['days']} (best {found['best_days']}). "
        f"Examinations passed in a row: {found['passes']} (best {found['best_passes']})."
    )
    for row in found["achievements"]:
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime(row["earned"])) if row["earned"] else "-"
        typer.echo(f"  {day:<16}  {row['name']:<26}  {row['description']}")


def evaluate(
    skill: Annotated[str, typer.Option(help="One skill (default: all of the campaign).")] = "",
    level: Annotated[int, typer.Option(min=0, help="A level (0: the frontier).")] = 0,
    json: Json = False,
) -> None:
    """Examine the newest checkpoint on held-out problems now; nothing is recorded and no level is won by it."""
    with open_realm() as realm, train_packages("Examining"):
        from realm.hero_loop import HeroLoop  # noqa: PLC0415 - torch stays behind this door

        loop = HeroLoop(realm.workspace, realm.settings, realm.db, realm.events)
        results = loop.examine_now([skill] if skill else realm.settings.campaign.skills, level or None)
    _print([examination_row(e) for e in results], json)


def _print(rows: list[dict[str, Any]], json: bool) -> None:
    if json:
        print_json(rows)
        return
    for row in rows:
        typer.echo("  ".join(f"{value!s:<14}" for value in row.values()).rstrip())
