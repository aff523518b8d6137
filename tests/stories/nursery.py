"""A process that has imported torch once and forks a hero loop on request: a life then starts in milliseconds.

A line of JSON on stdin, {"home": DIR}, begins a life; the child's pid is answered, and later its exit code.
Each child is a real process with its own database connections and locks, and may be killed with SIGKILL.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback

# Imported here, before any fork; nothing below starts a thread in this parent.
from realm.cli.context import open_workspace
from realm.hero_loop import HeroLoop
from realm.workspace import Workspace


def live(home: str) -> None:
    """A hero's life that ends by itself when nothing waits."""
    realm = open_workspace(Workspace(home), checkpoints=True)
    stopping = threading.Event()

    class Finite(HeroLoop):
        def rest(self) -> None:
            if not self.inbox.expects and not self.queue.waiting() and self.queue.active() is None:
                stopping.set()
            super().rest()

    Finite(realm.workspace, realm.settings, realm.db, realm.events).live(stopping)
    realm.db.close()


def main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        home = json.loads(line)["home"]
        child = os.fork()
        if child == 0:
            code = 1
            try:
                sys.stdin.close()
                live(home)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
