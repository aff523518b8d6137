"""How far the hatchling comes in SY from scratch, and which primitives it lacks, one life per seed.

python benchmarks/hatchling_sy.py [--seeds 0] [--minutes 30] [--set KEY=VALUE ...]

The hero loop as it ships with the one skill `sy` in focus. Prints each examination of a frontier and, at the end, the
accuracy of each primitive in the newest one with its interval. Give it a quiet machine.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import threading
import time
from pathlib import Path

from realm.cli.context import open_workspace
from realm.cli.serve import spin_briefly
from realm.hero_loop import HeroLoop
from realm.records import CheckpointRecord
from realm.workspace import Workspace


class Life(HeroLoop):
    """A hero's life that ends when its time is over."""

    def prepare(self, seconds: float) -> None:
        self.began, self.cpu_began, self.seconds = time.perf_counter(), time.process_time(), seconds

    def be_examined(self, checkpoint: CheckpointRecord) -> None:
        super().be_examined(checkpoint)
        worked, passed = time.process_time() - self.cpu_began, time.perf_counter() - self.began
        for taken in self.guild.newest(self.key):
            gap = f"  training side {taken.training_correct / taken.training_n:.2f}" if taken.training_n else ""
            spent = f"{passed / 60:6.2f} min, {worked / 60:6.2f} of processor time"
            told = f"{taken.role} {taken.level}: {taken.accuracy:.2f} (mean value {taken.mean_value:.2f})"
            print(f"  {spent} {self.engine.progress.tokens:>10,} tokens  {told}{gap}", flush=True)
        if passed > self.seconds:
            self.stopping.set()


def live(seed: int, chosen: argparse.Namespace) -> None:
    """One life from nothing."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        workspace.create()
        lines = [f"campaign.seed = {seed}", 'campaign.skills = ["sy"]', *chosen.set]
        workspace.settings.write_text("\n".join(lines) + "\n", encoding="utf-8")
        realm = open_workspace(workspace, checkpoints=True)
        life = Life(realm.workspace, realm.settings, realm.db, realm.events)
        life.prepare(chosen.minutes * 60)
        life.live(threading.Event())
        print(f"seed {seed}: level {life.guild.levels(life.key).get('sy', 0)}")
        for found in life.guild.primitives(life.key, "sy"):
            low, high = found.interval.low, found.interval.high
            print(f"  {found.name:32} {found.accuracy:.2f} of {found.n:3}  [{low:.2f}, {high:.2f}]")
        realm.db.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--set", nargs="*", default=[], help="lines of realm.toml")
    chosen = parser.parse_args()
    logging.disable(logging.INFO)
    spin_briefly()
    for seed in chosen.seeds:
        print(f"seed {seed}", flush=True)
        live(seed, chosen)


if __name__ == "__main__":
    main()
