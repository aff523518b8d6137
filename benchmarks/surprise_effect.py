"""Does weighing tokens by surprise teach more per token? The hatchling on BIN's first level, by weighting and seed.

python benchmarks/surprise_effect.py [--seeds 0 1 2] [--tokens 200000] [--kinds surprise] [--temperature 1]

Every run of a seed sees the same rows in the same order from the same first weights; only the weights of the tokens in
the loss differ. Held-out accuracy (200 problems) and the plain loss on held-out rows are read every 25,000 trained
tokens, of the running mean. Prints each run, then for each weighting, against none at equal tokens: accuracy, held-out
loss, and the share of the tokens after which it stands where none stands at the end.
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
TOKENS_A_ROW = 12
"""A row of level 1 has more trained tokens than this."""
Curve = list[tuple[int, float, float]]
"""Trained tokens, held-out accuracy and held-out loss there."""


class Watching:
    """Hooks that examine every so many tokens and stop at a budget."""

    def __init__(self, skills: SkillEngine, budget: int, engine: Engine) -> None:
        self.curve: Curve = []
        self._skills, self._budget, self._engine, self._loss = skills, budget, engine, float("nan")

    def on_step(self, metrics: StepMetrics) -> None:
        if metrics.val_loss is not None:
            self._loss = metrics.val_loss
        if self._engine.progress.tokens >= BETWEEN * (len(self.curve) + 1):
            self.examine()

    def examine(self) -> None:
        def answer(prompts: Any) -> list[str]:
            return self._engine.answer(prompts, max_new_tokens=96)

        found = self._skills.run_eval("bin", 1, answer, count=PROBLEMS, seed="surprise")
        self.curve.append((self._engine.progress.tokens, found.accuracy, self._loss))

    def request(self) -> Request | None:
        return "stop" if self._engine.progress.tokens >= self._budget else None

    def save(self, engine: Engine) -> None: ...
    def on_pause(self, step: int) -> None: ...
    def on_resume(self, step: int) -> None: ...


def rows(skills: SkillEngine, seed: int, tokens: int) -> Iterator[dict[str, Any]]:
    for problem in skills.generate_batch("bin", 1, tokens // TOKENS_A_ROW, f"surprise/{seed}"):
        yield {"prompt": problem.prompt, "completion": problem.answer}


def run(kind: str, seed: int, chosen: argparse.Namespace) -> Curve:
    defaults = hyperparameters_for(load(env={}), "hatchling").model_dump()
    weighted = {"token_weighting": kind, "token_weighting_temperature": chosen.temperature}
    how = {"seed": seed, "eval_steps": 10, "save_steps": 10**9}
    settings = Hyperparameters.model_validate({**defaults, **how, **weighted})
    engine = Engine.open(heroes.load("hatchling", seed=seed), settings, progress=Progress())
    skills = SkillEngine()
    watching = Watching(skills, chosen.tokens, engine)
    engine.train(rows(skills, seed, chosen.tokens), run="r", quest="q", hooks=watching)
    return watching.curve


def share(curve: Curve, plain: Curve) -> float:
    """Tokens until the held-out loss is as low as that of no weighting at its end, by tokens there; inf: never."""
    end = plain[-1]
    return next((tokens for tokens, _, loss in curve if loss <= end[2]), float("inf")) / end[0]


def told(values: list[float]) -> str:
    return f"{statistics.fmean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def compare(curves: dict[str, list[Curve]]) -> Iterator[str]:
    plain = curves["none"]
    for kind, found in curves.items():
        accuracy = [curve[-1][1] for curve in found]
        loss = [curve[-1][2] / other[-1][2] for curve, other in zip(found, plain, strict=True)]
        shares = [share(curve, other) for curve, other in zip(found, plain, strict=True)]
        tokens = f"tokens to none's loss / none {told(shares)}"
        yield f"{kind:9} accuracy {told(accuracy)}; loss / none {told(loss)}; {tokens}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--tokens", type=int, default=200_000)
    parser.add_argument("--kinds", nargs="+", choices=KINDS[1:], default=KINDS[1:], help="compared with none")
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    curves: dict[str, list[Curve]] = {kind: [] for kind in ("none", *chosen.kinds)}
    for seed in chosen.seeds:
        for kind in curves:
            curve = run(kind, seed, chosen)
            curves[kind].append(curve)
            print(
                f"seed {seed} {kind:9}",
                " ".join(f"{n // 1000}k:{a:.2f}/{loss:.3f}" for n, a, loss in curve),
                flush=True,
            )
    for line in compare(curves):
        print(line)


if __name__ == "__main__":
    main()
