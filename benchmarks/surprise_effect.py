"""Does weighing tokens by surprise teach more per token? The hatchling on BIN's first level, by weighting and seed.

python benchmarks/surprise_effect.py [--seeds 0 1 2] [--tokens 250000] [--reach 0.3] [--temperature 1] [--threads 1]

Every run of a seed sees the same rows in the same order from the same first weights; only the weights of the tokens in
the loss differ. Held-out accuracy is asked every 25,000 trained tokens, of the running mean, on the same problems.
Prints each run, then for each weighting: accuracy at equal tokens, and tokens to a level as a ratio to no weighting.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from typing import Any

import torch

from realm.arena.control import Request
from realm.arena.engine import Engine
from realm.config.layers import hyperparameters_for, load
from realm.config.schema import Hyperparameters
from realm.guild.engine import SkillEngine
from realm.heroes import hero as heroes
from realm.records import Progress, StepMetrics

KINDS = ("none", "entropy", "surprise", "margin")
BETWEEN = 25_000
"""Trained tokens between two readings."""
PROBLEMS = 200
ROWS = 40_000
"""More than any budget here takes."""
Curve = list[tuple[int, float]]
"""Trained tokens, and held-out accuracy there."""


class Watching:
    """Hooks that examine every so many tokens and stop at a budget."""

    def __init__(self, skills: SkillEngine, budget: int, engine: Engine) -> None:
        self.curve: Curve = []
        self._skills, self._budget, self._engine = skills, budget, engine

    def on_step(self, metrics: StepMetrics) -> None:
        if self._engine.progress.tokens >= BETWEEN * (len(self.curve) + 1):
            self.examine()

    def examine(self) -> None:
        def answer(prompts: Any) -> list[str]:
            return self._engine.answer(prompts, max_new_tokens=96)

        found = self._skills.run_eval("bin", 1, answer, count=PROBLEMS, seed="surprise")
        self.curve.append((self._engine.progress.tokens, found.accuracy))

    def request(self) -> Request | None:
        return "stop" if self._engine.progress.tokens >= self._budget else None

    def save(self, engine: Engine) -> None: ...
    def on_pause(self, step: int) -> None: ...
    def on_resume(self, step: int) -> None: ...


def rows(skills: SkillEngine, seed: int) -> Iterator[dict[str, Any]]:
    for problem in skills.generate_batch("bin", 1, ROWS, f"surprise/{seed}"):
        yield {"prompt": problem.prompt, "completion": problem.answer}


def run(kind: str, seed: int, chosen: argparse.Namespace) -> Curve:
    defaults = hyperparameters_for(load(env={}), "hatchling").model_dump()
    weighted = {"token_weighting": kind, "token_weighting_temperature": chosen.temperature}
    how = {"seed": seed, "eval_fraction": 0.0, "save_steps": 10**9}
    settings = Hyperparameters.model_validate({**defaults, **how, **weighted})
    engine = Engine.open(heroes.load("hatchling", seed=seed), settings, progress=Progress())
    skills = SkillEngine()
    watching = Watching(skills, chosen.tokens, engine)
    engine.train(rows(skills, seed), run="r", quest="q", hooks=watching)
    return watching.curve


def reached(curve: Curve, accuracy: float) -> int | None:
    """The first reading at or above it."""
    return next((tokens for tokens, found in curve if found >= accuracy), None)


def compare(curves: dict[str, list[Curve]], reach: float) -> Iterator[str]:
    for kind, found in curves.items():
        last = [curve[-1][1] for curve in found]
        gained = [curve[-1][1] - plain[-1][1] for curve, plain in zip(found, curves["none"], strict=True)]
        ratios = [
            ours / plain
            for ours, plain in zip(
                (reached(c, reach) for c in found), (reached(c, reach) for c in curves["none"]), strict=True
            )
            if ours and plain
        ]
        told = f"{statistics.fmean(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if ratios else "not reached"
        yield (
            f"{kind:9} accuracy at the end {statistics.fmean(last):.3f} ({min(last):.3f} to {max(last):.3f}), "
            f"against none {statistics.fmean(gained):+.3f} ({min(gained):+.3f} to {max(gained):+.3f}); "
            f"tokens to {reach:.2f} / none {told} in {len(ratios)} of {len(found)} seeds"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--tokens", type=int, default=250_000)
    parser.add_argument("--reach", type=float, default=0.3)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    curves: dict[str, list[Curve]] = {kind: [] for kind in KINDS}
    for seed in chosen.seeds:
        for kind in KINDS:
            curve = run(kind, seed, chosen)
            curves[kind].append(curve)
            print(f"seed {seed} {kind:9}", " ".join(f"{tokens // 1000}k:{a:.2f}" for tokens, a in curve), flush=True)
    for line in compare(curves, chosen.reach):
        print(line)


if __name__ == "__main__":
    main()
