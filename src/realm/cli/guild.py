"""Skills, heroes and examinations from the terminal."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from realm.cli.context import find_workspace, open_realm, print_json, train_packages
from realm.cli.standing import achievements_row, examination_row
from realm.errors import WorkspaceError
from realm.guild.engine import SkillEngine
from realm.guild.laws import LAWS
from realm.guild.skill import SkillSpec, load_spec, spec_schema

Json = Annotated[bool, typer.Option("--json", help="For programs.")]

MOST_BREACHES = 3
"""Breaches of one law that are shown."""

skill_app = typer.Typer()
hero_app = typer.Typer()


@skill_app.command("list")
def list_skills(json: Json = False) -> None:
    """The skills that are installed, the package that brings each, and whether it works."""
    engine = SkillEngine()
    good = engine.usable(engine.names())
    rows = [
        {
            "id": name,
            "name": engine.get(name).name if name in good else "?",
            "levels": engine.get(name).levels if name in good else 0,
            "from": engine.registry.source(name) or "realm",
            "state": engine.fitness(name),
        }
        for name in engine.names()
    ]
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


@skill_app.command("test")
def test(name: Annotated[str, typer.Argument(metavar="SKILL")], json: Json = False) -> None:
    """Hold a skill to the laws of every skill; exit code 1 when it breaks one."""
    skill = SkillEngine().get(name)
    found = {law.__name__: list(law(skill)) for law in LAWS}
    if json:
        print_json(found)
    else:
        for law, breaches in found.items():
            typer.echo(f"{'FAIL' if breaches else 'ok  '}  {law.replace('_', ' ')}")
            for breach in breaches[:MOST_BREACHES]:
                typer.echo(f"      {breach}")
    if any(found.values()):
        raise typer.Exit(1)


@skill_app.command("schema")
def schema(
    name: Annotated[str, typer.Argument(metavar="[SKILL]", help="Of one skill (default: what every skill has).")] = "",
) -> None:
    """The JSON Schema of a skill's YAML: editors complete and check with it."""
    kind = type(SkillEngine().get(name).spec) if name else SkillSpec
    print_json(spec_schema(kind))


@skill_app.command("check")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    skill: Annotated[str, typer.Option(help="Whose own fields it has (default: what every skill has).")] = "",
) -> None:
    """Read a skill's YAML and name every mistake in it."""
    kind = type(SkillEngine().get(skill).spec) if skill else SkillSpec
    spec = load_spec(file, kind)
    typer.echo(f"{file} describes {spec.name} ({spec.id}), {len(spec.levels)} levels.")


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
            "remark": f"later: {profile.reason}" if profile.status == "later" else "",
        }
        for name, profile in settings.heroes.items()
    ]
    _print(rows, json)


@hero_app.command("achievements")
def achievements(json: Json = False) -> None:
    """What the hero in play has earned in its campaign, its streaks and its gold."""
    from realm.guild.awards import AwardLedger  # noqa: PLC0415 - the ledger and its database take 0.2 s
    from realm.guild.mastery import Rules  # noqa: PLC0415

    engine = SkillEngine()
    with open_realm() as realm:
        awards = AwardLedger(realm.db, realm.events, Rules(engine, realm.settings.curriculum), engine.shown)
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
        results = loop.examine_now([skill] if skill else [], level or None)
    _print([examination_row(e) for e in results], json)


def _print(rows: list[dict[str, Any]], json: bool) -> None:
    if json:
        print_json(rows)
        return
    for row in rows:
        typer.echo("  ".join(f"{value!s:<14}" for value in row.values()).rstrip())
