"""Who a quest is: its content's sha256, the id made from it, and the name it is stored under. Moves nothing."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256
from pathlib import Path

from realm.quests.lines import open_file

ID_LENGTH = 12
_STORED = re.compile(r"([0-9a-f]{12}(?:\.[0-9]+)?)-.*\.jsonl", re.DOTALL)
_KEPT_BYTES = 80
_READ_BYTES = 1 << 20


def digest(path: Path) -> str:
    """sha256 of a regular file's bytes, in hex. Raises QuestError."""
    hasher = sha256()
    with open_file(path) as file:
        while block := file.read(_READ_BYTES):
            hasher.update(block)
    return hasher.hexdigest()


def digest_of_name(path: Path) -> str:
    """An identity for what has no content to read (a folder, a link)."""
    return sha256(b"no file: " + path.name.encode("utf-8", "surrogateescape")).hexdigest()


def quest_id(sha256_hex: str, copy: int = 1) -> str:
    """The first 12 hex digits; a further quest of the same content gets a counter: `3fa9c1d2e4b5.2`."""
    return sha256_hex[:ID_LENGTH] + (f".{copy}" if copy > 1 else "")


def stored_name(quest: str, name: str) -> str:
    """The name of a quest's file in the queue, safe for any shell and file system."""
    return f"{quest}-{safe_stem(name)}.jsonl"


def stored_id(file_name: str) -> str | None:
    """The quest id that a file name in the queue carries; None for a name that the queue did not give."""
    found = _STORED.fullmatch(file_name)
    return found[1] if found and is_quest_file(file_name) else None


def is_quest_file(file_name: str) -> bool:
    """Whether a name in a queue folder is that of a quest (and not of its report or of an unfinished file)."""
    return file_name.endswith(".jsonl") and not file_name.endswith(".rejected.jsonl") and not file_name.startswith(".")


def safe_stem(name: str) -> str:
    """Letters, digits, `_` and `-` of a file's name without its ending; never a path, never empty."""
    text = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    stem = re.sub(r"\.(jsonl|json|ndjson|txt)$", "", text, flags=re.IGNORECASE)
    stem = re.sub(r"[^\w-]+", "-", stem).strip("-")
    return stem.encode()[:_KEPT_BYTES].decode("utf-8", "ignore") or "quest"
