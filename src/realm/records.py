"""Plain records that several rooms pass to each other. Knows no database, no model, no page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Row = Mapping[str, Any]
"""One training example in an internal shape (docs/formats.md): `messages`, or `prompt` and `completion`, or `text`;
`meta` is never trained on."""


def texts(value: Any) -> Iterator[str]:
    """Every text inside a row, or a part of one, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner)


@dataclass(frozen=True, slots=True)
class PastRow:
    """A row of a file that was trained before, and where it stands."""

    quest: str
    name: str
    sha256: str
    number: int
    """Place among the file's good rows, from 1."""
    row: Row


LevelCell = tuple[str, int]
"""A skill and one of its levels."""
UNNAMED: LevelCell = ("", 0)
"""What a row belongs to that names no level."""


@dataclass(frozen=True, slots=True, order=True)
class CampaignKey:
    """One hero in one campaign: the key of every ledger."""

    hero: str
    campaign: str

    def __str__(self) -> str:
        return f"{self.hero}:{self.campaign}"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a campaign stands at a checkpoint: enough to go on without skipping or repeating a batch."""

    step: int = 0
    """Optimizer steps of the campaign; never resets."""
    tokens: int = 0
    """Tokens trained in the campaign (those that carry loss)."""
    run: str = ""
    quest: str = ""
    """Id of the quest in training."""
    quest_step: int = 0
    """Optimizer steps done within this quest."""
    quest_done: bool = True
    """The quest was trained to its end."""
    effort: float = 0.0
    """Sum of strain over the campaign's steps."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """What one optimizer step showed. Times are Unix seconds, durations seconds."""

    step: int
    time: float
    loss: float
    grad_norm: float
    learning_rate: float
    tokens: int
    """Tokens of this step that carry loss."""
    input_tokens: int
    """Useful tokens of this step (padding not counted)."""
    step_seconds: float
    quest_step: int
    quest_steps: int
    val_loss: float | None = None
    strain: float | None = None
    effort: float | None = None
    measures: Mapping[str, float] = field(default_factory=dict)
    """What else the method measured, by name (docs/methods.md)."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended."""

    outcome: Literal["completed", "stopped", "skipped"]
    progress: Progress
    steps: int
    tokens: int
    seconds: float
    loss_first: float
    loss_last: float
    val_loss: float | None


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """A sealed checkpoint as the ledger knows it."""

    id: str
    """`hero:campaign@step`."""
    hero: str
    campaign: str
    step: int
    path: str
    created: float
    size_bytes: int
    parent: str
    run: str
    metrics: Mapping[str, Any] = field(default_factory=dict)
    levels: Mapping[str, int] = field(default_factory=dict)
    """Mastered level of each skill at save."""
    accuracy: float | None = None
    """Pooled examination accuracy: what makes a champion."""
    state: Literal["present", "stored", "dropped", "quarantined"] = "present"
    """`stored`: whole, but in another zone than the workspace."""
    champion: bool = False
