"""Checkpoints between the zones, from other machines, and out of the vault; assets and where they lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Any

import typer

from realm.cli.context import Realm, open_realm, print_json
from realm.cli.keeping import find_checkpoint, open_keeper
from realm.cli.vault_words import JsonOption, NamedCheckpoint, YesOption, size_words
from realm.clients import ask_vault_first
from realm.errors import CheckpointError, UsageError
from realm.records import CheckpointRecord
from realm.registry import unknown
from realm.vault import remote
from realm.vault.catalogue import KINDS
from realm.vault.figures import zone_figures
from realm.vault.keeper import Keeper
from realm.vault.scan import scan as look_around
from realm.vault.transfer import Told

app = typer.Typer()
ToOption = Annotated[str, typer.Option("--to", metavar="ZONE", help="warm or cold.")]


@app.command()
def zones(as_json: JsonOption = False) -> None:
    """What lies in each zone, its limit, and how long the disk lasts."""
    with open_realm() as realm:
        keeper = open_keeper(realm)
        rows = zone_figures(keeper)
        ahead = keeper.disk.forecast(keeper.storage.free_bytes(), min_free_bytes=keeper.policy.min_free_bytes)
    if as_json:
        print_json({"zones": rows, "disk": {**asdict(ahead), "words": ahead.words}})
        return
    for row in rows:
        limit = f" of at most {size_words(row['max_bytes'])}" if row["max_bytes"] else ""
        bad = f", {row['damaged']} not known to be whole" if row["damaged"] else ""
        typer.echo(f"{row['name']:<5} {row['checkpoints']:>6} checkpoints, {size_words(row['size_bytes'])}{limit}{bad}")
    typer.echo(f"{size_words(ahead.free_bytes)} are free on the workspace's disk; {ahead.words}.")


@app.command()
def push(checkpoint: NamedCheckpoint, to: ToOption = "warm") -> None:
    """Copy a checkpoint into a zone; every byte of the copy is compared."""
    with open_realm() as realm:
        keeper = open_keeper(realm)
        record = _present(realm, keeper, checkpoint)
        place = keeper.storage.copy(record, keeper.storage.zone(to).name)
        typer.echo(f"A copy of {record.id} lies in the {to} zone: {place.path}")


@app.command()
def move(
    checkpoint: NamedCheckpoint,
    to: Annotated[str, typer.Option("--to", metavar="ZONE", help="hot (the workspace), warm or cold.")],
) -> None:
    """Bring a checkpoint into another zone; it leaves the one before once the copy was compared."""
    with open_realm() as realm:
        keeper = open_keeper(realm)
        record = find_checkpoint(realm, keeper.ledger, checkpoint)
        if to == "hot":
            with _progress(record) as told:
                typer.echo(f"{record.id} lies in {keeper.storage.fetch(record, told=told)}")
            return
        keeper.require_replaceable(_present(realm, keeper, checkpoint))
        keeper.storage.copy(record, keeper.storage.zone(to).name)
        keeper.storage.remove(record, "hot", "a person moved it")
        typer.echo(f"{record.id} lies in the {to} zone now. Back: realm vault fetch {record.id}")


@app.command()
def fetch(
    checkpoint: NamedCheckpoint,
    source: Annotated[str, typer.Option("--from", metavar="URL|ZONE", help="Another realm's vault, or a zone.")] = "",
    token: Annotated[
        str, typer.Option("--token", envvar="REALM_FETCH_TOKEN", help="Of the other vault, where it asks for one.")
    ] = "",
    even_newest: Annotated[
        bool, typer.Option("--even-newest", help="Also when training here would go on from it.")
    ] = False,
) -> None:
    """Bring a checkpoint into the workspace: from a zone, or from another machine. It goes on where it was cut off."""
    with open_realm() as realm:
        keeper = open_keeper(realm)
        if "://" in source:
            other = remote.RemoteVault(source, token or realm.settings.services.token)
            try:
                with _progress(None) as told:
                    record = remote.fetch(
                        realm.workspace, keeper, other, checkpoint, even_newest=even_newest, told=told
                    )
            finally:
                other.close()
            typer.echo(f"{record.id} lies in {keeper.folder(record)}")
            return
        record = find_checkpoint(realm, keeper.ledger, checkpoint)
        zone = keeper.storage.zone(source).name if source else None
        with _progress(record) as told:
            folder = keeper.storage.fetch(record, zone, told=told)
        typer.echo(f"{record.id} lies in {folder}")


@app.command()
def rm(
    checkpoint: NamedCheckpoint,
    zone: Annotated[str, typer.Option("--zone", help="Only the copy there: hot, warm or cold. Default: all.")] = "",
    yes: YesOption = False,
) -> None:
    """Remove a checkpoint, or one copy of it. The last whole one of a campaign stays: see realm reset."""
    with open_realm() as realm:
        keeper = open_keeper(realm)
        record = find_checkpoint(realm, keeper.ledger, checkpoint)
        keeper.require_replaceable(record, zone)
        places = keeper.storage.copies(record, zone)
        if not yes:
            typer.confirm(f"Remove {record.id} from {', '.join(places)}?", abort=True)
        keeper.storage.delete(record, places, "a person removed it")
        typer.echo(f"Removed {record.id} from {', '.join(places)}.")


@app.command()
def scan(as_json: JsonOption = False) -> None:
    """Look what lies in the zones, in models/ and in queue/, and enter it into the catalogue. Deletes nothing."""
    with open_realm() as realm:
        seen = look_around(realm.workspace, open_keeper(realm))
    if as_json:
        print_json(asdict(seen))
    else:
        for words, names in (("found", seen.found), ("missing", seen.missing), ("refused", seen.refused)):
            for name in names:
                typer.echo(f"{words:<8} {name}")
        for message in seen.unreachable:
            typer.echo(message, err=True)
        typer.echo(f"{len(seen.found)} found, {len(seen.missing)} missing, {len(seen.refused)} refused.")
    if seen.unreachable:
        raise typer.Exit(1)


@app.command()
def assets(
    kind: Annotated[str, typer.Option("--kind", help="base_model, dataset or export.")] = "",
    limit: Annotated[int, typer.Option(min=1)] = 100,
    as_json: JsonOption = False,
) -> None:
    """Base models, datasets and exports that the catalogue knows. What is new is entered by realm vault scan."""
    if kind and kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    with open_realm() as realm:
        catalogue = open_keeper(realm).catalogue
        found = catalogue.assets(kind if kind else None, limit=limit)
        places = catalogue.locations(each.id for each in found)
    if as_json:
        print_json([asdict(each) | {"locations": [asdict(p) for p in places.get(each.id, ())]} for each in found])
        return
    for each in found:
        where = "; ".join(f"{place.state}: {place.path}" for place in places.get(each.id, ()))
        typer.echo(f"{each.id:<40} {size_words(each.size_bytes):>10}  {where}")
    if not found:
        typer.echo("The catalogue knows no asset yet. Look around: realm vault scan")


@app.command()
def locate(
    asset: Annotated[str, typer.Argument(metavar="ASSET", help="An id of a checkpoint or of the catalogue.")],
    as_json: JsonOption = False,
) -> None:
    """Where an asset lies: asks the running vault first, and this workspace's own records where none answers."""
    with open_realm() as realm:
        catalogue = open_keeper(realm).catalogue

        def known_here(name: str) -> Sequence[Mapping[str, Any]]:
            return [asdict(place) | {"url": ""} for place in catalogue.locations([name]).get(name, ())]

        found = ask_vault_first(asset, known_here, realm.settings.services)
    if not found:
        raise UsageError(f"There is no asset '{asset}'.", hint="See: realm vault ls, realm vault assets")
    if as_json:
        print_json(list(found))
        return
    for place in found:
        typer.echo(f"{place['zone']:<10} {place['state']:<10} {place['path']}")


def _present(realm: Realm, keeper: Keeper, name: str) -> CheckpointRecord:
    record = find_checkpoint(realm, keeper.ledger, name)
    if record.state != "present":
        raise CheckpointError(
            f"{record.id} is {record.state}, not in the workspace.", hint=f"See: realm vault show {record.id}"
        )
    return record


@contextmanager
def _progress(record: CheckpointRecord | None) -> Iterator[Told]:
    """A bar on a terminal for what takes longer than a moment."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn  # noqa: PLC0415 - costs 60 ms

    with Progress(BarColumn(), DownloadColumn(), TransferSpeedColumn(), transient=True) as bar:
        task = bar.add_task("fetch", total=record.size_bytes if record else None)
        yield lambda size_bytes: bar.advance(task, size_bytes)
