"""Several processes that train one model: which of them this is, and what they tell each other. Knows no loss.

Rank 0 leads: it alone measures, saves, examines and hears requests, and tells the others what to do. Alone, a process
is a crew of one and all of this is nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realm.arena.control import Hooks, Request
from realm.config.run_spec import RunSpec
from realm.errors import TrainingError
from realm.records import Progress, Row, StepMetrics

if TYPE_CHECKING:
    from realm.arena.engine import Engine

PATIENCE = timedelta(days=1)
"""The others wait while rank 0 examines the hero; a rank that died is noticed by its connection, not by the clock."""
SHARED = frozenset({"sft", "sparring"})
"""Methods whose batches the processes know how to share."""


@dataclass(frozen=True, slots=True)
class Stand:
    """Where the crew begins: its run, the weights that another campaign left to it, a checkpoint to go on from."""

    spec: RunSpec
    start: Path | None
    checkpoint: Path | None
    progress: Progress


@dataclass(frozen=True, slots=True)
class Quest:
    """What is trained next."""

    rows: list[Row]
    run: str
    quest: str
    method: str


@dataclass(frozen=True, slots=True)
class Crew:
    """The processes of one training, seen from one of them."""

    rank: int = 0
    size: int = 1
    talk: Any = None
    """Process group for messages: gloo, wherever the gradients travel."""

    @classmethod
    def join(cls, env: Mapping[str, str] = os.environ) -> Crew:
        """Meet the others, as the launcher's variables (RANK, WORLD_SIZE, ...) tell; without them a crew of one."""
        size = int(env.get("WORLD_SIZE", "1"))
        if size == 1 or "RANK" not in env:
            return cls()
        import torch  # noqa: PLC0415 - torch stays behind the door
        import torch.distributed as dist  # noqa: PLC0415

        if torch.cuda.is_available():
            torch.cuda.set_device(int(env.get("LOCAL_RANK", "0")))
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
        return cls(dist.get_rank(), size, dist.new_group(backend="gloo", timeout=PATIENCE))

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def tell(self, value: Any = None) -> Any:
        """What rank 0 says here; every rank must come to this call."""
        if self.size == 1:
            return value
        from torch.distributed import broadcast_object_list  # noqa: PLC0415 - torch stays behind the door

        box = [value]
        broadcast_object_list(box, src=0, group=self.talk)
        return box[0]

    def require_shared(self, method: str) -> None:
        """Raises TrainingError for a method that a crew of several cannot share."""
        if self.size > 1:
            require_shared(method)

    def begin(self, rows: Iterable[Row], run: str, quest: str, method: str) -> Iterable[Row]:
        """Rank 0 hands the rows of a quest to the others, who wait for them in `Engine.follow`."""
        if self.size == 1 or not self.leads:
            return rows
        order = Quest(list(rows), run, quest, method)
        self.tell(order)
        return order.rows

    def end(self) -> None:
        """Nothing more is to be trained: the others go home."""
        if self.leads:
            self.tell(None)
        if self.size > 1:
            import torch.distributed as dist  # noqa: PLC0415 - torch stays behind the door

            dist.destroy_process_group()

    def hooks(self, hooks: Hooks) -> Hooks:
        """Hooks that all ranks agree on."""
        return hooks if self.size == 1 else _Agreed(self, hooks)


def require_shared(method: str) -> None:
    """Raises TrainingError for a method that several processes cannot share."""
    if method not in SHARED:
        raise TrainingError(
            f"The method {method} trains in one process; only sft and sparring can be shared.",
            hint="Set the hardware profile's processes = 1 (and nodes = 1) for this training.",
        )


class _Agreed:
    """Requests are rank 0's and reach all ranks at the same step; the rest happens on rank 0 alone."""

    def __init__(self, crew: Crew, hooks: Hooks) -> None:
        self._crew, self._hooks = crew, hooks

    def on_step(self, metrics: StepMetrics) -> None:
        self._hooks.on_step(metrics)

    def save(self, engine: Engine) -> None:
        self._hooks.save(engine)

    def request(self) -> Request | None:
        asked: Request | None = self._crew.tell(self._hooks.request())
        return asked

    def on_pause(self, step: int) -> None:
        self._hooks.on_pause(step)

    def on_resume(self, step: int) -> None:
        self._hooks.on_resume(step)

    def on_lighten(self, step: int, before: int, tokens: int) -> None:
        self._hooks.on_lighten(step, before, tokens)


class Silent:
    """Hooks of a rank that does not lead."""

    def on_step(self, metrics: StepMetrics) -> None: ...
    def save(self, engine: Engine) -> None: ...
    def request(self) -> Request | None:
        return None

    def on_pause(self, step: int) -> None: ...
    def on_resume(self, step: int) -> None: ...
    def on_lighten(self, step: int, before: int, tokens: int) -> None: ...
