"""The eight forms of an answer: how each is asked for, written and read. Reading never raises. Knows no grade."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .spec import Format, Label

Entry = tuple[str, tuple[str, ...] | None]
"""A word and, where the form tells them, its syllables."""

ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii", "xiv", "xv", "xvi")
HEAD = ("| clue | word |", "|---|---|")
FENCE = re.compile(r"```[A-Za-z]*[ \t]*\n(.*)\n[ \t]*```", re.DOTALL)


def marks(label: Label, n: int) -> list[str]:
    """What the clues are called, in their order; bullets have no name."""
    if label == "letter":
        return [chr(ord("A") + i) for i in range(n)]
    if label == "roman":
        return list(ROMAN[:n])
    return ["-"] * n if label == "bullet" else [str(i) for i in range(1, n + 1)]


def keys(label: Label, n: int) -> list[str]:
    """Names of the clues in an answer; clues with bullets are counted."""
    return marks("number" if label == "bullet" else label, n)


@dataclass(frozen=True)
class Form:
    """`ask`: what the prompt says. `write` takes words and keys. `read` gives entries in the clues' order, or None."""

    ask: str
    write: Callable[[Sequence[Sequence[str]], Sequence[str]], str]
    read: Callable[[str, Sequence[str]], list[Entry] | None]


# JSON


class _TwiceError(ValueError):
    """A key stands twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _TwiceError
    return found


def _json(text: str) -> Any:
    """The one JSON value of a text, which may stand in a code fence; None where there is none."""
    fenced = FENCE.fullmatch(text)
    try:
        return json.loads(fenced.group(1) if fenced else text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None


def _json_words(text: str, names: Sequence[str]) -> list[Entry] | None:
    value = _json(text)
    if not isinstance(value, list):
        return None
    found: list[Entry] = []
    for item in value:
        if not isinstance(item, dict) or set(item) != {"word", "syllables"}:
            return None
        word, parts = item["word"], item["syllables"]
        if not isinstance(word, str) or not isinstance(parts, list) or not all(isinstance(p, str) for p in parts):
            return None
        found.append((word, tuple(parts)))
    return found


def _json_list(text: str, names: Sequence[str]) -> list[Entry] | None:
    value = _json(text)
    return _entries(value) if isinstance(value, list) else None


def _json_map(text: str, names: Sequence[str]) -> list[Entry] | None:
    value = _json(text)
    if not isinstance(value, dict) or set(value) != set(names):
        return None
    return _entries([value[name] for name in names])


def _entries(words: list[Any]) -> list[Entry] | None:
    return [(word, None) for word in words] if all(isinstance(word, str) for word in words) else None


# Text


def _table(text: str, names: Sequence[str]) -> list[Entry] | None:
    rows = [[cell.strip() for cell in line.strip().split("|")] for line in text.split("\n")]
    if len(rows) < 2 or any(len(row) != 4 or row[0] or row[3] for row in rows):
        return None
    head, rule, *body = [row[1:3] for row in rows]
    if [cell.lower() for cell in head] != ["clue", "word"] or not all(re.fullmatch(":?-+:?", cell) for cell in rule):
        return None
    same = [name.lower() for name, _ in body] == [name.lower() for name in names]
    return [(word, None) for _, word in body] if same else None


def _numbered(text: str, names: Sequence[str]) -> list[Entry] | None:
    found: list[Entry] = []
    for i, line in enumerate(text.split("\n"), 1):
        number, dot, word = line.strip().partition(". ")
        if number != str(i) or not dot:
            return None
        found.append((word.strip(), None))
    return found


def _lines(text: str, names: Sequence[str]) -> list[Entry] | None:
    return [(line.strip(), None) for line in text.split("\n")]


def _comma(text: str, names: Sequence[str]) -> list[Entry] | None:
    return [(part.strip(), None) for part in text.split(",")]


def _word(parts: Sequence[str]) -> str:
    return "".join(parts)


def _counts(words: Sequence[Sequence[str]], names: Sequence[str]) -> str:
    letters = " ".join(parts[0][0] for parts in words)
    return f"words: {len(words)}\nfirst letters: {letters}\nsyllables: {sum(map(len, words))}"


def same_counts(text: str, answer: str) -> bool:
    """Whether a text tells the same counts; spaces and capitals do not matter."""
    if not text.isascii():
        return False
    plain = [" ".join(line.lower().split()) for line in text.split("\n")]
    return plain == answer.split("\n")


FORMS: Mapping[Format, Form] = {
    "json_words": Form(
        'Answer in JSON, in the order of the clues: [{"word": "...", "syllables": ["...", "..."]}, ...]',
        lambda words, names: json.dumps([{"word": _word(parts), "syllables": list(parts)} for parts in words]),
        _json_words,
    ),
    "json_list": Form(
        'Answer in JSON, in the order of the clues: ["...", "...", ...]',
        lambda words, names: json.dumps([_word(parts) for parts in words]),
        _json_list,
    ),
    "json_map": Form(
        'Answer in JSON: {{"{first}": "...", "{second}": "...", ...}}',
        lambda words, names: json.dumps({name: _word(parts) for name, parts in zip(names, words, strict=True)}),
        _json_map,
    ),
    "table": Form(
        "Answer with a Markdown table of two columns, clue ({first}, {second}, ...) and word.",
        lambda words, names: "\n".join(
            [*HEAD, *(f"| {name} | {_word(parts)} |" for name, parts in zip(names, words, strict=True))]
        ),
        _table,
    ),
    "numbered": Form(
        "Answer with a numbered list (1. 2. ...) of the words, in the order of the clues.",
        lambda words, names: "\n".join(f"{i}. {_word(parts)}" for i, parts in enumerate(words, 1)),
        _numbered,
    ),
    "lines": Form(
        "Answer with one word a line, in the order of the clues.",
        lambda words, names: "\n".join(map(_word, words)),
        _lines,
    ),
    "comma": Form(
        "Answer with the words in one line, separated by commas, in the order of the clues.",
        lambda words, names: ", ".join(map(_word, words)),
        _comma,
    ),
    "counts": Form(
        'Do not write the words. Answer with three lines: "words: " and how many there are, "first letters: " and the '
        'first letter of each in the order of the clues, "syllables: " and how many syllables they have together.',
        _counts,
        lambda text, names: None,
    ),
}


def ask(wanted: Format, names: Sequence[str]) -> str:
    """What the prompt says about the answer."""
    text = FORMS[wanted].ask
    return text.format(first=names[0], second=names[1]) if wanted in ("json_map", "table") else text
