"""On which line of a TOML file a key stands: `tomllib` does not say. Needed only to report mistakes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str, ...]


def lines_of(text: str) -> dict[Path, int]:
    """Line (1-based) of each table and key of a valid TOML text. Raises tomllib.TOMLDecodeError."""
    tomllib.loads(text)
    found: dict[Path, int] = {}
    table: Path = ()
    for number, statement in _statements(text):
        if statement.lstrip().startswith("["):
            table = _only_path(tomllib.loads(statement))
            found.setdefault(table, number)
        else:
            for path in _paths(tomllib.loads(statement)):
                found.setdefault(table + path, number)
    return found


def key_path(text: str) -> Path:
    """The parts of a dotted key as TOML reads it; quotes protect dots. Raises tomllib.TOMLDecodeError."""
    return _only_path(tomllib.loads(f"{text} = 0"))


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Table headers and `key = value` pairs, each with its first line; a value may go over many lines."""
    start, held = 0, ""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if not held and (not line.strip() or line.lstrip().startswith("#")):
            continue
        start = start if held else number
        held = f"{held}\n{line}" if held else line
        try:
            tomllib.loads(held)
        except tomllib.TOMLDecodeError:
            continue
        yield start, held
        held = ""


def _only_path(table: Mapping[str, Any]) -> Path:
    """The keys from a table down to its only leaf."""
    path: Path = ()
    value: Any = table
    while isinstance(value, dict) and value:
        key, value = next(iter(value.items()))
        value = value[0] if isinstance(value, list) else value  # the header of an array of tables
        path += (key,)
    return path


def _paths(table: Mapping[str, Any]) -> Iterator[Path]:
    for key, value in table.items():
        yield (key,)
        if isinstance(value, dict):
            yield from ((key, *rest) for rest in _paths(value))
