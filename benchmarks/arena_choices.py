"""What the arena chose by measuring: how a batch is laid out, and which optimizer code runs. One run.

python benchmarks/arena_choices.py [--threads 1] [--rounds 5]

Figures are medians of CPU time per thread, the alternatives taking turns.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from realm.arena.methods.sft import summed_loss
from realm.arena.optim import muon
from realm.heroes.hero import load

EXAMPLE_TOKENS = 40


def part(rows: int, width: int) -> dict[str, torch.Tensor]:
    """Rows full of examples of forty tokens, every second token trained."""
    trained_at = torch.arange(0, rows * width - 1, 2)
    return {
        "input_ids": torch.randint(6, 300, (rows, width)),
        "position_ids": (torch.arange(width) % EXAMPLE_TOKENS).expand(rows, width).contiguous(),
        "trained_at": trained_at,
        "targets": torch.randint(6, 300, trained_at.shape),
    }


def medians(works: dict[str, Callable[[], Any]], rounds: int, threads: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds + 1):
        for name, work in works.items():
            began = time.process_time()
            work()
            taken[name].append((time.process_time() - began) / threads)
    return {name: statistics.median(times[1:]) for name, times in taken.items()}


def layouts(model: Any) -> dict[str, Callable[[], Any]]:
    head = model.get_output_embeddings()
    made = {
        (rows, width): part(rows, width) for width in (1024, 512, 256, 128) for rows in (8192 // width, 2048 // width)
    }

    def train(rows: int, width: int) -> None:
        for _ in range(8192 // (rows * width)):
            summed_loss(model, head, made[rows, width]).backward()

    return {f"parts of {r * w} tokens, rows of {w}": (lambda r=r, w=w: train(r, w)) for r, w in made}


def optimizers(model: Any, hidden: list[str]) -> dict[str, Callable[[], Any]]:
    named = dict(model.named_parameters())
    matrices = [named[name] for name in hidden]
    everything = list(named.values())
    works: dict[str, Callable[[], Any]] = {
        "AdamW, all parameters, fused": torch.optim.AdamW(everything, lr=0.0, fused=True).step,
        "AdamW, all parameters, foreach": torch.optim.AdamW(everything, lr=0.0, foreach=True).step,
        "torch.optim.Muon, hidden matrices": torch.optim.Muon(matrices, lr=0.0, weight_decay=0.0).step,
        "Muon by shape, as the arena does": muon.Muon(matrices, lr=0.0, momentum=0.95).step,
    }
    return works


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    hero = load("hatchling")
    hero.model.train()
    for name, seconds in medians(layouts(hero.model), chosen.rounds, chosen.threads).items():
        print(f"{name:36} {8192 / seconds:7.0f} tokens/s")
    steps = optimizers(hero.model, hero.family.hidden_matrices(hero.model))
    for name, seconds in medians(steps, 3 * chosen.rounds, chosen.threads).items():
        print(f"{name:36} {seconds * 1000:7.2f} ms a step")


if __name__ == "__main__":
    main()
