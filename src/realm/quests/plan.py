"""What the sidecar of a practice quest says of its mix, as names and words for a person. Reads no file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def plan_facts(meta: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Why a practice has its mix, the mix, its variety and its real rows; empty for a file without a plan.

    A sidecar is a file like any other: what is not of the expected form is left out.
    """
    facts = [("why", _text(meta.get("reason"))), ("mix", _mix(_table(meta.get("parameters")).get("mix")))]
    facts += [("variety", _variety(meta.get("variety"))), ("real rows", _origins(meta.get("grounding")))]
    return [(name, words) for name, words in facts if words]


def _mix(mix: Any) -> str:
    shares = {cell: share for cell, share in _table(mix).items() if isinstance(share, int | float)}
    return ", ".join(f"{cell} {share:.0%}" for cell, share in shares.items())


def _variety(cells: Any) -> str:
    told = []
    for cell, measured in _table(cells).items():
        unique = _table(measured).get("unique")
        if isinstance(unique, int | float):
            told.append(f"{cell} {unique:.0%} different")
    return ", ".join(told)


def _origins(files: Any) -> str:
    told = []
    for file in files if isinstance(files, list) else []:
        rows, name = _table(file).get("rows"), _text(_table(file).get("name"))
        if isinstance(rows, list) and name:
            told.append(f"{len(rows)} of {name}")
    return ", ".join(told)


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
