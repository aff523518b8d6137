"""An examination's answers in batches against one by one, one run.

python benchmarks/examination_batching.py [--threads 2] [--prompts 100]

The hatchling is untrained, so that it rarely ends an answer early: both sides write the same number of tokens.
"""

from __future__ import annotations

import argparse
import time

import torch

from arena_throughput import bin_rows
from realm.arena.engine import Engine
from realm.config.schema import Hyperparameters
from realm.heroes.hero import load
from realm.records import Progress


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--max-new-tokens", type=int, default=48)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    engine = Engine.open(load("hatchling"), Hyperparameters(), progress=Progress())
    prompts = [row["prompt"] for row in bin_rows(chosen.prompts)]

    def seconds(batch_size: int, asked: list[str]) -> tuple[float, list[str]]:
        began = time.perf_counter()
        answers = engine.answer(asked, max_new_tokens=chosen.max_new_tokens, batch_size=batch_size)
        return time.perf_counter() - began, answers

    seconds(64, prompts[:8])
    halves = prompts[::2], prompts[1::2]  # A B A B
    batched = one_by_one = 0.0
    for half in halves:
        one, alone = seconds(1, half)
        many, together = seconds(64, half)
        batched, one_by_one = batched + many, one_by_one + one
        same = sum(a == b for a, b in zip(alone, together, strict=True))
        print(f"{len(half)} prompts: one by one {one:.2f} s, batched {many:.2f} s, equal answers {same}")
    print(f"ratio {one_by_one / batched:.1f}")


if __name__ == "__main__":
    main()
