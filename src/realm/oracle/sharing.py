"""How chat and training share one machine, by a rule that a person sets. Knows neither the engine nor the trainer.

`training_first`: the service runs at the lowest priority of the processor. `chat_first`: training waits as long as
each of its steps took while somebody is answered. `pause_on_chat`: it waits until nobody is. The word goes by a small
file among the signs of life, which is void when its writer has not renewed it: no training waits for a dead service.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

Rule = Literal["training_first", "chat_first", "pause_on_chat"]
NAME = "chat.beat"
VOID_SECONDS = 5.0
"""A word older than that is nobody's: it is renewed each second."""
POLL_SECONDS = 0.02
LOWEST = 19


def wait_seconds(rule: Rule, step_seconds: float) -> float:
    """How long training waits at most after a step, while somebody is being answered."""
    return {"training_first": 0.0, "chat_first": step_seconds, "pause_on_chat": float("inf")}[rule]


def take_place(rule: Rule) -> None:
    """Called by the service as it starts: whoever comes second runs when the first leaves time."""
    if rule == "training_first":
        with suppress(OSError):  # some systems let no process change its priority
            os.nice(LOWEST)


class Word:
    """The service's side: whether somebody is being answered."""

    def __init__(self, logs: Path, rule: Rule) -> None:
        self._path, self._rule = logs / NAME, rule

    def say(self, requests: int) -> None:
        """To be called at each change and once a second."""
        if requests and self._rule != "training_first":
            with suppress(OSError):
                self._path.touch()
        else:
            self.take_back()

    def take_back(self) -> None:
        self._path.unlink(missing_ok=True)


class Courtesy:
    """The training's side."""

    def __init__(self, logs: Path, rule: Rule, sleep: Callable[[float], None] = time.sleep) -> None:
        self._path, self._rule, self._sleep = logs / NAME, rule, sleep

    def give_way(self, step_seconds: float, is_called: Callable[[], bool] = lambda: False) -> float:
        """After a step: wait as the rule has it, or until something calls. Returns the seconds waited."""
        most = wait_seconds(self._rule, step_seconds)
        if not most or not self._is_said():
            return 0.0
        began = time.monotonic()
        while (waited := time.monotonic() - began) < most and self._is_said() and not is_called():
            self._sleep(min(POLL_SECONDS, most - waited))
        return time.monotonic() - began

    def _is_said(self) -> bool:
        try:
            return time.time() - self._path.stat().st_mtime < VOID_SECONDS
        except OSError:
            return False
