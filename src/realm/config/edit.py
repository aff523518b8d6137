"""Change one setting in a realm.toml: comments and order stay, and a change that is a mistake is not written."""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit

from realm.config import names, toml_lines
from realm.config.layers import combine
from realm.config.sources import TomlText, override_leaves, read_text
from realm.errors import ConfigError


def set_value(file: Path, key: str, value: str) -> Any:
    """Write `key` (section.key) = `value` into the file by atomic rename. Returns the value as it was understood.

    Raises ConfigError when the settings would not load after it; then the file is as it was.
    """
    return set_values(file, {key: value})[0]


def set_values(file: Path, values: Mapping[str, str]) -> list[Any]:
    """Write several keys by one atomic rename: a reader sees all of them or none. Otherwise like `set_value`."""
    problems: list[str] = []
    leaves = list(override_leaves([f"{key}={value}" for key, value in values.items()], problems))
    if problems:
        raise ConfigError(problems)
    text = read_text(file).text if file.exists() else ""
    for written, leaf in leaves:
        path = names.canonical_leaf(written, leaf.value)
        text = _changed(text, path if _holds(text, path) else written, leaf.value)
    combine([TomlText(str(file), text)], (), {})
    replace_text(file, text)
    return [leaf.value for _, leaf in leaves]


def _changed(text: str, path: toml_lines.Path, value: Any) -> str:
    document = tomlkit.parse(text)
    table: Any = document
    for name in path[:-1]:
        if name not in table:
            table[name] = tomlkit.table(is_super_table=len(path) > 2 and name == path[0])
        table = table[name]
    table[path[-1]] = value
    return tomlkit.dumps(document)


def _holds(text: str, path: toml_lines.Path) -> bool:
    """Whether a text already has the key under its canonical name."""
    table: Any = tomllib.loads(text)
    for name in path:
        if not isinstance(table, dict) or name not in table:
            return False
        table = table[name]
    return True


def replace_text(file: Path, text: str) -> None:
    """Temp file beside it, fsync, rename: a reader sees the old text or the new one."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.chmod(name, file.stat().st_mode & 0o777 if file.exists() else 0o644)
        os.replace(name, file)
    except BaseException:
        os.unlink(name)
        raise
