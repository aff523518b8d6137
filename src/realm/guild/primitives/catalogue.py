"""Reads the catalogue of primitives and checks it: tracks, families, prerequisites, difficulty. Knows no skill."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Literal, get_args

from realm.errors import SkillError
from realm.registry import nearest

Track = Literal["arithmetic", "binary", "logic", "string", "code", "word"]
FILE = Path(__file__).with_name("catalogue.toml")
HARDEST = 5
_FIELDS = {"track", "family", "difficulty", "needs", "about"}


@dataclass(frozen=True, slots=True)
class Primitive:
    """One atomic operation. `family` and `member` unite it with primitives of other tracks."""

    name: str
    track: Track
    family: str
    member: str
    about: str
    difficulty: int
    """1 (first) to 5."""
    needs: tuple[str, ...] = ()
    """Primitives that this one is built from; the whole has no circle."""


def read_catalogue(text: str, name: str = FILE.name) -> tuple[dict[str, tuple[str, ...]], dict[str, Primitive]]:
    """(families, primitives) of a catalogue's text. Raises SkillError that lists every mistake with its field."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SkillError(f"{name} is no TOML: {error}", hint="Mend the place that is named.") from error
    families = {family: tuple(members) for family, members in data.pop("families", {}).items()}
    mistakes = [f"{key}: {wrong}" for key, entry in data.items() for wrong in _wrong(entry, families, data)]
    if not mistakes and (circle := _circle(data)):
        mistakes = [f"{circle[0]}.needs: goes in a circle: {' -> '.join(circle)}"]
    if mistakes:
        raise SkillError(
            f"{name} does not describe primitives:\n" + "\n".join(mistakes),
            hint="Each line names a primitive and what it allows.",
        )
    return families, {key: _primitive(key, entry) for key, entry in data.items()}


def _primitive(name: str, entry: Mapping[str, Any]) -> Primitive:
    family, _, member = entry["family"].partition("/")
    return Primitive(name, entry["track"], family, member, entry["about"], entry["difficulty"], tuple(entry["needs"]))


def _wrong(entry: Any, families: Mapping[str, tuple[str, ...]], known: Mapping[str, Any]) -> list[str]:
    if not isinstance(entry, dict) or set(entry) != _FIELDS:
        return [f"must be a table with {', '.join(sorted(_FIELDS))}"]
    wrong = []
    if entry["track"] not in get_args(Track):
        wrong.append(f"track must be one of {', '.join(get_args(Track))}")
    members = [f"{family}/{member}" for family, each in families.items() for member in each]
    if entry["family"] not in members:
        wrong.append(f"family must be one of {', '.join(members)}")
    if not isinstance(entry["difficulty"], int) or not 1 <= entry["difficulty"] <= HARDEST:
        wrong.append(f"difficulty must be a whole number from 1 to {HARDEST}")
    for need in entry["needs"]:
        if need not in known:
            guess = nearest(need, known)
            wrong.append(f"needs: there is no {need!r}" + (f"; did you mean {guess!r}?" if guess else ""))
    return wrong


def _circle(data: Mapping[str, Any]) -> list[str]:
    try:
        list(TopologicalSorter({key: entry["needs"] for key, entry in data.items()}).static_order())
    except CycleError as error:
        return [str(step) for step in error.args[1]]
    return []


FAMILIES, CATALOGUE = read_catalogue(FILE.read_text(encoding="utf-8"))
"""The unified families with their members, and all primitives by name."""
