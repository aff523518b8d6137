"""From a file dropped into the inbox to the first optimizer step of a warm hero.

python benchmarks/quest_latency.py [--drops 5] [--rows 200]

A real `realm serve hero` in a workspace of its own, its practice switched off. One quest is trained first; then each
file is dropped while the hero has nothing to do. All times but the drop's are those of the facts and of the step
themselves: `queued` is noticed, has stood still for quests.settle_seconds (0.3), and is checked; `started` until its
run begins; `read` until its first step begins; `step` until that step has ended. Prints seconds for each drop and the
medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

from realm.db import Database, open_database
from realm.events import Events
from realm.records import CampaignKey
from realm.watchtower.metrics import Metrics
from realm.workspace import Workspace

KEY = CampaignKey("hatchling", "latency")
SETTINGS = """\
campaign.name = "latency"
heroes.hatchling.idle_generation.enabled = false
# an examination comes after what is measured; a short one only makes the program shorter
curriculum = { exam_problems = 5, training_problems = 0, exam_max_new_tokens = 16 }
training.logging_steps = 1
"""
PARTS = ("queued", "started", "read", "step", "total")
PATIENCE_SECONDS = 120.0


@contextmanager
def awake(workspace: Workspace) -> Iterator[Database]:
    """A hero's process and its database; the process is ended like any service."""
    workspace.create()
    workspace.settings.write_text(SETTINGS, encoding="utf-8")
    with closing(open_database(workspace.database)) as db:
        db.upgrade()
        process = subprocess.Popen(
            [sys.executable, "-m", "realm", "serve", "hero"],
            env={**os.environ, "REALM_HOME": str(workspace.root)},
            stderr=subprocess.DEVNULL,
        )
        try:
            wait(lambda: bool(Events(db).since(kinds=["blocker_raised"])), "the hero to wake")
            yield db
        finally:
            process.terminate()
            process.wait()


def wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"Waited {PATIENCE_SECONDS:.0f} s for {what}.")
        time.sleep(0.05)


def drop(workspace: Workspace, db: Database, name: str, rows: int) -> dict[str, float]:
    """Drop one file, wait until it is trained. Returns the seconds of each part."""
    row = '{{"prompt": "{name}: {i} + {i} =", "completion": "{answer}"}}\n'
    content = "".join(row.format(name=name, i=i, answer=2 * i) for i in range(rows))
    events, metrics = Events(db), Metrics(db)
    before, newest = events.last_id(), metrics.latest(KEY)
    dropped = time.time()
    (workspace.inbox / f"{name}.jsonl").write_text(content, encoding="utf-8")
    wait(lambda: bool(events.since(before, kinds=["quest_completed"])), f"{name} to be trained")
    at = {recorded.kind: recorded.time for recorded in events.since(before)}
    first = metrics.after(KEY, newest.step if newest else 0, limit=1)[0]
    moments = (
        dropped,
        at["quest_queued"],
        at["run_started"],
        first.time - first.step_seconds,
        first.time,
    )
    spans = [later - earlier for earlier, later in pairwise(moments)]
    return dict(zip(PARTS, [*spans, first.time - dropped], strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--drops", type=int, default=5)
    parser.add_argument("--rows", type=int, default=200)
    chosen = parser.parse_args()
    taken = []
    print(f"{chosen.rows} rows, seconds    " + "".join(f"{part:>9}" for part in PARTS))
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "realm")
        with awake(workspace) as db:
            drop(workspace, db, "warming", chosen.rows)
            for number in range(chosen.drops):
                time.sleep(1.0 + number * 0.11)  # at rest again, and not always at the same moment of a rest
                taken.append(drop(workspace, db, f"drop-{number}", chosen.rows))
                print(f"drop {number + 1:<18}" + "".join(f"{taken[-1][part]:9.3f}" for part in PARTS), flush=True)
    print(f"{'median':<23}" + "".join(f"{statistics.median(t[part] for t in taken):9.3f}" for part in PARTS))


if __name__ == "__main__":
    main()
