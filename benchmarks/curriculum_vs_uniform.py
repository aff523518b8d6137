"""Tokens to master a level of BIN by two strategies of practice, one life per seed and strategy, compared in pairs.

python benchmarks/curriculum_vs_uniform.py [--seeds 0 1 2] [--until 5] [--tokens 6000000]
    [--strategies curriculum uniform] [--set KEY=VALUE ...]

Each life is the hero loop as it ships, from nothing; both of a pair have the same first weights. Tokens are those that
carry loss, counted at the checkpoint whose examination masters the level. A life ends there, or at the first checkpoint
past its budget: then it is censored, and says so. Of a pair with both ends the ratio is a figure; with one it is a
bound; with none it is no comparison. Prints every pair, and the geometric mean where all are figures, else its bound.
"""

from __future__ import annotations

import argparse
import logging
import math
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean

from realm.cli.context import open_workspace
from realm.cli.serve import spin_briefly
from realm.guild.own_practice import BLOCKER
from realm.hero_loop import HeroLoop
from realm.records import CheckpointRecord
from realm.workspace import Workspace


@dataclass(frozen=True, slots=True)
class End:
    """How a life ended: `tokens` brought the level (`reached`), or were spent without it."""

    tokens: int
    reached: bool
    minutes: float
    level: int

    def __str__(self) -> str:
        how = "" if self.reached else f" (censored: level {self.level} when they were spent)"
        return f"{'' if self.reached else 'more than '}{self.tokens:,} tokens{how}, {self.minutes:.1f} min"


@dataclass(frozen=True, slots=True)
class Ratio:
    """Tokens of one life over those of another: a figure, or only what it cannot pass."""

    value: float
    sign: str
    """`=` a figure, `<` it is less, `>` it is more, empty: nothing can be said."""

    def __str__(self) -> str:
        return f"{self.sign} {self.value:.2f}" if self.sign else "not known: neither reached the level"


class Life(HeroLoop):
    """A hero's life that ends when its level is reached or its tokens are spent."""

    def prepare(self, until: int, tokens: int) -> None:
        self.began, self.until, self.budget = time.perf_counter(), until, tokens
        self.ended: End | None = None

    def be_examined(self, checkpoint: CheckpointRecord) -> None:
        super().be_examined(checkpoint)
        spent, minutes = self.engine.progress.tokens, (time.perf_counter() - self.began) / 60
        level = self.guild.levels(self.key).get("bin", 0)
        taken = [f"{e.level}: {e.accuracy:.2f}" for e in self.guild.newest(self.key) if e.role == "frontier"]
        print(f"    {minutes:6.2f} min {spent:>10,} tokens  level {level}  frontier {' '.join(taken)}", flush=True)
        if level >= self.until or spent >= self.budget:
            self.ended = End(spent, level >= self.until, minutes, level)
            self.stopping.set()


def live(seed: int, strategy: str, chosen: argparse.Namespace) -> End:
    """One life from nothing."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        workspace.create()
        lines = [
            f"campaign.seed = {seed}",
            f'curriculum.strategy = "{strategy}"',
            f"curriculum.uniform_levels = [1, {chosen.until}]",
            *chosen.set,
        ]
        workspace.settings.write_text("\n".join(lines) + "\n", encoding="utf-8")
        realm = open_workspace(workspace, checkpoints=True)
        life = Life(realm.workspace, realm.settings, realm.db, realm.events)
        life.prepare(chosen.until, chosen.tokens)
        life.live(threading.Event())
        print(watched(life), flush=True)
        realm.db.close()
        assert life.ended is not None
        return life.ended


def watched(life: Life) -> str:
    """How near the guards of practice came to say no, and whether they did."""
    quests = life.guild.practices(life.key, limit=100_000)
    longest = max(
        (len(list(row)) for held, row in groupby(q.advice.get("bin") == "back_off" for q in quests) if held), default=0
    )
    losses = [m.loss for m in life.metrics.recent(life.key, 10_000_000)]
    least = min((fmean(losses[at : at + 20]) for at in range(0, max(1, len(losses) - 19))), default=float("nan"))
    trips = sum(f.fact.blocker == BLOCKER for f in life.events.replay(kinds=["blocker_raised"]))  # type: ignore[attr-defined]
    return (
        f"    guards: {len(quests)} practice quests, longest row in overload {longest} (trips after "
        f"{life.settings.guards.overload_quests}), least loss over 20 steps {least:.3f}, {trips} trips"
    )


def compare(first: End, second: End) -> Ratio:
    """Tokens of the first over those of the second."""
    value = first.tokens / second.tokens
    signs = {(True, True): "=", (True, False): "<", (False, True): ">", (False, False): ""}
    return Ratio(value, signs[first.reached, second.reached])


def together(ratios: Sequence[Ratio]) -> Ratio:
    """The geometric mean of paired ratios; a bound where one of them is, nothing where they are of both kinds."""
    signs = {ratio.sign for ratio in ratios} - {"="}
    mean = math.exp(sum(math.log(ratio.value) for ratio in ratios) / len(ratios))
    return Ratio(mean, "=" if not signs else signs.pop() if len(signs) == 1 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--until", type=int, default=5, help="the level to master; uniform practises from 1 up to it")
    parser.add_argument("--tokens", type=int, default=6_000_000, help="budget of a life, in tokens that carry loss")
    parser.add_argument("--strategies", nargs=2, default=["curriculum", "uniform"], metavar=("FIRST", "SECOND"))
    parser.add_argument(
        "--set", nargs="*", default=[], help="lines of realm.toml for both, such as training.ema_decay=0.98"
    )
    chosen = parser.parse_args()
    logging.disable(logging.INFO)
    spin_briefly()
    first, second = chosen.strategies
    pairs: list[tuple[int, End, End]] = []
    for seed in chosen.seeds:
        ends = []
        for strategy in (first, second):
            print(f"  seed {seed}, {strategy}", flush=True)
            ends.append(live(seed, strategy, chosen))
        pairs.append((seed, ends[0], ends[1]))
        print(f"seed {seed}: {first} {ends[0]}; {second} {ends[1]}; ratio {compare(*ends)}", flush=True)
    whole = together([compare(one, other) for _, one, other in pairs])
    censored = sum(not end.reached for _, *ends in pairs for end in ends)
    print(
        f"tokens to BIN level {chosen.until}, {first} / {second}, {len(pairs)} pairs: geometric mean of ratios {whole}"
        + (f" ({censored} of {2 * len(pairs)} lives censored at {chosen.tokens:,} tokens)" if censored else "")
    )


if __name__ == "__main__":
    main()
