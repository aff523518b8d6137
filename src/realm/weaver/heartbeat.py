"""Signs of life that a supervised process gives in a file. Knows nothing of who looks at them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BEAT_SECONDS = 10.0


class Heartbeat:
    """One process's file: its last change is the last sign of life."""

    def __init__(self, path: Path, every_seconds: float = BEAT_SECONDS) -> None:
        self._path = path
        self._every_seconds = every_seconds

    def beat(self) -> None:
        """One sign of life. Belongs where work makes progress: a process that hangs must fall silent."""
        self._path.touch()

    @contextmanager
    def during(self) -> Iterator[None]:
        """Beat from a thread for as long as the block runs.

        Only for what may take minutes, ends by itself and has no place inside to beat, like reading a big model:
        whatever hangs in the block looks alive.
        """
        done = threading.Event()

        def beat_on() -> None:
            while not done.wait(self._every_seconds):
                self.beat()

        self.beat()
        thread = threading.Thread(target=beat_on, name="heartbeat")
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
