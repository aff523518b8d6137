"""Words of the game that the field does not have stay in the Tavern: no identifier, column or key holds one."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.promises import ROOT, SOURCE, module_name, room, source_files, tree

LORE_WORDS = {
    "scribe", "mirror", "judge", "whisper", "forge", "blessing", "ritual", "soul", "spell", "enchant", "curse", "mana",
    "potion", "shrine", "altar", "prophecy", "tome", "scroll", "rune", "wizard", "sage", "monk", "anvil", "totem",
    "dungeon", "loot", "armor", "weapon", "sword", "glory", "destiny", "divine",
}  # fmt: skip
"""`champion` (the best checkpoint) and the places' own names are domain words: docs/architecture.md."""
ABOVE = {"tavern"}
COLUMNS = {"Column", "Table", "Index", "mapped_column"}


def words(name: str) -> set[str]:
    """Single words of an identifier, in lower case and the singular: `soulAnchors_x` is soul, anchor, x."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    return {form for part in parts for form in (part.lower(), part.lower().removesuffix("s"))}


def identifiers(file: Path) -> Iterator[tuple[int, str]]:
    """Names that a file gives: variables, functions, classes, arguments, attributes, columns and keys."""
    for node in ast.walk(tree(file)):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                yield getattr(node, "lineno", 0), name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.Dict(keys=keys):
                yield from (
                    (k.lineno, k.value) for k in keys if isinstance(k, ast.Constant) and isinstance(k.value, str)
                )
            case ast.Subscript(slice=ast.Constant(value=str(name))):
                yield node.lineno, name
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=args) if called in COLUMNS:
                yield from (
                    (a.lineno, a.value) for a in args if isinstance(a, ast.Constant) and isinstance(a.value, str)
                )


def test_no_lore_word_below_the_tavern(capsys: pytest.CaptureFixture[str]) -> None:
    below = [file for file in source_files() if room(module_name(file)) not in ABOVE]
    found = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in below
        for line, name in (*identifiers(file), (0, file.stem))
        if words(name) & LORE_WORDS
    ]
    with capsys.disabled():
        print(f"\n  words: {len(LORE_WORDS)} lore words in {len(below)} files", end="")
    assert not found, "\n" + "\n".join(found)


def test_no_lore_word_is_a_key_of_the_catalogue() -> None:
    found = [
        f"{file.name}: {key}"
        for file in sorted((SOURCE / "config" / "catalog").glob("*.toml"))
        for key in _keys(tomllib.loads(file.read_text(encoding="utf-8")))
        if words(key) & LORE_WORDS
    ]
    assert not found, "\n" + "\n".join(found)


def test_the_words_of_a_name() -> None:
    assert {"soul", "anchor"} <= words("SoulAnchors") and "forge" in words("soul_forge")
    assert not words("resolve_console") & LORE_WORDS


def _keys(table: dict[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        yield key
        if isinstance(value, dict):
            yield from _keys(value)
