"""A tiny hero, rows to train on, and hooks that write down what happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realm.arena.engine import Engine
from realm.config.schema import Hyperparameters
from realm.heroes.families import families
from realm.heroes.hatchling import model as hatchling
from realm.heroes.hatchling import tokenizer as hatchling_tokenizer
from realm.heroes.hero import LoadedHero
from realm.records import Progress, StepMetrics

SHAPE = hatchling.Shape(hidden_size=32, layers=2, heads=2, key_value_heads=2, head_dim=16, mlp_size=64)


def small_hero(seed: str = "0") -> LoadedHero:
    tokenizer = hatchling_tokenizer.load()
    model = hatchling.build(tokenizer, seed=seed, shape=SHAPE)
    return LoadedHero(model, tokenizer, families.get("transformers"), "small")


def small_rows(count: int = 60) -> list[dict[str, Any]]:
    return [{"prompt": f"{i} + {i % 7} =", "completion": f" {i + i % 7}" + " ok" * (i % 5)} for i in range(count)]


def settings(**changes: Any) -> Hyperparameters:
    chosen: dict[str, Any] = {
        "per_device_train_batch_size": 1,
        "max_length": 64,
        "learning_rate": 3e-3,
        "warmup_steps": 3,
        "save_steps": 10_000,
        "eval_steps": 4,
        "eval_fraction": 0.1,
    }
    return Hyperparameters(**{**chosen, **changes})


@dataclass
class Notes:
    """Hooks that remember. `wanted` maps a campaign step to what is asked for there, once."""

    wanted: dict[int, list[str | None]] = field(default_factory=dict)
    folder: Path | None = None
    steps: list[StepMetrics] = field(default_factory=list)
    saves: list[Progress] = field(default_factory=list)
    pauses: list[tuple[str, int]] = field(default_factory=list)
    lightened: list[tuple[int, int, int]] = field(default_factory=list)
    last_step: int = 0

    def on_step(self, metrics: StepMetrics) -> None:
        self.steps.append(metrics)
        self.last_step = metrics.step

    def save(self, engine: Engine) -> None:
        self.saves.append(engine.progress)
        if self.folder is not None:
            engine.write(self.folder / str(engine.progress.step))

    def request(self) -> Any:
        queue = self.wanted.get(self.last_step, [])
        return queue.pop(0) if queue else None

    def on_pause(self, step: int) -> None:
        self.pauses.append(("pause", step))

    def on_resume(self, step: int) -> None:
        self.pauses.append(("resume", step))

    def on_lighten(self, step: int, before: int, tokens: int) -> None:
        self.lightened.append((step, before, tokens))

    @property
    def losses(self) -> list[float]:
        return [m.loss for m in self.steps]
