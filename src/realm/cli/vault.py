"""Checkpoints from the command line: what there is, what is in one, whether it is whole, what may go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from realm.cli import vault_backups, vault_names, vault_zones
from realm.cli.context import Realm, open_realm, print_json
from realm.cli.export import export
from realm.cli.keeping import campaign_key, find_checkpoint, open_keeper
from realm.cli.vault_words import CampaignOption, CheckpointArgument, HeroOption, JsonOption, size_words
from realm.records import CampaignKey, CheckpointRecord
from realm.vault import manifest
from realm.vault.catalogue import Location
from realm.vault.forecast import Forecast
from realm.vault.keeper import Keeper
from realm.vault.retention import ZoneName
from realm.vault.storage import Done

app = typer.Typer()


@app.command("ls")
def list_checkpoints(
    hero: HeroOption = "",
    campaign: CampaignOption = "",
    everything: Annotated[bool, typer.Option("--all", help="Also those that were dropped or quarantined.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, highest step first.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List checkpoints of a campaign, highest step first."""
    with open_realm() as realm:
        keeper = open_keeper(realm)
        key = campaign_key(realm, hero, campaign)
        states = () if everything else ("present", "stored")
        _, found = keeper.ledger.page(hero=key.hero, campaign=key.campaign, states=states, limit=limit)
        found = sorted(found, key=lambda record: -record.step)
        if as_json:
            print_json([_as_json(keeper, record) for record in found])
        elif found:
            Console().print(_table(found))
        else:
            typer.echo(f"{key} has no checkpoint yet.")


@app.command()
def show(checkpoint: CheckpointArgument = "latest", as_json: JsonOption = False) -> None:
    """Show where a checkpoint comes from and what it holds."""
    with open_realm() as realm:
        keeper = open_keeper(realm)
        record = find_checkpoint(realm, keeper.ledger, checkpoint)
        folder = _folder(keeper, record)
        content = manifest.read(folder).model_dump(mode="json") if folder.is_dir() else None
        if as_json:
            print_json({**_as_json(keeper, record), "manifest": content})
            return
        for name, value in _described(keeper, record, (content or {}).get("lineage", {}).get("base", {})).items():
            typer.echo(f"{name:<12} {value}")
        for name, entry in (content or {}).get("files", {}).items():
            typer.echo(f"{size_words(entry['size_bytes']):>12} {name}")


@app.command()
def verify(
    checkpoint: CheckpointArgument = "",
    hero: HeroOption = "",
    campaign: CampaignOption = "",
    zone: Annotated[str, typer.Option("--zone", help="hot (the workspace), warm or cold.")] = "hot",
    as_json: JsonOption = False,
) -> None:
    """Read every byte of one checkpoint, or of all of a campaign, and compare with what was sealed.

    Moves nothing; what was found is noted in the catalogue. Exits with 1 when one is not whole.
    """
    with open_realm() as realm:
        keeper = open_keeper(realm)
        where, key = zone_name(keeper, zone), campaign_key(realm, hero, campaign)
        problems = {
            record.id: keeper.storage.verify(record, where)
            for record in _to_verify(realm, keeper, checkpoint, key, where)
        }
    if as_json:
        print_json([{"checkpoint": name, "whole": not why, "problem": why} for name, why in problems.items()])
    for name, why in {} if as_json else problems.items():
        typer.echo(f"{name}: {why or 'whole'}")
    if any(problems.values()):
        raise typer.Exit(1)


@app.command()
def retain(
    hero: HeroOption = "",
    campaign: CampaignOption = "",
    everywhere: Annotated[bool, typer.Option("--all", help="Judge every campaign, not one alone.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would stay, move and go.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Drop and move what the policy and the limits do not keep; each with its reason."""
    with open_realm() as realm:
        keeper = open_keeper(realm)
        key = None if everywhere else campaign_key(realm, hero, campaign)
        done = Done(keeper.plan(key)) if dry_run else keeper.retain(key)
        ahead = keeper.disk.forecast(keeper.storage.free_bytes(), min_free_bytes=keeper.policy.min_free_bytes)
    if as_json:
        print_json(_plan_json(done, ahead, dry_run=dry_run))
    else:
        for line in _plan_words(done, dry_run=dry_run):
            typer.echo(line)
        typer.echo(f"{size_words(ahead.free_bytes)} are free; {ahead.words}.")
    if done.failed:
        raise typer.Exit(1)


def zone_name(keeper: Keeper, name: str) -> ZoneName:
    """Raises UsageError for a zone that there is not."""
    return "hot" if name == "hot" else keeper.storage.zone(name).name


def _to_verify(
    realm: Realm, keeper: Keeper, checkpoint: str, key: CampaignKey, zone: ZoneName
) -> Sequence[CheckpointRecord]:
    if checkpoint:
        return [find_checkpoint(realm, keeper.ledger, checkpoint)]
    if zone == "hot":
        return keeper.ledger.present(key)
    return [one.record for one in keeper.storage.holdings() if one.key == key and zone in one.zones]


def _plan_json(done: Done, ahead: Forecast, *, dry_run: bool) -> dict[str, Any]:
    return {
        "decisions": [asdict(one) for one in done.plan.decisions],
        "short_bytes": dict(done.plan.short_bytes),
        "failed": [{"checkpoint": one.checkpoint, "zone": one.zone, "why": why} for one, why in done.failed],
        "disk": {**asdict(ahead), "words": ahead.words},
        "dry_run": dry_run,
    }


def _plan_words(done: Done, *, dry_run: bool) -> Iterator[str]:
    for one in done.plan.decisions:
        where = f" {one.zone}" if one.zone != "hot" else ""
        to = f" to {one.to}" if one.to else ""
        yield f"{one.action}{where}  {one.checkpoint}{to}: {one.reason}"
    for one, why in done.failed:
        yield f"failed  {one.checkpoint}: {why}"
    for zone, short in done.plan.short_bytes.items():
        yield f"The {zone} zone is {size_words(short)} above its limit, and nothing more may leave."
    kept, moved, gone = (len(done.plan.of(action)) for action in ("keep", "move", "drop"))
    moves = f", {moved} {'would move' if dry_run else 'moved'}" if moved else ""
    yield f"{kept} stay{moves}, {gone} {'would go' if dry_run else 'went'}."


def _folder(keeper: Keeper, record: CheckpointRecord) -> Path:
    return keeper.folder(record) if record.state == "present" else Path(record.path)


def _as_json(keeper: Keeper, record: CheckpointRecord) -> dict[str, Any]:
    places = keeper.catalogue.locations([record.id]).get(record.id, ())
    return {**asdict(record), "path": str(_folder(keeper, record)), "locations": [asdict(place) for place in places]}


def _described(keeper: Keeper, record: CheckpointRecord, base: dict[str, str]) -> dict[str, object]:
    places = keeper.catalogue.locations([record.id]).get(record.id, ())
    names = [version.name for version in keeper.catalogue.versions(record.id)]
    return {
        "checkpoint": record.id,
        "state": f"{record.state}: {why}" if (why := keeper.ledger.reason(record.id)) else record.state,
        "folder": _folder(keeper, record),
        "saved": _when(record),
        "size": size_words(record.size_bytes),
        "parent": record.parent or "first weights",
        **({"adapter on": f"{base['base_model']} (sha256 {base['sha256'][:12]})"} if base else {}),
        "run": record.run or "-",
        "levels": _levels(record),
        "examination": _accuracy(record) + (" (champion)" if record.champion else ""),
        **{f"in {place.zone}": _place_words(place) for place in places},
        **({"versions": ", ".join(names)} if names else {}),
        "files": "",
    }


def _table(records: Sequence[CheckpointRecord]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("step", "saved", "size", "levels", "examination", "state", "checkpoint"):
        table.add_column(name, justify="right" if name in {"step", "size"} else "left", no_wrap=True)
    for record in records:
        state = "champion" if record.champion else record.state
        table.add_row(
            str(record.step), _when(record), size_words(record.size_bytes), _levels(record), _accuracy(record), state,
            record.id,
        )  # fmt: skip
    return table


def _when(record: CheckpointRecord) -> str:
    return f"{datetime.fromtimestamp(record.created):%Y-%m-%d %H:%M}"


def _levels(record: CheckpointRecord) -> str:
    return " ".join(f"{skill}={level}" for skill, level in sorted(record.levels.items())) or "-"


def _accuracy(record: CheckpointRecord) -> str:
    return f"{record.accuracy:.1%}" if record.accuracy is not None else "-"


def _place_words(place: Location) -> str:
    checked = f"{datetime.fromtimestamp(place.checked):%Y-%m-%d %H:%M}"
    return f"{place.state}, looked at {checked}: {place.path}" + (f" ({place.reason})" if place.reason else "")


for part in (vault_zones, vault_names, vault_backups):
    app.registered_commands += part.app.registered_commands
app.command("export")(export)
