"""What each layer gives: values with their key, their layer and the place where they were written. Checks nothing."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

from realm.config import names, toml_lines
from realm.errors import ConfigError

KeyPath = tuple[str, ...]
ENVIRONMENT_PREFIX = "REALM_"


class Given(NamedTuple):
    """One value as a layer gave it."""

    value: Any
    layer: str
    written: str
    """The key as written, where a synonym was used."""
    place: Callable[[], str]
    """The place in words; a file's lines are counted only when a mistake is told."""


Leaves = Iterator[tuple[KeyPath, Given]]


class TomlText:
    """A TOML text and its name."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text

    def leaves(self) -> Leaves:
        """Every value. Raises tomllib.TOMLDecodeError."""
        for path, value in _flat(tomllib.loads(self.text)):
            yield path, Given(value, self.name, path[-1], partial(self.place, path))

    def place(self, path: KeyPath) -> str:
        while path and path not in self._lines:
            path = path[:-1]
        return f"{self.name}, line {self._lines.get(path, 1)}"

    @cached_property
    def _lines(self) -> dict[KeyPath, int]:
        return toml_lines.lines_of(self.text)


def read_text(file: Path) -> TomlText:
    """A settings file. Raises ConfigError when it cannot be read or is not UTF-8."""
    try:
        return TomlText(str(file), file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError([f"{file} cannot be read: {error.strerror}."], hint="Check the path.") from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{file} is not UTF-8 text."], hint="Save it as UTF-8.") from error


def environment_leaves(env: Mapping[str, str], tables: Mapping[str, Any]) -> Leaves:
    """REALM_SECTION__FIELD variables. Names match without case, and `_` also matches `-`."""
    for variable, text in sorted(env.items()):
        if variable.startswith(ENVIRONMENT_PREFIX) and "__" in variable:
            path: KeyPath = ()
            for part in variable.removeprefix(ENVIRONMENT_PREFIX).split("__"):
                path = names.canonical((*path, _spelled(part, names.known_keys(path, tables))))
            yield path, Given(_value(path, text), "environment", path[-1], partial(str, variable))


def override_leaves(overrides: Iterable[str], problems: list[str]) -> Leaves:
    """`section.key=value` arguments; what has another form is a problem."""
    for text in overrides:
        key, equals, value = text.partition("=")
        try:
            path = toml_lines.key_path(key.strip()) if equals else ()
        except tomllib.TOMLDecodeError:
            path = ()
        if len(path) < 2:
            problems.append(f"'{text}' is no setting: write section.key=value, such as campaign.hero=smol.")
        else:
            yield path, Given(_value(path, value.strip()), "command line", path[-1], partial(str, f"'{text}'"))


def lay(given: dict[KeyPath, Given], leaves: Leaves, problems: list[str]) -> None:
    """Put a layer over the ones below. A key given under two names in one file is a problem."""
    mine: dict[KeyPath, Given] = {}
    for written, leaf in leaves:
        path = names.canonical_leaf(written, leaf.value)
        if path in mine and mine[path].written != leaf.written:
            problems.append(
                f"{leaf.place()}: '{leaf.written}' and '{mine[path].written}' are the same setting; keep one."
            )
        mine[path] = leaf
    given.update(mine)


def nested(given: Mapping[KeyPath, Given]) -> dict[str, Any]:
    """Tables within tables again. Where a value stands in a table's place, the value stays: the schema refuses it."""
    root: dict[str, Any] = {}
    for path, leaf in given.items():
        table: Any = root
        for key in path[:-1]:
            table = table.setdefault(key, {}) if isinstance(table, dict) else None
        if isinstance(table, dict) and not (leaf.value == {} and isinstance(table.get(path[-1]), dict)):
            table[path[-1]] = leaf.value
    return root


def _flat(table: Mapping[str, Any], above: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """The leaves of a table with their paths; an empty table is a leaf, for its name counts."""
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, (*above, key))
        else:
            yield (*above, key), value


def _spelled(part: str, known: Iterable[str]) -> str:
    """The known key that an environment variable's part means, or the part in lower case."""
    wanted = part.lower().replace("-", "_")
    return next((key for key in known if key.lower().replace("-", "_") == wanted), part.lower())


def _value(path: KeyPath, text: str) -> Any:
    """A value as TOML reads it; what is no TOML value, or belongs into a field of text, stays text."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return text if names.is_text(names.annotation_at(names.canonical(path))) and not isinstance(value, str) else value
