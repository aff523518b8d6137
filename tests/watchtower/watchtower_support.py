"""Steps of a training as the tests of this room tell them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from realm.db import Database
from realm.records import CampaignKey, StepMetrics
from realm.watchtower.metrics import MetricsWriter

KEY = CampaignKey("hatchling", "first-light")


def step(number: int, **values: Any) -> StepMetrics:
    """A step of a loss that falls, but for what is said of it."""
    base = StepMetrics(
        step=number, time=1000.0 + number, loss=1.0 / (number + 1), grad_norm=0.5, learning_rate=1e-3, tokens=10,
        input_tokens=20, step_seconds=0.5, quest_step=number, quest_steps=1000,
    )  # fmt: skip
    return replace(base, **values)


def write(db: Database, *steps: StepMetrics, run: str = "r") -> None:
    with MetricsWriter(db, KEY, run) as writer:
        for one in steps:
            writer.add(one)
