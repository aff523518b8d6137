"""A run that goes on when memory runs out: the same batches, computed in smaller parts. Knows no loss and no file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from realm.arena.fit.memory import give_back, is_shortage
from realm.errors import TrainingError

WAYS_OUT = (
    "Shorten max_length, set gradient_checkpointing = true or optim = 'adamw_8bit', or train an adapter. "
    "What takes how much: realm estimate"
)


@runtime_checkable
class Divisible(Protocol):
    """A course whose batches can be computed in smaller parts."""

    def lighten(self) -> tuple[int, int] | None:
        """From now on, about half as many tokens at once: how many before and now; None when that is one row."""


def run_within_memory(course: Any, watch: Any, at: Callable[[], int], on_lighten: Callable[[int, int], object]) -> None:
    """Run a course from the quest's step `at()`; where memory runs out before an update, divide and go on there.

    Nothing is lost: no weight has changed in the step that failed, and its batches come again. Raises TrainingError
    when a single row is too much, or memory ran out in the update itself.
    """
    while not _ran(course, watch, at()):
        give_back()  # outside the handler, whose traceback still holds the step's tensors
        told = course.lighten() if isinstance(course, Divisible) else None
        if told is None:
            raise TrainingError("Memory ran out, and the batch cannot be divided any further.", hint=WAYS_OUT)
        on_lighten(*told)


def _ran(course: Any, watch: Any, first_step: int) -> bool:
    try:
        course.run(first_step, watch)
    except (MemoryError, RuntimeError) as error:
        if not is_shortage(error):
            raise
        if watch.updating:  # some weights may have moved and others not
            raise TrainingError(
                "Memory ran out in the update of the weights; the last checkpoint is intact.", hint=WAYS_OUT
            ) from error
        return False
    return True
