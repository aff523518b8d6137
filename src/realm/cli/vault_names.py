"""What a checkpoint is called, where it comes from, and how two of them differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from realm.cli.context import Realm, open_realm, print_json
from realm.cli.keeping import find_checkpoint, open_keeper
from realm.cli.vault_words import CheckpointArgument, JsonOption, NamedCheckpoint, size_words
from realm.errors import CheckpointError
from realm.guild.ledger import GuildLedger
from realm.records import CheckpointRecord
from realm.vault import layers as layer_figures
from realm.vault import lineage as lineages
from realm.vault.compare import Change, Difference, difference
from realm.vault.keeper import Keeper, key_of
from realm.vault.layers import Drift
from realm.vault.manifest import Manifest

app = typer.Typer()
SHOWN_TENSORS = 20


@app.command()
def promote(
    checkpoint: NamedCheckpoint,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept.")] = "a person chose it",
) -> None:
    """Make an examined checkpoint the champion, whatever the rule says; a better one may take its place later."""
    with open_realm() as realm:
        keeper = open_keeper(realm)
        record = keeper.ledger.promoted(find_checkpoint(realm, keeper.ledger, checkpoint).id, reason)
        typer.echo(f"{record.id} is the champion of {key_of(record)}.")


@app.command()
def name(
    checkpoint: NamedCheckpoint,
    version: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, '-' and '_'.")],
    note: Annotated[str, typer.Option("--note", help="What is worth remembering of it.")] = "",
) -> None:
    """Give a checkpoint a name and a note. Retention keeps it for as long as it has one."""
    with open_realm() as realm:
        keeper = open_keeper(realm)
        record = find_checkpoint(realm, keeper.ledger, checkpoint)
        keeper.catalogue.name(version, record.id, note, hero=record.hero, campaign=record.campaign)
        typer.echo(f"{record.id} is version {version}.")


@app.command()
def unname(version: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Take a version's name back. The checkpoint stays until retention decides about it."""
    with open_realm() as realm:
        open_keeper(realm).catalogue.unname(version)
    typer.echo(f"{version} names nothing any more.")


@app.command()
def versions(as_json: JsonOption = False) -> None:
    """The names that were given, newest first."""
    with open_realm() as realm:
        found = open_keeper(realm).catalogue.versions()
    if as_json:
        print_json([asdict(each) for each in found])
        return
    for each in found:
        typer.echo(f"{each.name:<20} {datetime.fromtimestamp(each.time):%Y-%m-%d} {each.checkpoint}  {each.note}")
    if not found:
        typer.echo("No checkpoint has a name yet. Give one: realm vault name CHECKPOINT NAME")


@app.command()
def lineage(checkpoint: CheckpointArgument = "latest", as_json: JsonOption = False) -> None:
    """Where a checkpoint comes from, quest by quest, and what came of it."""
    with open_realm() as realm:
        keeper = open_keeper(realm)
        found = _lineage(realm, keeper, find_checkpoint(realm, keeper.ledger, checkpoint))
    if as_json:
        print_json(asdict(found))
        return
    for line in _lineage_words(found):
        typer.echo(line)


@app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="A checkpoint.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="A checkpoint.")],
    weights: Annotated[bool, typer.Option("--weights/--no-weights", help="Also how far each layer moved.")] = True,
    as_json: JsonOption = False,
) -> None:
    """How two checkpoints differ: settings, data, examinations, and how far each layer moved."""
    with open_realm() as realm:
        keeper = open_keeper(realm)
        sides = [_with_manifest(keeper, find_checkpoint(realm, keeper.ledger, each)) for each in (before, after)]
        quests = lineages.quests_between(_lineage(realm, keeper, sides[1][0]).back, sides[0][0].id)
        found = difference(sides[0], sides[1], quests)
        drift = _drift(keeper, sides[0][0], sides[1][0]) if weights else None
    if as_json:
        moved = None
        if drift:
            moved = asdict(drift) | {"layers": [asdict(each) for each in drift.by_layer()],
                                     "whole": asdict(drift.whole)}  # fmt: skip
        print_json(asdict(found) | {"drift": moved})
        return
    for line in [*_difference_words(found), *(_drift_words(drift) if drift else ())]:
        typer.echo(line)


@app.command()
def layers(
    checkpoint: CheckpointArgument = "latest",
    everything: Annotated[bool, typer.Option("--all", help="Every tensor, not the first twenty.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Statistics of a checkpoint's weights, tensor by tensor."""
    with open_realm() as realm:
        keeper = open_keeper(realm)
        record = find_checkpoint(realm, keeper.ledger, checkpoint)
        _require_here(record)
        with keeper.leases.reading(record.id, "layers"):
            found = layer_figures.layer_stats(keeper.folder(record))
    if as_json:
        print_json([asdict(each) for each in found])
        return
    typer.echo(f"{'mean':>10} {'std':>10} {'largest':>10} {'zeros':>7}  tensor")
    for each in found if everything else found[:SHOWN_TENSORS]:
        bad = f"  {each.not_finite} values are not finite" if each.not_finite else ""
        shape = "x".join(map(str, each.shape))
        typer.echo(
            f"{each.mean:>10.2e} {each.std:>10.2e} {each.largest:>10.2e} {each.zeros:>7.1%}  {each.name} {shape}{bad}"
        )
    if len(found) > SHOWN_TENSORS and not everything:
        typer.echo(f"and {len(found) - SHOWN_TENSORS} more: --all")


def _lineage(realm: Realm, keeper: Keeper, record: CheckpointRecord) -> lineages.Lineage:
    guild = GuildLedger(realm.db, realm.events, realm.settings.curriculum)
    campaign = guild.campaign(key_of(record))
    return lineages.lineage(
        keeper, record, began_with=campaign.starting_checkpoint if campaign else "",
        begun=guild.begun_from().get(record.id, ""),
    )  # fmt: skip


def _with_manifest(keeper: Keeper, record: CheckpointRecord) -> tuple[CheckpointRecord, Manifest]:
    _require_here(record)
    made = lineages.read_manifest(keeper, record)
    if made is None:
        raise CheckpointError(f"{record.id} has no manifest that can be read.", hint="See: realm vault verify")
    return record, made


def _require_here(record: CheckpointRecord) -> None:
    if record.state != "present":
        raise CheckpointError(
            f"{record.id} is {record.state}, not in the workspace.", hint=f"Bring it: realm vault fetch {record.id}"
        )


def _drift(keeper: Keeper, before: CheckpointRecord, after: CheckpointRecord) -> Drift:
    with keeper.leases.reading(before.id, "diff"), keeper.leases.reading(after.id, "diff"):
        return layer_figures.layer_drift(keeper.folder(before), keeper.folder(after))


def _lineage_words(found: lineages.Lineage) -> Iterator[str]:
    for each in found.back:
        quests = ", ".join(quest[:12] for quest in each.quests) or "-"
        settings = f"  settings {each.configuration_sha256[:12]}" if each.configuration_sha256 else ""
        yield f"{each.id}  {each.state}  {each.run or '-'}  quests {quests}{settings}"
    yield f"began with {found.began_with or 'first weights'}" if found.back[-1].state != "unknown" else "..."
    for words, names in (
        ("trained on as", found.children),
        ("exported to", [folder for _, folder in found.exports]),
        ("version", found.versions),
        ("asked for as", found.served_as),
        ("", [found.begun] if found.begun else []),
    ):
        for each_name in names:
            yield f"{words} {each_name}".strip()


def _difference_words(found: Difference) -> Iterator[str]:
    yield f"from {found.before} to {found.after}: {found.steps:+,} steps, {found.tokens:+,} tokens"
    if found.quests is not None:
        yield f"quests in between: {', '.join(quest[:12] for quest in found.quests) or 'none'}"
    else:
        yield "quests in between: unknown, for the first is no ancestor of the second"
    for title, changed in (
        ("settings", found.settings), ("metrics", found.metrics), ("levels", found.levels),
        ("examination", found.examination), ("base", found.base), ("versions", found.versions),
    ):  # fmt: skip
        yield from _changes_words(title, changed)
    names = ", ".join(change.name for change in found.files)
    yield f"files that differ: {names or 'none'}"


def _changes_words(title: str, changed: Sequence[Change]) -> Iterator[str]:
    if changed:
        yield f"{title}:"
        for each in changed:
            yield f"  {each.name}: {_shown(each.before)} -> {_shown(each.after)}"


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "-" if value is None else str(value)


def _drift_words(drift: Drift) -> Iterator[str]:
    whole = drift.whole
    yield f"weights: moved by {_share(whole.relative)} of their norm ({size_words(whole.count * 4)} as float32)"
    for each in drift.by_layer():
        yield f"  {each.name:<28} {_share(each.relative):>9}  largest change {each.largest:.2e}"
    for words, names in (("only before", drift.only_before), ("only after", drift.only_after)):
        if names:
            yield f"  {words}: {', '.join(names)}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3%}"
