"""Primitives, transfer and canaries from the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from realm.cli.asking import ask_canaries, checkpoint_of, probe
from realm.cli.context import Realm, open_realm, print_json
from realm.errors import UsageError
from realm.guild.engine import SkillEngine
from realm.guild.evidence import CHECKPOINTS, Evidence
from realm.guild.mastery import Rules
from realm.guild.passives.drift import Drift, Sitting
from realm.guild.passives.ledger import CanaryLedger
from realm.guild.passives.sets import MODULES, modules
from realm.guild.primitives import CATALOGUE, rolling
from realm.guild.primitives.rolling import Reading, Share
from realm.guild.primitives.transfer import MOSTLY, Movement, Stretch, stretches, transfer
from realm.records import CampaignKey
from realm.registry import unknown

app = typer.Typer()

Hero = Annotated[str, typer.Option("--hero", help="Hero (default: the one in play).")]
CampaignName = Annotated[str, typer.Option("--campaign", help="Campaign (default: the one in play).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
BARS = "▁▂▃▄▅▆▇█"


@app.command("primitives")
def primitives(
    hero: Hero = "",
    campaign: CampaignName = "",
    skill: Annotated[str, typer.Option(help="Only what this skill's examinations told.")] = "",
    window: Annotated[int, typer.Option(min=1, help="Checkpoints that the accuracy looks back over.")] = rolling.WINDOW,
    asked: Annotated[
        str,
        typer.Option(
            "--probe", metavar="CHECKPOINT", help="Ask each primitive alone now: latest, champion, a step or an id."
        ),
    ] = "",
    count: Annotated[int, typer.Option(min=1, max=100, help="Problems of each primitive in a probe.")] = 10,
    json: Json = False,
) -> None:
    """Accuracy of each primitive with its interval and history, and the weakest. A probe records nothing."""
    with open_realm() as realm:
        key = _key(realm, hero, campaign)
        if asked:
            readings = [probe(realm, checkpoint_of(realm, key, asked), count)]
        else:
            readings = Evidence(realm.db).examinations(key, skill or None)
        threshold = Rules(SkillEngine(), realm.settings.curriculum).of(skill).threshold
    found = report(readings, window, threshold)
    if json:
        print_json({"campaign": str(key), **found})
    elif not readings:
        typer.echo(f"{key} has not been examined yet. Train first: realm play")
    else:
        _show_primitives(found)


def report(readings: Sequence[Reading], window: int, threshold: float) -> dict[str, Any]:
    """What `realm guild primitives --json` prints."""
    shares, series = rolling.rolling(readings, window), rolling.series(readings, window)
    weak = [name for name in rolling.weakest(shares) if shares[name].accuracy < threshold]
    return {
        "window": window,
        "primitives": [{**_about(name), **_share(share), "history": _history(series.get(name, []))}
                       for name, share in shares.items()],
        "families": {name: _share(share) for name, share in rolling.families(shares).items()},
        "weakest": [{"name": name, **_share(shares[name]), "weak_needs": rolling.held_back(name, shares, threshold)}
                    for name in weak],
    }  # fmt: skip


def _about(name: str) -> dict[str, Any]:
    found = CATALOGUE.get(name)
    return {"name": name} if found is None else {**asdict(found), "needs": list(found.needs)}


def _share(share: Share) -> dict[str, Any]:
    return {"correct": share.correct, "n": share.n, "accuracy": share.accuracy, **share.interval._asdict()}


def _history(points: Sequence[tuple[int, Share]]) -> list[dict[str, Any]]:
    return [{"step": step, **_share(share)} for step, share in points]


def _show_primitives(found: Mapping[str, Any]) -> None:
    for row in found["primitives"]:
        line = sparkline([point["accuracy"] for point in row["history"]])
        typer.echo(f"{row['name']:<28} {_said(row):<32} {row.get('track', ''):<10} {line}")
    for weak in found["weakest"]:
        needs = f"; it needs {', '.join(weak['weak_needs'])}, weak as well" if weak["weak_needs"] else ""
        typer.echo(f"weak: {weak['name']} {_said(weak)}{needs}")


@app.command("transfer")
def transfer_report(
    trained: Annotated[str, typer.Argument(metavar="SKILL", help="The skill that was trained.")],
    hero: Hero = "",
    campaign: CampaignName = "",
    since: Annotated[int, typer.Option("--from", min=0, help="Begin of the stretch (default: found by tokens).")] = 0,
    until: Annotated[int, typer.Option("--to", min=0, help="End of the stretch (0: found by tokens).")] = 0,
    share: Annotated[
        float, typer.Option(min=0.01, max=1, help="Share of a stretch's tokens that is of the skill.")
    ] = MOSTLY,
    json: Json = False,
) -> None:
    """Which primitives of other skills, and of the canaries, moved while SKILL was trained."""
    if (since and not until) or (until and until <= since):
        raise UsageError("A stretch needs --from and a later --to.", hint="For example: --from 500 --to 2000")
    with open_realm() as realm:
        key, evidence = _key(realm, hero, campaign), Evidence(realm.db)
        tokens = evidence.tokens(key)
        readings = [*evidence.examinations(key, checkpoints=10 * CHECKPOINTS), *evidence.canaries(key)]
    known = {name for told in tokens.values() for name in told} | {reading.skill for reading in readings}
    if trained not in known and known:
        raise unknown("trained skill", trained, known)
    spent = sum(told.get(trained, 0) for step, told in tokens.items() if since < step <= until)
    over = [Stretch(since, until, spent)] if until else stretches(tokens, trained, share)
    found = transfer(readings, trained, over)
    if json:
        print_json({"trained": trained, "stretches": [asdict(s) for s in over],
                    "movements": [_movement(m) for m in found.movements]})  # fmt: skip
        return
    if not over:
        typer.echo(
            f"At no checkpoint was {trained} {share:.0%} of the tokens. Ask for less: --share 0.5, or --from/--to"
        )
    for stretch in over:
        typer.echo(f"{trained} trained from step {stretch.start} to {stretch.end}: {stretch.tokens} tokens")
    for m in found.movements:
        mark = {"up": "rose", "down": "fell", "": ""}[m.moved]
        typer.echo(
            f"{m.skill:<10} {m.primitive:<28} {m.before.accuracy:.0%} of {m.before.n} -> {m.after.accuracy:.0%} of "
            f"{m.after.n}  {100 * m.change:+.0f} points [{100 * m.interval.low:+.0f}, {100 * m.interval.high:+.0f}]  "
            f"{m.up} up {m.down} down (p {m.chance:.2f})  {mark}"
        )
    if over and not found.movements:
        typer.echo("Nothing else was examined both before and within it: there is nothing to compare.")
    elif found.movements:
        typer.echo(f"{len(found.movements)} compared: about one in twenty would look moved by chance alone.")


def _movement(m: Movement) -> dict[str, Any]:
    return {
        "skill": m.skill, "primitive": m.primitive, "before": _share(m.before), "after": _share(m.after),
        "change": m.change, "low": m.interval.low, "high": m.interval.high, "up": m.up, "down": m.down,
        "p": m.chance, "moved": m.moved,
    }  # fmt: skip


@app.command("passives")
def passives(
    hero: Hero = "",
    campaign: CampaignName = "",
    run: Annotated[
        str, typer.Option("--run", metavar="CHECKPOINT", help="Ask now: latest, champion, a step or an id.")
    ] = "",
    extended: Annotated[bool, typer.Option("--extended", help="With --run: all eleven modules.")] = False,
    module: Annotated[list[str] | None, typer.Option(help="With --run: only this module; may be repeated.")] = None,
    json: Json = False,
) -> None:
    """The canaries: how each set stands against its best checkpoint. With --run a checkpoint is asked and recorded."""
    if (extended or module) and not run:
        raise UsageError("--extended and --module say what to ask.", hint="Say whom: --run latest --extended")
    with open_realm() as realm:
        key = _key(realm, hero, campaign)
        ledger = CanaryLedger(realm.db, realm.events, realm.settings.passives)
        if run:
            names = _modules(module or [], extended)
            asked = ask_canaries(realm, checkpoint_of(realm, key, run), names)
            ledger.record(asked)
            if json:
                print_json([_sitting(sitting) for sitting in asked])
                return
        standing = ledger.standing(key)
        histories = {name: ledger.history(key, name) for name in standing}
    if json:
        print_json([{**_drift(drift), "history": [_sitting(s) for s in histories[name]]}
                    for name, drift in standing.items()])  # fmt: skip
    elif not standing:
        typer.echo(f"{key} was asked no canary yet. Ask: realm guild passives --run latest --extended")
    for name, drift in {} if json else standing.items():
        line = sparkline([sitting.accuracy for sitting in histories[name]])
        typer.echo(
            f"{name:<18} step {drift.sitting.step:<8} {_said(_sitting(drift.sitting)):<28} {_beside(drift)} {line}"
        )


def _modules(named: Sequence[str], extended: bool) -> list[str]:
    for name in named:
        if name not in MODULES:
            raise unknown("canary module", name, MODULES)
    return list(named) or [each.name for each in modules(None if extended else "core")]


def _beside(drift: Drift) -> str:
    if drift.best.step == drift.sitting.step:
        return "its best so far"
    counted = f"{drift.lost} lost, {drift.gained} gained, p {drift.chance:.2f}"
    return f"{-100 * drift.drop:+.0f} points to step {drift.best.step} ({counted}) {drift.severity.upper()}".rstrip()


def _sitting(sitting: Sitting) -> dict[str, Any]:
    return {
        "module": sitting.module, "step": sitting.step, "correct": sitting.correct, "n": sitting.n,
        "accuracy": sitting.accuracy, **sitting.interval._asdict(), "problem_set": sitting.problem_set,
        "seconds": sitting.seconds, "time": sitting.time,
    }  # fmt: skip


def _drift(drift: Drift) -> dict[str, Any]:
    return {
        **_sitting(drift.sitting), "severity": drift.severity, "points": 100 * drift.drop, "lost": drift.lost,
        "gained": drift.gained, "p": drift.chance, "best": _sitting(drift.best),
    }  # fmt: skip


def sparkline(shares: Sequence[float], width: int = 24) -> str:
    """The last `width` shares 0..1 as a row of bars."""
    return "".join(BARS[min(len(BARS) - 1, int(share * len(BARS)))] for share in shares[-width:])


def _said(share: Mapping[str, Any]) -> str:
    return f"{share['accuracy']:.0%} of {share['n']} [{share['low']:.0%}, {share['high']:.0%}]"


def _key(realm: Realm, hero: str, campaign: str) -> CampaignKey:
    return CampaignKey(hero or realm.key.hero, campaign or realm.key.campaign)
