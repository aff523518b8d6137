"""What every diagnosis says: one finding with advice in words. Knows no run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["fine", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was seen, what it rests on, and what to do."""

    name: str
    severity: Severity
    seen: str
    advice: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
