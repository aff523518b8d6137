"""Campaigns from the terminal: make, put in play, look at, pause, archive, continue, compare, export, run again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from realm.cli.context import Realm, open_realm, print_json
from realm.config import in_play
from realm.config.beginning import deciding_tables, differences
from realm.config.layers import hero_name, load, resolve_hero
from realm.config.sources import nested, override_leaves
from realm.errors import CheckpointError, ConfigError, UsageError
from realm.guild import campaign_report, cap_watch
from realm.guild.campaign_state import WORDS, Action
from realm.guild.campaigns import Campaigns, recorded
from realm.guild.engine import SkillEngine
from realm.guild.ledger import GuildLedger
from realm.guild.tables import Campaign
from realm.records import CampaignKey
from realm.vault import files, manifest
from realm.vault.ledger import CheckpointLedger
from realm.watchtower.metrics import Metrics

app = typer.Typer()

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A campaign, as NAME or HERO:NAME.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new campaign's name.")],
    hero: Annotated[str, typer.Option("--hero", help="Who plays it (default: the hero in play).")] = "",
    skill: Annotated[list[str] | None, typer.Option("--skill", help="A skill in focus; give it once for each.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of the first weights and of practice.")] = None,
    start: Annotated[
        str, typer.Option("--from", metavar="CHECKPOINT", help="New Game+: begin with the weights of this checkpoint.")
    ] = "",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of this campaign alone.")
    ] = None,
    activate: Annotated[bool, typer.Option("--activate", help="Put it in play at once.")] = False,
) -> None:
    """Make a new campaign. It waits until it is activated; what it does not set is as in realm.toml."""
    with _open() as (realm, campaigns, _):
        base = load(realm.workspace.settings, env=os.environ)
        key = CampaignKey(hero_name(base, hero or realm.key.hero), name)
        asked = base.campaign
        own = {"skills": list(skill or asked.skills), "seed": asked.seed if seed is None else seed}
        tables = _with_overrides({"campaign": own}, settings or [])
        checkpoint, folder = _start(realm, key, start) if start else ("", None)
        made = campaigns.create(key, tables, start=folder, starting_checkpoint=checkpoint)
        typer.echo(f"Made {made.key}{f', beginning with {checkpoint}' if checkpoint else ''}.")
        if activate:
            _activate(realm, campaigns, str(made.key))
        else:
            typer.echo(f"Put it in play: realm campaign activate {made.key}")


@app.command()
def activate(name: NameArgument) -> None:
    """Put a campaign in play. A hero that is awake seals a checkpoint and takes it up by itself."""
    with _open() as (realm, campaigns, _):
        _activate(realm, campaigns, name)


@app.command()
def pause(name: NameArgument) -> None:
    """Let a campaign rest: nothing trains it until it is continued."""
    _change(name, "pause", "Go on: realm campaign continue {name}")


@app.command()
def archive(name: NameArgument) -> None:
    """Put a campaign aside. Nothing of it is deleted."""
    _change(name, "archive", "Nothing is deleted. Take it up again: realm campaign continue {name}")


@app.command("continue")
def continue_(name: NameArgument) -> None:
    """Take a paused, archived or maxed-out campaign up again, and put it in play."""
    with _open() as (realm, campaigns, _):
        made = campaigns.change(name, "continue")
        _activate(realm, campaigns, str(made.key))


@app.command("list")
def list_campaigns(as_json: AsJson = False) -> None:
    """Every campaign; `*` marks the one in play."""
    with _open() as (realm, campaigns, ledger):
        rows = [_row(realm, ledger, each, campaigns.in_play()) for each in campaigns.all()]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        levels = " ".join(f"{skill} {level}" for skill, level in row["levels"].items()) or "no level"
        cap = " ".join(f"{skill} {level}" for skill, level in (row["level_cap"] or {}).items())
        typer.echo(
            f"{'*' if row['in_play'] else ' '} {row['hero'] + ':' + row['campaign']:<32} {WORDS[row['state']]:<10} "
            f"step {row['step']:>7}  {levels}{f'  cap {cap}' if cap else ''}"
        )


@app.command()
def show(name: Annotated[str, typer.Argument(metavar="[NAME]")] = "", as_json: AsJson = False) -> None:
    """What a campaign has reached, what each level cost, and how near its cap is. Default: the one in play."""
    with _open() as (realm, campaigns, ledger):
        campaign = campaigns.find(name or str(campaigns.in_play()))
        settings = in_play.settings_of(realm.workspace, campaign.key)
        engine = SkillEngine()
        levels = {skill: engine.get(skill).levels for skill in engine.usable(campaign.skills)}
        verdicts = cap_watch.verdicts(ledger, campaign.key, levels, settings.level_cap)
        found = campaign_report.report(ledger, campaign, _totals(realm, campaign.key))
        tokens = {skill: ledger.tokens(campaign.key, skill) for skill in campaign.skills}
    if as_json:
        print_json(found | {"verdicts": [verdict.as_json() for verdict in verdicts], "tokens_per_level": tokens})
        return
    for line in _described(found, tokens):
        typer.echo(line)
    for verdict in verdicts:
        typer.echo(f"  level cap: {verdict.reason}")


@app.command()
def compare(
    one: Annotated[str, typer.Argument(metavar="A", help="A campaign, or a file that was exported.")],
    other: Annotated[str, typer.Argument(metavar="B", help="A campaign, or a file that was exported.")],
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw the curves: .png or .svg.")] = None,
    as_json: AsJson = False,
) -> None:
    """Two campaigns side by side: cap, levels against tokens and time, what each level cost."""
    from realm.cli.campaign_compare import compared, draw, table  # noqa: PLC0415 - rich costs 60 ms

    with _open() as (realm, campaigns, ledger):
        found = [_report_of(realm, campaigns, ledger, name) for name in (one, other)]
    if as_json:
        print_json(compared(*found))
    else:
        table(*found)
    if plot is not None:
        typer.echo(f"Drawn: {draw(plot, *found)}", err=as_json)


@app.command()
def export(
    name: Annotated[str, typer.Argument(metavar="[NAME]")] = "",
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Default: NAME.json in this folder.")] = None,
) -> None:
    """Write a campaign to a file: settings, seeds, versions, curves, level cap and evidence, enough to run it again."""
    with _open() as (realm, campaigns, ledger):
        campaign = campaigns.find(name or str(campaigns.in_play()))
        found = _report_of(realm, campaigns, ledger, str(campaign.key))
    file = to or Path(f"{campaign.key.hero}-{campaign.key.campaign}.json")
    try:
        campaign_report.write(file, found)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}.", hint="Choose another: --to FILE") from error
    typer.echo(f"Exported {campaign.key} to {file}\nRun it again: realm campaign rerun {file}")


@app.command()
def rerun(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `realm campaign export` wrote.")],
    name: Annotated[str, typer.Option("--name", help="Of the new campaign (default: NAME-rerun).")] = "",
    activate: Annotated[bool, typer.Option("--activate", help="Put it in play at once.")] = False,
) -> None:
    """Make a campaign with the settings and seeds of an exported one: the same practice, byte by byte."""
    found = campaign_report.read(file)
    with _open() as (realm, campaigns, _):
        base = load(realm.workspace.settings, env=os.environ)
        if found["hero"] not in base.heroes and found["hero"] not in found["settings"].get("heroes", {}):
            raise UsageError(f"{file} does not say who its hero is.", hint="Export the campaign again.")
        key = CampaignKey(found["hero"], name or _free_name(campaigns, found))
        checkpoint = found["starting_checkpoint"]
        folder = _folder_of(realm, checkpoint) if checkpoint else None
        made = campaigns.create(key, found["settings"], start=folder, starting_checkpoint=checkpoint)
        typer.echo(f"Made {made.key}, with the settings and seeds of {found['hero']}:{found['campaign']}.")
        for line in _unlike(realm, made.key, found):
            typer.echo(line, err=True)
        if activate:
            _activate(realm, campaigns, str(made.key))
        else:
            typer.echo(f"Put it in play: realm campaign activate {made.key}")


@contextmanager
def _open() -> Iterator[tuple[Realm, Campaigns, GuildLedger]]:
    with open_realm() as realm:
        ledger = GuildLedger(realm.db, realm.events, realm.settings.curriculum)
        yield realm, Campaigns(realm.workspace, ledger), ledger


def _activate(realm: Realm, campaigns: Campaigns, name: str) -> None:
    key, previous = campaigns.activate(name)
    if key == previous:
        typer.echo(f"{key} is in play.")
        return
    awake = realm.workspace.holder("hero") is not None
    how = "The hero seals a checkpoint and takes it up now." if awake else "Start it: realm start-all"
    typer.echo(f"{key} is in play; {previous} waits where it stands. {how}")


def _change(name: str, action: Action, then: str) -> None:
    with _open() as (_, campaigns, _ledger):
        made = campaigns.change(name, action)
    typer.echo(f"{made.key} is {WORDS[made.state]}. {then.format(name=made.key)}")


def _with_overrides(tables: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """The tables with `section.key=value` laid over them. Raises ConfigError."""
    problems: list[str] = []
    leaves = dict(override_leaves(overrides, problems))
    if problems:
        raise ConfigError(problems)
    for section, table in nested(leaves).items():
        tables[section] = {**tables.get(section, {}), **table} if isinstance(table, dict) else table
    return tables


def _start(realm: Realm, key: CampaignKey, name: str) -> tuple[str, Path]:
    """The checkpoint of a New Game+ and its folder. Raises UsageError when its weights are of another model."""
    ledger = CheckpointLedger(realm.db, realm.events)
    record = {"champion": ledger.champion, "latest": ledger.newest}.get(name, lambda _: None)(realm.key)
    if record is None and name in {"champion", "latest"}:
        raise CheckpointError(f"{realm.key} has no {name} checkpoint yet.", hint="Train first: realm play")
    checkpoint = record.id if record else f"{realm.key}@{name}" if name.isdigit() else name
    folder = _folder_of(realm, checkpoint)
    learned = manifest.read(folder).configuration.get("profile", {}).get("base_model")
    wanted = resolve_hero(load(realm.workspace.settings, env=os.environ), key.hero).base_model
    if learned != wanted:
        raise UsageError(
            f"{checkpoint} holds weights of '{learned}'; {key.hero} is built on '{wanted}'.",
            hint="Choose a checkpoint of a hero with the same base model: realm vault ls",
        )
    return checkpoint, folder


def _folder_of(realm: Realm, checkpoint: str) -> Path:
    """The folder of a checkpoint that is whole. Raises CheckpointError."""
    record = CheckpointLedger(realm.db, realm.events).get(checkpoint)
    folder = realm.workspace.checkpoints(record.hero, record.campaign) / Path(record.path).name
    if record.state != "present":
        raise CheckpointError(f"{checkpoint} was {record.state}.", hint="See what there is: realm vault ls")
    files.verify(folder)
    return folder


def _free_name(campaigns: Campaigns, found: dict[str, Any]) -> str:
    taken = {each.key.campaign for each in campaigns.all() if each.key.hero == found["hero"]}
    name, number = f"{found['campaign']}-rerun", 2
    while name in taken:
        name, number = f"{found['campaign']}-rerun-{number}", number + 1
    return name


def _unlike(realm: Realm, key: CampaignKey, found: dict[str, Any]) -> Iterator[str]:
    """What may make the rerun go another way: settings that came out differently, other versions."""
    mine = deciding_tables(in_play.settings_of(realm.workspace, key), key)
    if unlike := differences(in_play.without_none(found["settings"]), in_play.without_none(mine)):
        yield f"These settings differ from the exported ones: {', '.join(unlike)}."
    campaign = GuildLedger(realm.db, realm.events).campaign(key)
    versions = campaign.settings.get("versions", {}) if campaign else {}
    if other := differences(found.get("versions", {}), versions):
        yield f"Other versions than then, so losses may differ in the last digits: {', '.join(other)}."


def _report_of(realm: Realm, campaigns: Campaigns, ledger: GuildLedger, name: str) -> dict[str, Any]:
    """The report of a campaign, or of a file that was exported."""
    if name.endswith(".json") and Path(name).is_file():
        return campaign_report.read(Path(name))
    campaign = campaigns.find(name)
    if "tables" not in campaign.settings:  # no hero has woken in it, or one of an older version began it
        settings = in_play.settings_of(realm.workspace, campaign.key)
        campaign = replace(campaign, settings=recorded(settings, campaign.key))
    return campaign_report.report(ledger, campaign, _totals(realm, campaign.key))


def _totals(realm: Realm, key: CampaignKey) -> dict[str, Any]:
    metrics = Metrics(realm.db)
    return asdict(metrics.totals(key)) | {"lowest_val_loss": metrics.lowest(key, "val_loss")}


def _row(realm: Realm, ledger: GuildLedger, campaign: Campaign, playing: CampaignKey) -> dict[str, Any]:
    cap, latest = ledger.level_cap(campaign.key), Metrics(realm.db).latest(campaign.key)
    return {
        "in_play": campaign.key == playing, "hero": campaign.key.hero, "campaign": campaign.key.campaign,
        "state": campaign.state, "step": latest.step if latest else 0, "levels": ledger.levels(campaign.key),
        "level_cap": dict(cap.levels) if cap else None, "created": campaign.created,
        "starting_checkpoint": campaign.starting_checkpoint, "seed": campaign.seed,
    }  # fmt: skip


def _described(found: dict[str, Any], tokens: dict[str, dict[int, int]]) -> Iterator[str]:
    began = f"{datetime.fromtimestamp(found['created']):%Y-%m-%d %H:%M}"
    yield f"{found['hero']}:{found['campaign']}: {WORDS[found['state']]}, begun {began}"
    if found["starting_checkpoint"]:
        yield f"  New Game+ from {found['starting_checkpoint']}"
    totals = found["totals"]
    yield f"  {totals['steps']:,} steps, {totals['tokens']:,} trained tokens, {totals['seconds']:.0f} s of training"
    if best := found["bests"]["examination"]:
        yield f"  best examination: {best['skill']} level {best['level']}: {best['correct']}/{best['n']}"
    if totals.get("lowest_val_loss") is not None:
        yield f"  lowest validation loss: {totals['lowest_val_loss']:.4f}"
    for skill, costs in found["costs"].items():
        best_level = found["bests"]["levels"].get(skill, 0)
        yield f"  {skill} level {found['levels'].get(skill, 0)} (highest {best_level})"
        for cost in costs:
            m = "-" if cost["multiplier"] is None else f"{cost['multiplier']:.2f}"
            when = f"mastered at step {cost['ended_step']}" if cost["ended_step"] is not None else "in hand"
            yield (
                f"    level {cost['level']:>2}: {when}, {cost['frontier_tokens']:,} tokens on it, "
                f"{cost['maintenance_tokens']:,} on mastered ones, M {m}"
            )
        if tokens.get(skill):
            each = ", ".join(f"{level}: {count:,}" for level, count in sorted(tokens[skill].items()))
            yield f"    tokens per level: {each}"
    yield "  milestones:"
    for milestone in found["milestones"]:
        yield f"    step {milestone['step']:>7}  {milestone['words']}"
