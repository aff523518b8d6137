"""Backups of campaigns: made, listed, verified, put back."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from realm.cli.context import Realm, open_realm, print_json
from realm.cli.keeping import campaign_key
from realm.cli.vault_words import CampaignOption, HeroOption, JsonOption, YesOption, size_words
from realm.vault.backup import Backups

app = typer.Typer()
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="As in realm vault backups.")]


@app.command()
def backup(
    hero: HeroOption = "",
    campaign: CampaignOption = "",
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept.")] = "a person asked for it",
) -> None:
    """Copy a campaign's files and rows, verified. Checkpoints are linked and take no room of their own."""
    with open_realm() as realm, realm.workspace.hold("hero"):
        made = open_backups(realm).make([campaign_key(realm, hero, campaign)], reason)
    typer.echo(f"Backup {made.name}: {len(made.sha256)} files, {size_words(made.size_bytes)}, verified.")


@app.command()
def backups(
    check: Annotated[bool, typer.Option("--verify", help="Compare every byte; exits with 1 when one differs.")] = False,
    remove: Annotated[str, typer.Option("--rm", metavar="NAME", help="Remove this one.")] = "",
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """The backups that there are, newest first."""
    with open_realm() as realm:
        kept = open_backups(realm)
        if remove:
            if not yes:
                typer.confirm(f"Remove the backup {kept.read(remove).name} for good?", abort=True)
            typer.echo(f"Removed {kept.remove(remove).name}.")
            return
        found = kept.all()
        for each in found if check else ():
            kept.verify(each.name)
    if as_json:
        print_json([{**asdict(each), "sha256": len(each.sha256)} for each in found])
        return
    for each in found:
        when = f"{datetime.fromtimestamp(each.created):%Y-%m-%d %H:%M}"
        whose = ", ".join(str(key) for key in each.campaigns)
        typer.echo(f"{each.name}  {when}  {size_words(each.size_bytes)}  {whose}: {each.reason}")
    if check:
        typer.echo("All are whole.")
    elif not found:
        typer.echo("There is no backup yet. Make one: realm vault backup")


@app.command()
def restore(name: NameArgument, yes: YesOption = False) -> None:
    """Put back what a backup holds, after comparing every byte of it. What stands in its place is replaced."""
    with open_realm() as realm, realm.workspace.hold("hero"):
        kept = open_backups(realm)
        found = kept.read(name)
        whose = ", ".join(str(key) for key in found.campaigns)
        if not yes:
            typer.confirm(f"Replace what {whose} has now by what the backup holds?", abort=True)
        kept.restore(name)
    typer.echo(f"Restored {whose} from {name}.")


def open_backups(realm: Realm) -> Backups:
    return Backups(realm.workspace, realm.db, realm.events)
