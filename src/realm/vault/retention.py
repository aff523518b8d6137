"""Which checkpoints stay and which go, with a reason each. Pure: no disk, no clock, no database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from realm.config.schema import RetentionSettings
from realm.records import CheckpointRecord


@dataclass(frozen=True, slots=True)
class Plan:
    """Ids with the reason why each is kept or dropped, oldest step first."""

    keep: list[tuple[str, str]]
    drop: list[tuple[str, str]]


def plan(checkpoints: Sequence[CheckpointRecord], policy: RetentionSettings) -> Plan:
    """What to do with the present checkpoints of one campaign; others are not looked at.

    The newest always stays, so the last copy does too. Parents need no keeping: every checkpoint is whole by itself.
    """
    present = sorted((c for c in checkpoints if c.state == "present"), key=lambda c: c.step)
    reasons = _reasons(present, policy)
    unwanted = f"not among the newest {policy.keep_newest} and not marked by an examination"
    return Plan(
        keep=[(c.id, reasons[c.id]) for c in present if c.id in reasons],
        drop=[(c.id, unwanted) for c in present if c.id not in reasons],
    )


def _reasons(present: Sequence[CheckpointRecord], policy: RetentionSettings) -> dict[str, str]:
    """Why a checkpoint stays, the strongest reason first; what is not named may go."""
    if not policy.enabled:
        return {c.id: "retention is off" for c in present}
    reasons = {c.id: "the newest" for c in present[-1:]}
    if policy.keep_champion:
        for checkpoint in present:
            if checkpoint.champion:
                reasons.setdefault(checkpoint.id, "the champion")
    if policy.keep_first_at_level:
        for checkpoint, level in _first_at_level(present):
            reasons.setdefault(checkpoint.id, f"the first at {level}")
    for checkpoint in present[-policy.keep_newest :]:
        reasons.setdefault(checkpoint.id, f"among the newest {policy.keep_newest}")
    return reasons


def _first_at_level(present: Sequence[CheckpointRecord]) -> list[tuple[CheckpointRecord, str]]:
    """The first checkpoint at each mastered level of each skill, oldest first."""
    reached: dict[str, int] = {}
    found = []
    for checkpoint in present:
        for skill, level in sorted(checkpoint.levels.items()):
            if level > reached.get(skill, 0):
                reached[skill] = level
                found.append((checkpoint, f"{skill.upper()} level {level}"))
    return found
