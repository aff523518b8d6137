"""What half an hour of LoRA on two cores teaches smol (135M) of BIN: held-out accuracy before and after, one run.

python benchmarks/smol_bin.py [--minutes 30] [--threads 2] [--level 1] [--seed 0] [--problems 100] [--rows 400]

Trains the catalogue's adapter `full` on fresh practice around a level, quest after quest, until the time is up, and
asks the same held-out problems before and after: those of the level, and the core canaries. A rise counts where the
95 % intervals (Wilson) do not overlap; a canary counts as kept unless its interval fell below what it was.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from arena_throughput import Quiet
from realm.arena.engine import Engine
from realm.config.layers import load as load_settings
from realm.config.schema import Hyperparameters, PassiveSettings
from realm.guild.engine import SkillEngine
from realm.guild.passives.sets import modules, problems
from realm.guild.primitives import atoms
from realm.guild.progression import wilson
from realm.heroes.to_train import load_to_train
from realm.records import Progress

SPREAD = 3
"""Practice is drawn from the level and so many above it: a small level's own problems would be memorised."""
Counts = dict[str, tuple[int, int]]


def examined(engine: Engine, skills: SkillEngine, level: int, count: int) -> Counts:
    """Right answers and questions, by what was asked."""
    held_out = skills.generate_eval_batch("bin", level, count)
    result = skills.score_eval(held_out, engine.answer([p.prompt for p in held_out], max_new_tokens=64))
    found: Counts = {f"BIN level {level}": (result.correct, result.n)}
    for module in modules("core"):
        asked = problems(module.name)
        answers = engine.answer([p.prompt for p in asked], max_new_tokens=PassiveSettings().max_new_tokens)
        right = sum(atoms.score(p, said).correct for p, said in zip(asked, answers, strict=True))
        found[f"canary {module.name}"] = (right, len(asked))
    return found


def practice(skills: SkillEngine, level: int, count: int, seed: str) -> list[dict[str, Any]]:
    """Half of the level itself, half of those above."""
    rows = []
    for at in range(count):
        drawn = level if at % 2 else level + at // 2 % (SPREAD + 1)
        problem = skills.generate_batch("bin", drawn, 1, f"{seed}/{at}")[0]
        rows.append({"prompt": problem.prompt, "completion": problem.answer})
    return rows


def train(engine: Engine, skills: SkillEngine, level: int, rows: int, seed: int, seconds: float) -> int:
    """Quest after quest until the time is up. Returns the number of rows that were begun."""
    ends, quests = time.monotonic() + seconds, 0
    hooks = Quiet(lambda: "stop" if time.monotonic() >= ends else None)
    while time.monotonic() < ends:
        quests += 1
        made = practice(skills, level, rows, f"smol-bin/{seed}/{quests}")
        result = engine.train(made, run="smol", quest=f"quest-{quests}", hooks=hooks)
        print(
            f"  quest {quests}: {result.steps} steps, loss {result.loss_first:.3f} to {result.loss_last:.3f}",
            flush=True,
        )
    return quests * rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--level", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--problems", type=int, default=100)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    settings, skills = load_settings(env={}), SkillEngine()
    with tempfile.TemporaryDirectory() as models:
        hero = load_to_train(settings.heroes["smol"], settings.adapters["full"], models=Path(models), seed=chosen.seed)
        used = Hyperparameters(
            learning_rate=chosen.learning_rate, per_device_train_batch_size=1, max_length=512, warmup_steps=20,
            eval_strategy="no", eval_fraction=0.0, bf16="auto", seed=chosen.seed,
        )  # fmt: skip
        engine = Engine.open(hero, used, progress=Progress())
        before = examined(engine, skills, chosen.level, chosen.problems)
        began = time.monotonic()
        rows = train(engine, skills, chosen.level, chosen.rows, chosen.seed, 60 * chosen.minutes)
        minutes = (time.monotonic() - began) / 60
        after = examined(engine, skills, chosen.level, chosen.problems)
    spent = f"{minutes:.1f} min on {chosen.threads} threads, {engine.progress.step} steps"
    print(f"{spent}, {engine.progress.tokens:,} trained tokens, at most {rows} rows")
    for name, (correct, n) in after.items():
        was, now = wilson(*before[name]), wilson(correct, n)
        verdict = "rose" if now.low > was.high else "fell" if now.high < was.low else "kept"
        print(f"{name:28} {before[name][0]:>3}/{n} [{was.low:.2f}, {was.high:.2f}] -> {correct:>3}/{n} "
              f"[{now.low:.2f}, {now.high:.2f}]  {verdict}")  # fmt: skip


if __name__ == "__main__":
    main()
