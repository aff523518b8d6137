"""`realm temple`, `realm verdict`, `realm autopsy`: checks, the page of evidence of a run, what went wrong in one."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from realm.cli.context import Realm, open_realm, print_json
from realm.config.run_spec import RunSpec
from realm.errors import UsageError
from realm.records import Progress
from realm.temple import rollback
from realm.temple.check import GROUPS, Finding, failed_critical, states
from realm.temple.checks import checks
from realm.temple.inspection import inspected, wanted
from realm.temple.ledger import Override, Verdict
from realm.temple.runs import find_run
from realm.temple.scene import Scene
from realm.temple.verdicts import Verdicts
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger

MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL", "skip": "-   "}
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
RunArgument = Annotated[
    str, typer.Argument(metavar="[RUN]", help="A run, or the end of its name (default: the newest).")
]


def temple(
    group: Annotated[str, typer.Argument(metavar="[GROUP]", help="One group of checks (default: all).")] = "",
    names: Annotated[bool, typer.Option("--list", help="Only say which checks there are.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look at everything; exit code 2 when a check of a critical group fails, 1 when another one does."""
    registry = checks()
    groups = [group] if group else []
    if names:
        _list(groups, as_json)
        return
    with open_realm() as realm:
        scene = Scene(realm.workspace, realm.settings, realm.db, realm.events, reopen=_reopen(realm))
        findings = inspected(scene, groups, registry=registry)
    if as_json:
        print_json({"groups": states(findings), "findings": [finding.as_json() for finding in findings]})
    else:
        _print(findings)
    if failed_critical(findings):
        raise typer.Exit(2)
    if any(finding.status == "fail" for finding in findings):
        raise typer.Exit(1)


def verdict(
    run: RunArgument = "",
    promote: Annotated[bool, typer.Option("--promote", help="Let its checkpoint lead all the same; recorded.")] = False,
    roll_back: Annotated[
        bool, typer.Option("--roll-back", help="Go on from the checkpoint before it; nothing is deleted.")
    ] = False,
    because: Annotated[str, typer.Option("--because", metavar="WORDS", help="Why; kept with the decision.")] = "",
    again: Annotated[bool, typer.Option("--again", help="Weigh it anew, with every check.")] = False,
    as_json: AsJson = False,
) -> None:
    """The page of evidence of a run, and what it recommends; exit code 2 when the champion's gate is not met."""
    if promote and roll_back:
        raise UsageError("A run is promoted or rolled back, not both.", hint="Choose one of the two options.")
    with open_realm() as realm:
        verdicts = Verdicts(realm.workspace, realm.settings, realm.db, realm.events)
        found = _find(realm, verdicts, run, again)
        if promote or roll_back:
            _decide(realm, verdicts, found, because or "no reason given", promote=promote)
            return
        overrides = verdicts.ledger.overrides(realm.key, found.run)
    if as_json:
        print_json(found.as_json() | {"overrides": [_override(each) for each in overrides]})
    else:
        for line in page(found, overrides):
            typer.echo(line)
    if not found.gate_met:
        raise typer.Exit(2)


def _find(realm: Realm, verdicts: Verdicts, name: str, again: bool) -> Verdict:
    """The stored verdict on a run; one that was never weighed is weighed now."""
    run = find_run(realm.events, realm.key, name).name
    stored = None if again else verdicts.ledger.find(realm.key, run)
    return stored or verdicts.weigh(realm.key, run, thorough=again)


def _decide(realm: Realm, verdicts: Verdicts, found: Verdict, reason: str, *, promote: bool) -> None:
    ledger = CheckpointLedger(realm.db, realm.events)
    keeper = Keeper(realm.workspace, ledger, realm.events, realm.settings.retention)
    if promote:
        record = rollback.promote(keeper, verdicts.ledger, found, reason)
        typer.echo(f"{record.id} is champion. Recorded: {reason}")
        return
    record = rollback.roll_back(realm.workspace, keeper, verdicts.ledger, found, reason)
    awake = realm.workspace.holder("hero") is not None
    when = "once the quest in hand has ended" if awake else "when the hero wakes: realm start-all"
    typer.echo(f"{realm.key} goes on from {record.id} {when}. What came after it goes to quarantine/.")


def page(found: Verdict, overrides: Sequence[Override] = ()) -> list[str]:
    """A verdict as one page of words."""
    evidence = found.evidence
    quality, cost, strain = evidence["quality"], evidence["cost"], evidence["strain"]
    lines = [
        f"{found.run}: {found.word}, quality {found.quality:.2f}, experience {found.experience:.1f}",
        f"  {found.recommendation.replace('_', ' ')}: {' '.join(evidence['decision']['reasons'])}",
        f"  quality = evidence {quality['evidence']:.2f} x checks {quality['factor']:.2f} "
        f"x proof {quality['proof']:.2f}",
        f"  steps {found.start_step} to {found.step}: {cost['tokens']:,} tokens in {cost['seconds']:.0f} s, "
        f"effort {found.effort:.1f}, efficiency {strain['efficiency']:.3g} nats gained per nat",
    ]
    for title, side in (("target", evidence["target"]), ("others", evidence["others"])):
        lines += [f"  {title}  {_compared(row)}" for row in side]
    lines += [
        f"  canaries {row['module']}: {row['best_correct']} -> {row['correct']} of {row['n']} right"
        f"{' (' + row['severity'] + ')' if row['severity'] else ''}"
        for row in evidence["canaries"]
    ]
    for row in found.findings:
        if row["status"] in {"warn", "fail"}:
            lines.append(f"  {MARKS[row['status']]} {row['group']}.{row['check']}: {row['measured']}. {row['remedy']}")
    lines += [
        f"  a person decided: {each.action.replace('_', ' ')} {each.checkpoint}. {each.reason}" for each in overrides
    ]
    lines.append(f"  the champion's gate is {'met' if found.gate_met else 'not met'}")
    return lines


def _compared(row: dict[str, Any]) -> str:
    """One level before and after, with 95 % intervals."""
    sides = " -> ".join(_side(row[side]) for side in ("before", "after"))
    chance = f"; {row['gained']} won, {row['lost']} lost, chance {row['chance']:.2g}" if row["paired"] else ""
    return f"{row['skill']} level {row['level']}: {sides}{chance}"


def _side(side: dict[str, Any] | None) -> str:
    if side is None:
        return "not examined"
    return f"{side['accuracy']:.0%} of {side['n']} [{side['low']:.0%}, {side['high']:.0%}]"


def _override(each: Override) -> dict[str, Any]:
    return {"action": each.action, "checkpoint": each.checkpoint, "reason": each.reason, "time": each.time}


def _list(groups: Sequence[str], as_json: bool) -> None:
    found = wanted(checks(), groups)
    if as_json:
        print_json([{"group": c.group, "check": c.name, "about": c.about, "cheap": c.cheap} for c in found])
        return
    for name in dict.fromkeys(check.group for check in found):
        group = GROUPS.get(name)
        typer.echo(f"{name}{' (critical)' if group and group.critical else ''}: {group.about if group else ''}")
        for check in found:
            if check.group == name:
                typer.echo(f"  {check.name:<16} {check.about}{'' if check.cheap else ' (on demand)'}")


def _print(findings: Sequence[Finding]) -> None:
    for group, status in states(findings).items():
        typer.echo(f"{MARKS[status]}  {group}")
        for finding in findings:
            if finding.group != group:
                continue
            limit = f" (limit: {finding.limit})" if finding.limit else ""
            typer.echo(f"      {MARKS[finding.status]}  {finding.check}: {finding.measured}{limit}")
            if finding.remedy and finding.status != "ok":
                typer.echo(f"            {finding.remedy}")


def _reopen(realm: Realm) -> Any:
    """Opens a checkpoint as training does; None where the training packages are absent."""
    if importlib.util.find_spec("torch") is None:
        return None

    def reopen(spec: RunSpec, folder: Path, progress: Progress) -> None:
        from realm.arena.engine import Engine  # noqa: PLC0415 - torch takes seconds to import
        from realm.heroes.to_train import load_to_train  # noqa: PLC0415

        hero = load_to_train(
            spec.profile, spec.adapter, models=realm.workspace.models, checkpoint=folder, name=spec.key.hero
        )
        Engine.open(hero, spec.hyperparameters, progress=progress, checkpoint=folder)

    return reopen
