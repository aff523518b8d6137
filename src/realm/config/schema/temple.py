"""The Temple: what is weighed, and what the champion's place takes. Reads no file."""

from __future__ import annotations

from pydantic import Field

from realm.config.schema.base import Settings


class TempleSettings(Settings):
    """Verdicts on runs, and the gate of the champion (docs: temple)."""

    enabled: bool = True
    """Weigh every run of a campaign once it has ended."""
    gate: bool = True
    """Only a checkpoint that is surely better than the champion, and harms nothing else, takes its place."""
    significance: float = Field(0.05, gt=0, lt=1)
    """Probability of chance at which a change on paired problems counts as one."""
