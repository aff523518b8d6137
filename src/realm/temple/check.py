"""What a check is and what it finds. Knows the nine groups, none of their checks.

Definitions: docs/temple.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from realm.temple.scene import Scene

Status = Literal["ok", "warn", "fail", "skip"]
WORST: tuple[Status, ...] = ("fail", "warn", "ok", "skip")
"""Of several findings the first that occurs is what a group is."""


@dataclass(frozen=True, slots=True)
class Group:
    """Checks that belong together. A failure of a critical group spoils a run's quality altogether."""

    name: str
    about: str
    critical: bool = False


GROUPS: dict[str, Group] = {
    group.name: group
    for group in (
        Group("quick", "workspace, schema, free disk, queue"),
        Group("hardware", "device memory, temperature, disk, RAM, number formats", critical=True),
        Group("processes", "each supervised process is up and is the right one"),
        Group("api", "every service answers its own contract"),
        Group("checkpoint", "files complete, hashes match, tensors finite, it loads and resumes", critical=True),
        Group("inference", "the served model answers, and is the one that the ledger says", critical=True),
        Group("skills", "levels agree with the examinations that earned them; held-out problems not leaked"),
        Group("evaluation", "examinations happened, on enough problems; metrics flow"),
        Group("deep", "drift, forgetting, repeated rows, memorisation, loss spikes"),
    )
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. `measured` and `limit` are words, `value` the measured number where there is one."""

    status: Status
    measured: str
    limit: str = ""
    remedy: str = ""
    value: float | None = None
    group: str = ""
    check: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def of(self, check: Check) -> Finding:
        """The same finding with the name of who found it."""
        return replace(self, group=check.group, check=check.name)


@dataclass(frozen=True, slots=True)
class Check:
    """One question with its remedy. `look` reads a scene and changes nothing."""

    name: str
    group: str
    about: str
    look: Callable[[Scene], Finding]
    cheap: bool = True
    """Part of what is looked at after each run of training; the others only on demand."""

    @property
    def id(self) -> str:
        return f"{self.group}.{self.name}"


def ok(measured: str, limit: str = "", *, value: float | None = None) -> Finding:
    return Finding("ok", measured, limit, value=value)


def warn(measured: str, limit: str, remedy: str, *, value: float | None = None) -> Finding:
    return Finding("warn", measured, limit, remedy, value)


def fail(measured: str, limit: str, remedy: str, *, value: float | None = None) -> Finding:
    return Finding("fail", measured, limit, remedy, value)


def skip(why: str, remedy: str = "") -> Finding:
    """There is nothing to look at, or nothing to look at it with."""
    return Finding("skip", why, remedy=remedy)


def at_most(value: float, warn_above: float, fail_above: float, words: str, limit: str, remedy: str) -> Finding:
    """A quantity that should be small: `words` say what was measured, `limit` where the bounds are."""
    if value > fail_above:
        return fail(words, limit, remedy, value=value)
    return warn(words, limit, remedy, value=value) if value > warn_above else ok(words, limit, value=value)


def at_least(value: float, warn_below: float, fail_below: float, words: str, limit: str, remedy: str) -> Finding:
    """A quantity that should be large."""
    if value < fail_below:
        return fail(words, limit, remedy, value=value)
    return warn(words, limit, remedy, value=value) if value < warn_below else ok(words, limit, value=value)


def states(findings: Iterable[Finding]) -> dict[str, Status]:
    """Group -> its worst finding, in the order of the groups; a group that only skipped is `skip`."""
    seen: dict[str, set[Status]] = {}
    for finding in findings:
        seen.setdefault(finding.group, set()).add(finding.status)
    names = [*(name for name in GROUPS if name in seen), *sorted(seen.keys() - GROUPS.keys())]
    return {name: next(status for status in WORST if status in seen[name]) for name in names}


def is_critical(group: str) -> bool:
    return group in GROUPS and GROUPS[group].critical


def failed_critical(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that spoil everything."""
    return [finding for finding in findings if finding.status == "fail" and is_critical(finding.group)]
