"""A puzzle as text: the bank in its layouts, the clues with their labels and blanks. Draws nothing."""

from __future__ import annotations

from collections.abc import Sequence

from .clues import Clue
from .formats import marks
from .spec import Label, Layout

COLUMNS = 8
"""Tiles in a row of a table."""


def prompt(
    clues: Sequence[Clue], bank: Sequence[str], herrings: int, layout: Layout, label: Label, request: str
) -> str:
    """The whole question."""
    head = f"Find {len(clues)} words and spell each with syllable tiles. {_rule(herrings)} {_key(clues)}"
    names = marks(label, len(clues))
    dot = "" if label == "bullet" else "."
    lines = [f"{name}{dot} {_blanks(clue)} {clue.text}" for name, clue in zip(names, clues, strict=True)]
    if layout == "per_clue":
        tiles = " ".join(bank)
        lines = [f"{line}\n   tiles: {tiles}" for line in lines]
        return "\n".join([head, *lines, request])
    return "\n".join([head, _bank(bank, layout), *lines, request])


def _rule(herrings: int) -> str:
    if not herrings:
        return "Every tile is used once."
    return f"Every tile is used once, but {herrings} belong{'s' if herrings == 1 else ''} to no word."


def _key(clues: Sequence[Clue]) -> str:
    """What the blanks mean, as far as there are such."""
    counted = [clue.counted for clue in clues]
    if all(counted):
        return "Each _ is one tile."
    return "Each _ is one tile, ____ any number of them." if any(counted) else "____ is any number of tiles."


def _blanks(clue: Clue) -> str:
    """One blank for each tile, or a single one."""
    return f"[{' '.join('_' * len(clue.word.syllables))}]" if clue.counted else "[____]"


def _bank(bank: Sequence[str], layout: Layout) -> str:
    if layout == "by_letter":
        letters = dict.fromkeys(sorted(tile[0] for tile in bank))
        return "\n".join(f"{letter.upper()}: {' '.join(t for t in bank if t[0] == letter)}" for letter in letters)
    if layout == "table":
        return _table(bank)
    if layout == "inline":
        return f"The tiles are {', '.join(bank[:-1])} and {bank[-1]}."
    return f"Tiles: {' | '.join(bank)}"


def _table(bank: Sequence[str]) -> str:
    rows = [bank[i : i + COLUMNS] for i in range(0, len(bank), COLUMNS)]
    lines = [f"| {' | '.join([*row, *[''] * (COLUMNS - len(row))])} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * COLUMNS, *lines[1:]])
