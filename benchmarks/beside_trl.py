"""What the comparisons with TRL's trainer share: its quiet arguments, runs that take turns, their median seconds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import Any

from arena_throughput import Clocks, clocks, since

QUIET: dict[str, Any] = {
    "report_to": "none", "disable_tqdm": True, "save_strategy": "no", "logging_strategy": "no",
}  # fmt: skip
"""Only reports, progress bars and saves are off."""


def medians(runs: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, Clocks]:
    """Seconds by the clock and of the processor, of each run; they take turns, so that a busy machine slows all."""
    taken: dict[str, list[Clocks]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            began = clocks()
            run()
            taken[name].append(since(began))
    return {
        name: (statistics.median(wall for wall, _ in times), statistics.median(cpu for _, cpu in times))
        for name, times in taken.items()
    }
