"""Useful tokens per second on BIN practice: the arena against TRL's SFTTrainer with its defaults, one run.

python benchmarks/arena_vs_trl.py [--threads 2] [--rounds 3] [--optim muon]

Both train the hatchling on the same rows with the loss on the answers. Tokenising is left out on both sides; what
counts is the time inside the training loop. Useful tokens are those of the rows, without padding.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from typing import Any

import torch
from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from arena_throughput import Quiet, bin_rows
from beside_trl import QUIET, medians
from realm.arena.engine import Engine
from realm.config.schema import Hyperparameters
from realm.heroes.hero import load
from realm.records import Progress


def trl_trainer(rows: list[dict[str, Any]], folder: str, **precision: bool) -> SFTTrainer:
    """As in TRL's quick start; only reports, progress bars and saves are off, and the CPU is named."""
    hero = load("hatchling")
    steps = -(-len(rows) // SFTConfig(folder, bf16=False).per_device_train_batch_size)
    return SFTTrainer(
        model=hero.model,
        args=SFTConfig(output_dir=folder, max_steps=steps, use_cpu=True, **precision, **QUIET),
        train_dataset=Dataset.from_list(rows),
        processing_class=hero.tokenizer,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=480)
    parser.add_argument("--optim", choices=["adamw", "muon"], default="muon")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    rows = bin_rows(chosen.rows)

    settings = Hyperparameters(optim=chosen.optim, eval_fraction=0.0)
    engine = Engine.open(load("hatchling"), settings, progress=Progress())
    course = engine.method("sft").course(rows, seed="benchmark")
    tokens = int(course.reading.train.offsets[-1])
    with tempfile.TemporaryDirectory() as folder:
        runs: dict[str, Callable[[], Any]] = {
            "arena": lambda: course.run(0, engine._watch(course, Quiet())),
            "TRL, its defaults (bf16)": trl_trainer(rows, folder).train,
            "TRL in float32": trl_trainer(rows, folder, bf16=False).train,
        }
        taken = medians(runs, chosen.rounds)
    print(f"{len(rows)} rows, {tokens} tokens, {chosen.threads} threads; useful tokens/s by the clock and of CPU time")
    ours = taken["arena"]
    for name, (wall, cpu) in taken.items():
        print(
            f"{name:25} {tokens / wall:6.0f} {tokens / cpu:6.0f}   arena is {wall / ours[0]:.2f} and "
            f"{cpu / ours[1]:.2f} times as fast"
        )


if __name__ == "__main__":
    main()
