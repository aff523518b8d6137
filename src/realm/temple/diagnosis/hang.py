"""Hang detection: how long a run has been silent, measured against its own pace. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from realm.records import StepMetrics
from realm.temple.diagnosis.advice import Diagnosis

PATIENCE_SECONDS = 120.0
PATIENCE_STEPS = 20
"""A run may be silent for this many of its own steps: an examination, a checkpoint."""
NAME = "hang"


def hang(steps: Sequence[StepMetrics], now: float, last_beat: float | None, *, alive: bool) -> Diagnosis:
    """Whether a process that should train has stopped to. Times are Unix seconds; `last_beat` its last sign of life."""
    if not steps:
        return Diagnosis(NAME, "fine", "No step is on record yet.")
    silent = now - steps[-1].time
    patience = max(PATIENCE_SECONDS, PATIENCE_STEPS * median(step.step_seconds for step in steps))
    words = f"The last step was {silent:.0f} s ago; {patience:.0f} s are usual at the longest."
    if not alive:
        return Diagnosis(NAME, "note", f"No training process lives. {words}", "Start it: realm start-all")
    if silent <= patience:
        return Diagnosis(NAME, "fine", words)
    if last_beat is not None and now - last_beat <= patience:
        return Diagnosis(
            NAME,
            "note",
            f"{words} It shows life, {now - last_beat:.0f} s ago.",
            "It examines, saves, or waits: paused?",
        )
    return Diagnosis(
        NAME, "bad", f"{words} It shows no life.",
        "It hangs: py-spy dump --pid PID tells where. Start it anew: realm stop-all, realm start-all",
    )  # fmt: skip
