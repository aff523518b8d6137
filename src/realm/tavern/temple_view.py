"""What the page says about verdicts and checks, from the Temple. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from realm.config.in_play import key_of
from realm.config.schema import RealmSettings
from realm.db import Database
from realm.events import Events
from realm.tavern.shown import Exam
from realm.temple.check import GROUPS, Finding, Status, states
from realm.temple.inspection import inspected
from realm.temple.ledger import Override, Verdict, VerdictLedger
from realm.temple.scene import Scene
from realm.workspace import Workspace

KINDS = ("verdict_given", "verdict_overridden", "campaign_rolled_back")
SHOWN_VERDICTS = 12
TROUBLES = {"fail": 0, "warn": 1}
DECISIONS = {"promote": "crown", "roll_back": "loop"}
"""What a person may decide about a run, with its icon."""


@dataclass(frozen=True, slots=True)
class Change:
    """One level before and after a run. `low` and `high` bound the change (95 %)."""

    skill: str
    level: int
    before: Exam | None
    after: Exam | None
    change: float | None
    won: int
    lost: int
    chance: float | None
    is_target: bool


@dataclass(frozen=True, slots=True)
class VerdictCard:
    """One verdict as the page shows it."""

    run: str
    id: str
    """The run as a name in HTML."""
    name: str
    """Of the training file."""
    word: str
    quality: float
    experience: float
    effort: float
    recommendation: str
    gate_met: bool
    reasons: Sequence[str]
    start_step: int
    step: int
    tokens: int
    seconds: float
    evidence: float
    factor: float
    proof: float
    strain_first: float | None
    strain_last: float | None
    time: float
    changes: Sequence[Change]
    canaries: Sequence[Mapping[str, Any]]
    troubles: Sequence[Finding]
    decisions: Sequence[tuple[str, str]] = ()
    overrides: Sequence[Override] = ()


@dataclass(frozen=True, slots=True)
class GroupCard:
    """One group of checks with what it found last. `status` is empty before it was looked at."""

    name: str
    about: str
    critical: bool
    status: Status | str = ""
    findings: Sequence[Finding] = field(default_factory=tuple)


class TempleReader:
    """Reads the verdicts of the campaign in play, again only after a fact that concerns them; runs groups on demand."""

    def __init__(self, workspace: Workspace, settings: RealmSettings, db: Database, events: Events) -> None:
        self._place = (workspace, settings, db, events)
        self._events = events
        self._key = key_of(settings)
        self.ledger = VerdictLedger(db, events)
        self._read: tuple[int, list[VerdictCard]] = (-1, [])

    def values(self) -> dict[str, Any]:
        """What the page's templates need."""
        return {
            "verdicts": self.verdicts(), "groups": self.groups(), "experience": self.ledger.experience(self._key),
        }  # fmt: skip

    def verdicts(self) -> list[VerdictCard]:
        newest = self._events.newest(1, kinds=KINDS, hero=self._key.hero, campaign=self._key.campaign)
        fact = newest[0].id if newest else 0
        if self._read[0] != fact:
            found = self.ledger.newest(self._key, SHOWN_VERDICTS)
            self._read = fact, [card(each, self.ledger.overrides(self._key, each.run)) for each in found]
        return self._read[1]

    def experience(self) -> float | None:
        """What the campaign has earned; None before the first verdict."""
        return self.ledger.experience(self._key) if self.ledger.newest(self._key, 1) else None

    def groups(self) -> list[GroupCard]:
        """Every group with what the newest verdict found in it; those that are only looked at on demand are empty."""
        newest = self.ledger.newest(self._key, 1)
        findings = [Finding(**finding) for finding in newest[0].findings] if newest else []
        return [group_card(name, [f for f in findings if f.group == name]) for name in GROUPS]

    def look(self, group: str) -> GroupCard:
        """Run every check of a group now. Raises UsageError for an unknown one."""
        return group_card(group, inspected(Scene(*self._place), [group]))


def group_card(name: str, findings: Sequence[Finding]) -> GroupCard:
    group = GROUPS.get(name)
    return GroupCard(
        name, group.about if group else "", bool(group and group.critical), states(findings).get(name, ""), findings
    )


def card(verdict: Verdict, overrides: Sequence[Override]) -> VerdictCard:
    """A stored verdict as the page shows it."""
    page = verdict.evidence
    findings = [Finding(**finding) for finding in verdict.findings]
    return VerdictCard(
        run=verdict.run, id=f"run-{verdict.run}".replace(".", "-"), name=page["quest_name"], word=verdict.word,
        quality=verdict.quality, experience=verdict.experience, effort=verdict.effort,
        recommendation=verdict.recommendation, gate_met=verdict.gate_met, reasons=page["decision"]["reasons"],
        start_step=verdict.start_step, step=verdict.step, tokens=page["cost"]["tokens"],
        seconds=page["cost"]["seconds"], evidence=page["quality"]["evidence"], factor=page["quality"]["factor"],
        proof=page["quality"]["proof"], strain_first=page["strain"]["first"], strain_last=page["strain"]["last"],
        time=verdict.time, changes=[*_changes(page["target"], True), *_changes(page["others"], False)],
        canaries=page["canaries"],
        troubles=sorted((f for f in findings if f.status in TROUBLES), key=lambda f: TROUBLES[f.status]),
        decisions=[] if overrides else [(a, i) for a, i in DECISIONS.items() if a != "promote" or not verdict.gate_met],
        overrides=overrides,
    )  # fmt: skip


def _changes(rows: Sequence[Mapping[str, Any]], is_target: bool) -> list[Change]:
    return [
        Change(
            row["skill"], row["level"], _exam(row["before"]), _exam(row["after"]), row["change"], row["gained"],
            row["lost"], row["chance"], is_target,
        )
        for row in rows
    ]  # fmt: skip


def _exam(side: Mapping[str, Any] | None) -> Exam | None:
    return None if side is None else Exam(side["step"], side["n"], side["accuracy"], side["low"], side["high"])
