"""How a run talks to whoever started it: metrics out, saves out, requests in. Knows no file and no database."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal, Protocol

from realm.records import StepMetrics

if TYPE_CHECKING:
    from realm.arena.engine import Engine

Request = Literal["pause", "stop", "skip"]

POLL_SECONDS = 0.05


class Hooks(Protocol):
    """What the arena asks of the floor above while it trains."""

    def on_step(self, metrics: StepMetrics) -> None:
        """One optimizer step was made."""

    def save(self, engine: Engine) -> None:
        """A checkpoint is due: `engine.progress` and `engine.write` say what to keep."""

    def request(self) -> Request | None:
        """What a person wants now. Asked before the first step, after each one, and while a quest is prepared."""

    def on_pause(self, step: int) -> None:
        """Training stands still after that campaign step."""

    def on_resume(self, step: int) -> None:
        """Training goes on after a pause."""

    def on_lighten(self, step: int, before: int, tokens: int) -> None:
        """Memory ran out in the step after that one; no more than so many tokens are computed at once from now on."""


def next_request(hooks: Hooks, step: int) -> Literal["stop", "skip"] | None:
    """Wait as long as a pause is asked for; what is asked for then."""
    request = hooks.request()
    if request != "pause":
        return request
    hooks.on_pause(step)
    while request == "pause":
        time.sleep(POLL_SECONDS)
        request = hooks.request()
    hooks.on_resume(step)
    return request
