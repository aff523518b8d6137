"""Useful tokens per second on BIN practice: the arena against TRL's SFTTrainer with its defaults, one run.

python benchmarks/arena_vs_trl.py [--threads 2] [--rounds 3] [--optim muon]

Both train the hatchling on the same rows with the loss on the answers. Tokenising is left out on both sides; what
counts is the time inside the training loop. Useful tokens are those of the rows, without padding.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from typing import Any

import torch
from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from arena_throughput import Quiet, bin_rows, timed
from realm.arena.engine import Engine
from realm.config.schema import Hyperparameters
from realm.heroes.hero import load
from realm.records import Progress


def trl_trainer(rows: list[dict[str, Any]], folder: str, steps: int) -> SFTTrainer:
    """As in TRL's quick start; only reports, progress bars and saves are off."""
    hero = load("hatchling")
    quiet = {"report_to": "none", "disable_tqdm": True, "save_strategy": "no", "logging_strategy": "no"}
    return SFTTrainer(
        model=hero.model,
        args=SFTConfig(output_dir=folder, max_steps=steps, **quiet),
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
    course = engine._method.course(rows, seed="benchmark")
    tokens = int(course.reading.train.offsets[-1])
    with tempfile.TemporaryDirectory() as folder:
        trainer = trl_trainer(rows, folder, steps=-(-len(rows) // 8))
        print(
            f"TRL: batch {trainer.args.per_device_train_batch_size}, bf16 {trainer.args.bf16}, packing "
            f"{trainer.args.packing}, gradient checkpointing {trainer.args.gradient_checkpointing}"
        )
        arena, trl = [], []
        for _ in range(chosen.rounds):
            watch = engine._watch(course, Quiet())
            arena.append(timed(lambda: course.run(0, watch)))  # noqa: B023 - called at once
            trl.append(timed(trainer.train))
    for name, index in (("clock", 0), ("CPU time", 1)):
        a, b = (statistics.median(run[index] for run in runs) for runs in (arena, trl))
        print(f"{name:9}  arena {tokens / a:8.0f}   TRL {tokens / b:8.0f} useful tokens/s   ratio {b / a:.2f}")


if __name__ == "__main__":
    main()
