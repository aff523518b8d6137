"""Which rows of a person's past files are mixed into practice: real ones, never a skill's or an examination's. Pure.

Knows rows and texts; no file and no queue. Practice is written as prompts and completions, so rows are brought to that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any

from realm.records import PastRow, Row, texts

Forbidden = Callable[[str], bool]
"""Whether a text must not be trained on."""
POOL = 4
"""Rows drawn for each one wanted, before their texts are looked at."""
INDEXED = 4
"""Characters by which forbidden prompts are looked up."""
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Grounded:
    """One real row as practice writes it, and where it came from."""

    prompt: Any
    """Text, or messages."""
    completion: Any
    origin: PastRow

    def as_json(self) -> dict[str, Any]:
        about = {"origin": {"quest": self.origin.quest, "row": self.origin.number}}
        return {"prompt": self.prompt, "completion": self.completion, "meta": about}


def choose(
    past: Iterable[PastRow], count: int, seed: str, forbidden: Forbidden, skills: Collection[str]
) -> list[Grounded]:
    """Up to `count` of the rows, each as likely as any other, the same for the same seed, in an order of the seed's.

    Left out: rows that cannot be written as prompt and completion, that name one of the `skills`, or that hold a
    forbidden text anywhere.
    """
    if not count:
        return []
    draw = Random(f"{seed}/grounding")
    pool: list[Grounded] = []
    for place, row in enumerate(_pairs(past, skills)):
        if len(pool) < count * POOL:
            pool.append(row)
        elif (spot := draw.randrange(place + 1)) < len(pool):  # reservoir sampling: the number of rows is not known
            pool[spot] = row
    draw.shuffle(pool)
    good = (row for row in pool if not any(map(forbidden, texts([row.prompt, row.completion]))))
    return list(islice(good, count))


def origins(rows: Iterable[Grounded]) -> list[dict[str, Any]]:
    """Where rows came from, for the sidecar: each file once, with the numbers of its rows (good rows count from 1)."""
    files: dict[str, dict[str, Any]] = {}
    for origin in (row.origin for row in rows):
        about = {"quest": origin.quest, "name": origin.name, "sha256": origin.sha256, "rows": []}
        files.setdefault(origin.quest, about)["rows"].append(origin.number)
    return list(files.values())


def forbidding(prompts: Iterable[str], vocabularies: Iterable[Collection[str]]) -> Forbidden:
    """A test for texts that hold one of the prompts, or a line that is written in a skill's own signs.

    Spaces do not count. A skill's signs are those tokens of its vocabulary that are neither ASCII nor letters; a line
    is the skill's when its vocabulary alone makes it and such a sign is in it: whatever problem it states may be one
    of the examination side.
    """
    known: dict[str, set[str]] = {}
    for prompt in map(_squeeze, prompts):
        if prompt:
            known.setdefault(prompt[:INDEXED], set()).add(prompt)
    readers = [reader for vocabulary in vocabularies if (reader := _reader(vocabulary))]

    def forbidden(text: str) -> bool:
        lines = [_squeeze(line) for line in text.splitlines()]
        if any(reader(line) for line in lines for reader in readers):
            return True
        return _holds_any("".join(lines), known)

    return forbidden


def _holds_any(text: str, known: Mapping[str, Collection[str]]) -> bool:
    """Whether a text holds one of the prompts, which are filed under their first characters."""
    lengths = {len(start) for start in known}
    for at in range(len(text)):
        for length in lengths:
            if any(text.startswith(prompt, at) for prompt in known.get(text[at : at + length], ())):
                return True
    return False


def _reader(vocabulary: Collection[str]) -> Callable[[str], bool] | None:
    tokens = {token for word in vocabulary if (token := _squeeze(word))}
    signs = {token for token in tokens if not token.isascii() and not token.isalpha()}
    if not signs:
        return None
    longest_first = "|".join(re.escape(token) for token in sorted(tokens, key=len, reverse=True))
    line = re.compile(f"(?:{longest_first})++")  # possessive: a long line costs no more than its length
    return lambda text: any(sign in text for sign in signs) and line.fullmatch(text) is not None


def _pairs(past: Iterable[PastRow], skills: Collection[str]) -> Iterator[Grounded]:
    for one in past:
        about = one.row.get("meta")
        named = str(about.get("skill", "")) if isinstance(about, Mapping) else ""
        if named not in skills and (pair := _as_pair(one.row)) is not None:
            yield Grounded(*pair, one)


def _as_pair(row: Row) -> tuple[Any, Any] | None:
    """A row as prompt and completion; of a conversation the last answer is trained. None where it has neither."""
    if row.get("tools"):
        return None
    if "prompt" in row and "completion" in row:
        return row["prompt"], row["completion"]
    messages = row.get("messages")
    if not isinstance(messages, list) or len(messages) < 2 or messages[-1].get("role") != "assistant":
        return None
    return messages[:-1], messages[-1:]


def _squeeze(text: str) -> str:
    return _SPACE.sub("", text)
