"""`realm reset`: let a campaign, a hero or everything begin anew, after a backup that was verified."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Annotated, Literal

import typer

from realm.cli.context import Realm, open_realm, print_json
from realm.cli.keeping import campaign_key
from realm.cli.vault_backups import open_backups
from realm.cli.vault_words import CampaignOption, HeroOption, JsonOption, YesOption, size_words
from realm.errors import UsageError
from realm.guild.ledger import GuildLedger
from realm.records import CampaignKey
from realm.registry import unknown
from realm.vault import campaign_rows

Level = Literal["campaign", "hero", "workspace"]
LEVELS = ("campaign", "hero", "workspace")


def reset(
    level: Annotated[str, typer.Option("--level", help="campaign, hero (all its campaigns) or workspace (all).")],
    hero: HeroOption = "",
    campaign: CampaignOption = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take away what a campaign has learned, so that it begins anew; everything is backed up and verified first.

    Settings, the weights that a campaign began with, base models, files in the inbox and copies in other zones stay.
    `workspace` also takes the files in queue/.
    """
    if level not in LEVELS:
        raise unknown("level", level, LEVELS)
    with open_realm() as realm, ExitStack() as held:
        keys, queue = _meant(realm, level, campaign_key(realm, hero, campaign)), level == "workspace"
        if not dry_run:
            held.enter_context(realm.workspace.hold("hero"))
            if queue:
                held.enter_context(realm.workspace.hold())
        kept = open_backups(realm)
        size_bytes = kept.size_bytes(keys, queue=queue)
        rows = sum(1 for _ in campaign_rows.read(realm.db, keys, queue=queue))
        names = ", ".join(str(key) for key in keys)
        if dry_run:
            _say_plan(names, size_bytes, rows, queue=queue, as_json=as_json)
            return
        if not yes:
            typer.confirm(f"Let {names} begin anew ({size_words(size_bytes)}, {rows} rows)?", abort=True)
        made = kept.reset(keys, f"realm reset --level {level}", queue=queue)
        _begin_anew(realm, keys)
    if as_json:
        print_json({"backup": made.name, "campaigns": [str(key) for key in keys], "rows": rows})
    else:
        typer.echo(f"{names} begins anew. What it had: realm vault restore {made.name}")


def _meant(realm: Realm, level: str, key: CampaignKey) -> list[CampaignKey]:
    """The campaigns that are reset. Raises UsageError when there is none."""
    known = {campaign.key for campaign in GuildLedger(realm.db, realm.events).campaigns()}
    folders = realm.workspace.campaign(key.hero, key.campaign).parent.parent
    for hero in sorted(folders.iterdir()) if folders.is_dir() else ():
        known |= {CampaignKey(hero.name, each.name) for each in hero.iterdir() if not each.name.startswith(".")}
    if level == "campaign":
        known &= {key}
    if level == "hero":
        known = {each for each in known if each.hero == key.hero}
    if not known:
        raise UsageError(f"There is no campaign {key} that could be reset.", hint="See them: realm campaign list")
    return sorted(known)


def _begin_anew(realm: Realm, keys: Sequence[CampaignKey]) -> None:
    """A campaign that had reached its cap may be played again."""
    guild = GuildLedger(realm.db, realm.events)
    for key in keys:
        if guild.campaign_state(key) == "maxed_out":
            guild.change_campaign(key, "continue")


def _say_plan(names: str, size_bytes: int, rows: int, *, queue: bool, as_json: bool) -> None:
    if as_json:
        print_json({"campaigns": names.split(", "), "size_bytes": size_bytes, "rows": rows, "queue": queue})
        return
    typer.echo(f"Would begin anew: {names}")
    typer.echo(f"Would be backed up, verified and taken away: {size_words(size_bytes)} of files, {rows} rows.")
    typer.echo("Would stay: settings, starting weights, base models, the inbox, copies in other zones, facts.")
