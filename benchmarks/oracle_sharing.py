"""What chat costs training on one machine, and training chat, under each rule of `oracle.sharing`, one run.

python benchmarks/oracle_sharing.py [--seconds 10] [--clients 4]

The trainer is a bare loop over the hatchling that gives way after each step as the hero loop does. The service, its
clients and the trainer each have a process of their own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import threading
import time
from pathlib import Path
from statistics import quantiles
from typing import Any, get_args

from oracle_load import load_once, service
from realm.oracle.sharing import Courtesy, Rule

WARM_SECONDS = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=4)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        alone = train("training_first", Path(folder), chosen.seconds, None)
        print(f"training alone: {alone[0]:.1f} steps/s")
        for rule in get_args(Rule):
            with service(rule, Path(folder)) as port:
                load_once(port, 1, 1, 4)
                steps, told = train(rule, Path(folder), chosen.seconds, (port, chosen.clients))
            speed = sum(tokens for tokens, _ in told) / len(told)
            p95 = quantiles([wait for _, waits in told for wait in waits], n=20)[-1]
            share = steps / alone[0]
            print(f"{rule}: {steps:.1f} steps/s ({share:.0%}), chat {speed:,.0f} tokens/s, first token p95 {p95:.2f} s")


def train(
    rule: Rule, logs: Path, seconds: float, chat: tuple[int, int] | None
) -> tuple[float, list[tuple[float, list[float]]]]:
    """Steps a second while the chat goes on, and what the chat measured."""
    context = multiprocessing.get_context("spawn")
    told: Any = context.Queue()
    trainer = context.Process(target=loop, args=(rule, logs, seconds, told), daemon=True)
    trainer.start()
    assert told.get() == "warm"
    answers: list[tuple[float, list[float]]] = []
    done = threading.Event()

    def talk() -> None:
        while chat and not done.is_set():
            answers.append(load_once(chat[0], chat[1], 2, 48))

    talking = threading.Thread(target=talk)
    talking.start()
    steps = told.get()
    done.set()
    talking.join()
    trainer.join(10)
    return steps, answers


def loop(rule: Rule, logs: Path, seconds: float, told: Any) -> None:
    import torch

    from realm.heroes.hero import load

    model = load("hatchling").model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    rows = torch.randint(0, model.config.vocab_size, (16, 128))
    courtesy = Courtesy(logs, rule)

    def step() -> None:
        began = time.perf_counter()
        model(input_ids=rows, labels=rows).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        courtesy.give_way(time.perf_counter() - began, lambda: time.perf_counter() > deadline)

    deadline = time.perf_counter() + WARM_SECONDS
    while time.perf_counter() < deadline:
        step()
    told.put("warm")
    deadline, steps = time.perf_counter() + seconds, 0
    while time.perf_counter() < deadline:
        step()
        steps += 1
    told.put(steps / seconds)


if __name__ == "__main__":
    main()
