"""How two checkpoints differ: settings, data, examinations, versions, files. Pure; weights are the layers' matter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from realm.records import CheckpointRecord
from realm.vault.manifest import Manifest

ABSENT = None


@dataclass(frozen=True, slots=True)
class Change:
    """One value that is another one; None where a side has none."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from one checkpoint to another."""

    before: str
    after: str
    steps: int
    tokens: int
    settings: Sequence[Change]
    metrics: Sequence[Change]
    levels: Sequence[Change]
    examination: Sequence[Change]
    versions: Sequence[Change]
    base: Sequence[Change]
    files: Sequence[Change]
    """sha256 of the files that are not the same."""
    quests: Sequence[str] | None
    """sha256 of the quests that were trained in between; None where neither is an ancestor of the other."""


def difference(
    before: tuple[CheckpointRecord, Manifest], after: tuple[CheckpointRecord, Manifest], quests: Sequence[str] | None
) -> Difference:
    """What changed from `before` to `after`."""
    (a, made_a), (b, made_b) = before, after
    return Difference(
        before=a.id, after=b.id, steps=made_b.step - made_a.step,
        tokens=made_b.progress.tokens - made_a.progress.tokens,
        settings=changes(made_a.configuration, made_b.configuration),
        metrics=changes(_figures(made_a.metrics), _figures(made_b.metrics)),
        levels=changes(a.levels, b.levels),
        examination=changes({"accuracy": a.accuracy}, {"accuracy": b.accuracy}),
        versions=changes(
            {**made_a.versions, "git_commit": made_a.git_commit}, {**made_b.versions, "git_commit": made_b.git_commit}
        ),
        base=changes(made_a.lineage.base, made_b.lineage.base),
        files=changes(_hashes(made_a), _hashes(made_b)),
        quests=quests,
    )  # fmt: skip


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """The leaves that differ, by dotted name."""
    a, b = dict(_leaves(before)), dict(_leaves(after))
    return [
        Change(name, a.get(name, ABSENT), b.get(name, ABSENT))
        for name in sorted({*a, *b})
        if a.get(name, ABSENT) != b.get(name, ABSENT)
    ]


def _leaves(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, part in value.items():
        if isinstance(part, Mapping) and part:
            yield from _leaves(part, f"{above}{key}.")
        else:
            yield f"{above}{key}", list(part) if isinstance(part, tuple) else part


def _figures(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among the metrics; the state of meters is no figure."""
    return {name: value for name, value in metrics.items() if isinstance(value, int | float)}


def _hashes(made: Manifest) -> dict[str, str]:
    return {name: entry.sha256 for name, entry in made.files.items()}
