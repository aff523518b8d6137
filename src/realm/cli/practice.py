"""`realm practice ...`: how the hero's own practice is mixed, and going on after a guard paused it."""

from __future__ import annotations

from typing import Annotated

import typer

from realm.cli.context import open_realm, print_json
from realm.cli.standing import practice_row
from realm.guild.ledger import GuildLedger
from realm.guild.own_practice import overlook

app = typer.Typer()


@app.command()
def show(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many practice quests.")] = 5,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """The newest practice quests with the reason of each mix, and what keeps practice from being made."""
    with open_realm() as realm:
        standing = practice_row(realm)
        quests = GuildLedger(realm.db, realm.events).practices(realm.key, limit=limit)
    if json:
        rows = [{"quest": q.quest, "step": q.step, "rows": q.rows, "mix": q.mix, "reason": q.reason} for q in quests]
        print_json(standing | {"quests": rows})
        return
    typer.echo(f"strategy: {standing['strategy']}")
    if standing["paused"]:
        typer.echo(f"paused: {standing['paused']['why']} {standing['paused']['fix']}")
    for quest in quests:
        typer.echo(f"step {quest.step}, {quest.rows} rows, quest {quest.quest}: {quest.reason}")
    if not quests:
        typer.echo("No practice has been made yet.")


@app.command()
def resume() -> None:
    """Let practice go on although a guard paused it, for as many quests as guards.overlook_quests says."""
    with open_realm() as realm:
        quests = realm.settings.guards.overlook_quests
        overlook(realm.workspace, GuildLedger(realm.db, realm.events), realm.key, quests)
        stood = practice_row(realm)["paused"]
    typer.echo(f"The next {quests} practice quests are made unwatched." if stood else _idle_words(quests))


def _idle_words(quests: int) -> str:
    return f"Nothing pauses practice. All the same, the next {quests} practice quests are made unwatched."
