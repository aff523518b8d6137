"""Minutes and tokens from the first breath to BIN's first levels, the hero loop as it ships, one life per seed.

python benchmarks/hatchling_levels.py [--seeds 0 1 2] [--until 3] [--minutes 10] [--shuffled] [--set KEY=VALUE ...]

The clock starts before the hero is built; examinations, sealing and the generation of practice are inside. With
--shuffled every practice problem gets the answer of another one: the control, which must reach nothing.
Prints each examination of a frontier, then a line per seed and the medians. Give it a quiet machine; how fast it was
just then is told before each life by the time of a reference step.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import statistics
import tempfile
import threading
import time
from pathlib import Path

from machine import reference_ms
from realm.cli.context import open_workspace
from realm.cli.serve import spin_briefly
from realm.hero_loop import HeroLoop
from realm.hero_loop.own_data import OwnData
from realm.records import CheckpointRecord
from realm.workspace import Workspace


class Life(HeroLoop):
    """A hero's life that ends when its level is reached or its time is over."""

    def prepare(self, until: int, seconds: float, shuffled: bool) -> None:
        self.began, self.until, self.seconds = time.perf_counter(), until, seconds
        self.own_data = Shuffled(self) if shuffled else self.own_data
        self.reached: dict[int, tuple[float, int]] = {}

    def be_examined(self, checkpoint: CheckpointRecord) -> None:
        super().be_examined(checkpoint)
        minutes, tokens = (time.perf_counter() - self.began) / 60, self.engine.progress.tokens
        for taken in self.guild.newest(self.key):
            print(
                f"  {minutes:5.2f} min {tokens:>9,} tokens  {taken.role} {taken.level}: {taken.accuracy:.2f}"
                + (f"  training side {taken.training_correct / taken.training_n:.2f}" if taken.training_n else ""),
                flush=True,
            )
        level = self.guild.levels(self.key).get("bin", 0)
        for mastered in range(max(self.reached, default=0) + 1, level + 1):
            self.reached[mastered] = minutes, tokens
        if level >= self.until or minutes * 60 > self.seconds:
            self.stopping.set()


class Shuffled(OwnData):
    """Practises wrong answers."""

    def practise(self) -> None:
        inbox = self._day.inbox
        take = inbox.take
        inbox.take = lambda path: take(shuffle_answers(path))  # type: ignore[method-assign]
        try:
            super().practise()
        finally:
            inbox.take = take  # type: ignore[method-assign]


def shuffle_answers(path: Path) -> Path:
    """Each prompt gets the answer of another row."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    answers = [row["completion"] for row in rows]
    random.Random(path.name).shuffle(answers)
    for row, answer in zip(rows, answers, strict=True):
        row["completion"] = answer
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def live(seed: int, chosen: argparse.Namespace) -> dict[int, tuple[float, int]]:
    """One life from nothing. Returns level -> (minutes, tokens)."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        workspace.create()
        overrides = "\n".join(chosen.set)
        workspace.settings.write_text(f"campaign.seed = {seed}\n{overrides}\n", encoding="utf-8")
        realm = open_workspace(workspace, checkpoints=True)
        life = Life(realm.workspace, realm.settings, realm.db, realm.events)
        life.prepare(chosen.until, chosen.minutes * 60, chosen.shuffled)
        life.live(threading.Event())
        realm.db.close()
        return life.reached


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--until", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--shuffled", action="store_true")
    parser.add_argument("--set", nargs="*", default=[], help="lines of realm.toml, such as curriculum.levels_above=4")
    chosen = parser.parse_args()
    logging.disable(logging.INFO)
    spin_briefly()
    lives = {}
    for seed in chosen.seeds:
        print(f"seed {seed}  (reference step of this machine: {reference_ms():.1f} ms)", flush=True)
        lives[seed] = live(seed, chosen)
    print(f"reference step of this machine: {reference_ms():.1f} ms")
    for seed, reached in lives.items():
        told = ", ".join(
            f"L{level} {minutes:.2f} min ({tokens:,} tokens)" for level, (minutes, tokens) in reached.items()
        )
        print(f"seed {seed}: {told or 'no level'}")
    for level in range(1, chosen.until + 1):
        times = [reached[level][0] if level in reached else float("inf") for reached in lives.values()]
        print(f"L{level} median {statistics.median(times):.2f} min")


if __name__ == "__main__":
    main()
