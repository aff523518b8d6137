"""The control: short lives whose practice has shuffled answers gain no level, whatever the seed.

    python benchmarks/random_answers.py [--seeds 20] [--quests 6] [--examples 500]

The hero loop as it ships but for the answers: each practice problem gets the answer of another one. Examinations are
the real ones. Prints for each seed the examinations of the frontier and the level-ups, then their sum; exits with 1
when there is one.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import threading
from pathlib import Path

from hatchling_levels import Shuffled
from realm.cli.context import open_workspace
from realm.cli.serve import spin_briefly
from realm.events import LevelGained, QuestCompleted
from realm.hero_loop import HeroLoop
from realm.workspace import Workspace


class Control(HeroLoop):
    """A life of so many quests."""

    quests = 6

    def day(self) -> None:
        super().day()
        done = sum(isinstance(r.fact, QuestCompleted) for r in self.events.replay(kinds=["quest_completed"]))
        if done >= self.quests:
            self.stopping.set()


def live(seed: int, chosen: argparse.Namespace) -> tuple[list[float], int]:
    """One life from nothing. Returns the accuracies of the frontier and the number of level-ups."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        workspace.create()
        examples = f"heroes.hatchling.idle_generation.examples = {chosen.examples}"
        workspace.settings.write_text(f"campaign.seed = {seed}\n{examples}\n", encoding="utf-8")
        realm = open_workspace(workspace, checkpoints=True)
        control = Control(realm.workspace, realm.settings, realm.db, realm.events)
        control.quests, control.own_data = chosen.quests, Shuffled(control)
        control.live(threading.Event())
        gained = sum(isinstance(r.fact, LevelGained) for r in realm.events.replay(kinds=["level_gained"]))
        taken = [e.accuracy for e in reversed(control.guild.examinations(control.key)) if e.role == "frontier"]
        realm.db.close()
        return taken, gained


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--quests", type=int, default=6)
    parser.add_argument("--examples", type=int, default=500)
    chosen = parser.parse_args()
    logging.disable(logging.INFO)
    spin_briefly()
    examined = level_ups = 0
    highest = 0.0
    for seed in range(chosen.seeds):
        taken, gained = live(seed, chosen)
        examined, level_ups, highest = examined + len(taken), level_ups + gained, max([highest, *taken])
        print(f"seed {seed:>2}: {' '.join(f'{a:.2f}' for a in taken)}  level-ups {gained}", flush=True)
    print(f"{chosen.seeds} seeds, {examined} examinations, highest accuracy {highest:.2f}, level-ups {level_ups}")
    sys.exit(1 if level_ups else 0)


if __name__ == "__main__":
    main()
