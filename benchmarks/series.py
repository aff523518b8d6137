"""How fast the series of a long campaign are read: one million steps in a fresh database.

    python benchmarks/series.py [--steps 1000000]

Prints medians in milliseconds; every query of the page must stay under 50 ms.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from realm.db import Database, metadata, open_database
from realm.records import CampaignKey, StepMetrics
from realm.watchtower.metrics import Metrics, MetricsWriter

KEY = CampaignKey("hatchling", "bench")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1_000_000)
    steps: int = parser.parse_args().steps
    with tempfile.TemporaryDirectory() as folder:
        db = open_database(Path(folder) / "realm.db", checkpoints=True)
        with db.write() as connection:
            metadata.create_all(connection)
        began = time.perf_counter()
        fill(db, steps)
        print(f"{steps:,} steps written in {time.perf_counter() - began:.0f} s")
        report(Metrics(db), steps)
        one_second(db, steps)
        db.close()


def fill(db: Database, steps: int) -> None:
    for first in range(1, steps + 1, 20_000):
        with MetricsWriter(db, KEY, "bench", every_seconds=1e9) as writer:
            for number in range(first, min(first + 20_000, steps + 1)):
                writer.add(step(number))


def step(number: int) -> StepMetrics:
    return StepMetrics(
        step=number, time=1e9 + number * 0.1, loss=1 / number, grad_norm=0.5, learning_rate=1e-3, tokens=1000,
        input_tokens=2000, step_seconds=0.1, quest_step=number, quest_steps=10**7,
        val_loss=1 / number if number % 100 == 0 else None, strain=0.1, effort=number * 0.1,
    )  # fmt: skip


def report(metrics: Metrics, steps: int) -> None:
    queries: dict[str, Callable[[], object]] = {
        "series loss, all": lambda: metrics.series(KEY, "loss"),
        "series val_loss, all": lambda: metrics.series(KEY, "val_loss"),
        "series loss, last 40,000": lambda: metrics.series(KEY, "loss", since_step=steps - 39_999),
        "series loss, last 2,000": lambda: metrics.series(KEY, "loss", since_step=steps - 1999),
        "latest": lambda: metrics.latest(KEY),
        "after (100 steps)": lambda: metrics.after(KEY, steps - 100),
        "totals": lambda: metrics.totals(KEY),
        "throughput": lambda: metrics.throughput(KEY, now=1e9 + steps * 0.1),
    }
    for name, query in queries.items():
        print(f"  {name:<26} {milliseconds(query):7.1f} ms")


def one_second(db: Database, steps: int) -> None:
    """What a training pays for its metrics: the flush of a second at 50 steps a second."""
    writer = MetricsWriter(db, KEY, "bench", every_seconds=1e9)
    taken = []
    for second in range(20):
        for number in range(50):
            writer.add(step(steps + second * 50 + number + 1))
        began = time.perf_counter()
        writer.flush()
        taken.append((time.perf_counter() - began) * 1000)
    print(f"  {'flush of 50 steps':<26} {statistics.median(taken):7.1f} ms")


def milliseconds(query: Callable[[], object]) -> float:
    taken = []
    for _ in range(7):
        began = time.perf_counter()
        query()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
