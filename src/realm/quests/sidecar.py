"""`<file>.meta.json`: who made a quest file and what it wants. Reads and writes that small file, nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realm.errors import QuestError
from realm.quests.lines import open_file
from realm.workspace import PRIORITIES

SUFFIX = ".meta.json"
MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What a sidecar says. `values` is the whole of it, kept as it came; `problem` says why it was not understood."""

    values: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    def text(self, key: str) -> str:
        value = self.values.get(key)
        return value if isinstance(value, str) else ""

    @property
    def priority(self) -> str | None:
        return self.text("priority") if self.text("priority") in PRIORITIES else None

    @property
    def level(self) -> int | None:
        level = self.values.get("level")
        return level if isinstance(level, int) and not isinstance(level, bool) else None


def path_of(file: Path) -> Path:
    return file.with_name(file.name + SUFFIX)


def read(path: Path) -> Sidecar:
    """The sidecar at `path`; an empty one if there is none. Never raises for what it holds."""
    if not os.path.lexists(path):
        return Sidecar()
    try:
        with open_file(path) as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            return Sidecar(problem="its sidecar is larger than 1 MB and was not read")
        values = json.loads(data)
    except QuestError as error:
        return Sidecar(problem=f"its sidecar was not read: {error.message}")
    except (ValueError, RecursionError):
        return Sidecar({"unread": data.decode("utf-8", "replace")}, "its sidecar is not valid JSON and was not used")
    if not isinstance(values, dict):
        return Sidecar({"unread": values}, "its sidecar is no JSON object and was not used")
    return Sidecar(values)


def encode(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=2, ensure_ascii=True) + "\n").encode()
