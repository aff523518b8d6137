"""Checkpoints from the command line: what there is, what is in one, whether it is whole, what may go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from realm.cli.context import Realm, open_realm, print_json
from realm.errors import CheckpointError, UsageError
from realm.records import CampaignKey, CheckpointRecord
from realm.vault import files, manifest
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger

app = typer.Typer()

CheckpointArgument = Annotated[
    str, typer.Argument(metavar="[CHECKPOINT]", help="An id, a step, `latest` or `champion` of the campaign in play.")
]
HeroOption = Annotated[str, typer.Option("--hero", help="Hero (default: the one in play).")]
CampaignOption = Annotated[str, typer.Option("--campaign", help="Campaign (default: the one in play).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


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
        key = _key(realm, hero, campaign)
        found = keeper.ledger.list(key, state=None if everything else "present", limit=limit)
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
            typer.echo(f"{_size(entry['size_bytes']):>12} {name}")


@app.command()
def verify(
    checkpoint: CheckpointArgument = "",
    hero: HeroOption = "",
    campaign: CampaignOption = "",
    as_json: JsonOption = False,
) -> None:
    """Read every byte of one checkpoint, or of all of a campaign, and compare with what was sealed.

    Changes nothing; exits with 1 when one is not whole.
    """
    with open_realm() as realm:
        keeper = open_keeper(realm)
        key = _key(realm, hero, campaign)
        records = [find_checkpoint(realm, keeper.ledger, checkpoint)] if checkpoint else keeper.ledger.present(key)
        problems = {record.id: _problem(_folder(keeper, record)) for record in records}
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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would stay and what would go.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Drop the checkpoints that the policy does not keep; each with its reason."""
    with open_realm() as realm:
        keeper = open_keeper(realm)
        key = _key(realm, hero, campaign)
        plan = keeper.plan(key) if dry_run else keeper.retain(key)
    if as_json:
        print_json(asdict(plan) | {"dry_run": dry_run})
        return
    for checkpoint, reason in plan.keep:
        typer.echo(f"keep  {checkpoint}: {reason}")
    for checkpoint, reason in plan.drop:
        typer.echo(f"drop  {checkpoint}: {reason}")
    typer.echo(f"{len(plan.keep)} stay, {len(plan.drop)} {'would go' if dry_run else 'went'}.")


def open_keeper(realm: Realm) -> Keeper:
    """The keeper of this workspace's checkpoints."""
    ledger = CheckpointLedger(realm.db, realm.events)
    return Keeper(realm.workspace, ledger, realm.events, realm.settings.retention)


def _key(realm: Realm, hero: str, campaign: str) -> CampaignKey:
    return CampaignKey(hero or realm.key.hero, campaign or realm.key.campaign)


def find_checkpoint(realm: Realm, ledger: CheckpointLedger, name: str) -> CheckpointRecord:
    """The checkpoint that is meant. Raises CheckpointError and UsageError."""
    if name in {"latest", "champion"}:
        found = ledger.newest(realm.key) if name == "latest" else ledger.champion(realm.key)
        if found is None:
            raise CheckpointError(f"{realm.key} has no {name} checkpoint yet.", hint="Train first: realm play")
        return found
    if name.isdigit():
        return ledger.get(manifest.checkpoint_id(realm.key, int(name)))
    if "@" in name:
        return ledger.get(name)
    raise UsageError(f"'{name}' names no checkpoint.", hint="Give a step, an id as in realm vault ls, or champion.")


def _folder(keeper: Keeper, record: CheckpointRecord) -> Path:
    return keeper.folder(record) if record.state == "present" else Path(record.path)


def _problem(folder: Path) -> str:
    try:
        files.verify(folder)
    except CheckpointError as error:
        return error.message
    return ""


def _as_json(keeper: Keeper, record: CheckpointRecord) -> dict[str, Any]:
    return {**asdict(record), "path": str(_folder(keeper, record))}


def _described(keeper: Keeper, record: CheckpointRecord, base: dict[str, str]) -> dict[str, object]:
    return {
        "checkpoint": record.id,
        "state": f"{record.state}: {why}" if (why := keeper.ledger.reason(record.id)) else record.state,
        "folder": _folder(keeper, record),
        "saved": _when(record),
        "size": _size(record.size_bytes),
        "parent": record.parent or "first weights",
        **({"adapter on": f"{base['base_model']} (sha256 {base['sha256'][:12]})"} if base else {}),
        "run": record.run or "-",
        "levels": _levels(record),
        "examination": _accuracy(record) + (" (champion)" if record.champion else ""),
        "files": "",
    }


def _table(records: Sequence[CheckpointRecord]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("step", "saved", "size", "levels", "examination", "state", "checkpoint"):
        table.add_column(name, justify="right" if name in {"step", "size"} else "left", no_wrap=True)
    for record in records:
        state = "champion" if record.champion else record.state
        table.add_row(
            str(record.step), _when(record), _size(record.size_bytes), _levels(record), _accuracy(record), state,
            record.id,
        )  # fmt: skip
    return table


def _when(record: CheckpointRecord) -> str:
    return f"{datetime.fromtimestamp(record.created):%Y-%m-%d %H:%M}"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 100_000 else f"{size_bytes / 1e3:.1f} kB"


def _levels(record: CheckpointRecord) -> str:
    return " ".join(f"{skill}={level}" for skill, level in sorted(record.levels.items())) or "-"


def _accuracy(record: CheckpointRecord) -> str:
    return f"{record.accuracy:.1%}" if record.accuracy is not None else "-"
