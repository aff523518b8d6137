"""Arena against a bare PyTorch loop: same model, batches, loss, number format and optimizer, one run.

python benchmarks/arena_throughput.py [--threads 2] [--rounds 3] [--optim muon]

The two take turns step by step (A B A B), so that a busy machine slows both; medians of the steps are compared. The
bare loop gets its batches ready-made, checks nothing and tells nobody. CPU time is shown beside the clock: on a shared
machine it is the steadier of the two. A third figure is the bare loop on the packed rows as wide as they are. The last
line tells how long a warm engine takes from rows to its first optimizer step.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch

from realm.arena.batches import Batch
from realm.arena.engine import Engine
from realm.arena.optim import build
from realm.config.schema import Hyperparameters
from realm.guild.engine import skills
from realm.heroes.hero import LoadedHero, load
from realm.records import Progress, StepMetrics

Clocks = tuple[float, float]
"""Seconds by the clock and of the processor."""


class Quiet:
    """Hooks that remember the steps; `between` is done after each of them."""

    def __init__(self, between: Callable[[], Any] = lambda: None) -> None:
        self.steps: list[StepMetrics] = []
        self.between = between

    def on_step(self, metrics: StepMetrics) -> None:
        self.steps.append(metrics)

    def save(self, engine: Engine) -> None: ...

    def request(self) -> Any:
        return self.between()

    def on_pause(self, step: int) -> None: ...

    def on_resume(self, step: int) -> None: ...

    def on_lighten(self, step: int, before: int, tokens: int) -> None: ...


class Turns:
    """Between two steps of the arena, one step of each loop it is compared with."""

    def __init__(self, others: list[Iterator[None]]) -> None:
        self.others = others
        self.arena: list[Clocks] = []
        self.theirs: list[list[Clocks]] = [[] for _ in others]
        self._mark: Clocks | None = None

    def __call__(self) -> None:
        if self._mark is not None:
            self.arena.append(since(self._mark))
        for loop, taken in zip(self.others, self.theirs, strict=True):
            began = clocks()
            next(loop, None)
            taken.append(since(began))
        self._mark = clocks()


def clocks() -> Clocks:
    return time.perf_counter(), time.process_time()


def since(began: Clocks) -> Clocks:
    wall, cpu = clocks()
    return wall - began[0], cpu - began[1]


def median(values: list[Clocks], index: int) -> float:
    return statistics.median(value[index] for value in values[1:])  # the first also warms up


def bin_rows(count: int) -> list[dict[str, Any]]:
    """Practice of levels 1 to 4, as prompt and completion."""
    skill = skills().get("bin")
    problems = [skill.generate(1 + i % 4, f"benchmark/{i}") for i in range(count)]
    return [{"prompt": p.prompt, "completion": p.answer} for p in problems]


def bare_loop(hero: LoadedHero, settings: Hyperparameters, batches: list[Batch]) -> Iterator[None]:
    """What one would write by hand; one optimizer step each time it is asked."""
    from realm.arena.methods.sft import summed_loss
    from realm.arena.precision import prepare

    model = hero.model
    precision = torch.autocast(model.device.type, torch.bfloat16, enabled=prepare(model, settings.bf16))
    optimizer = build(model, settings, hidden_matrices=hero.family.hidden_matrices(model))
    head = model.get_output_embeddings()
    model.train()
    for batch in batches:
        count = sum(len(part["targets"]) for part in batch)
        for part in batch:
            with precision:
                loss = summed_loss(model, head, part) / count
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        yield


def first_step(engine: Engine, rows: list[dict[str, Any]], quest: str) -> tuple[float, float]:
    """Seconds from rows to the end of the first optimizer step, and of that step alone."""
    hooks = Quiet()
    hooks.between = lambda: "stop" if hooks.steps else None
    began = time.time()
    engine.train(rows, run="r", quest=quest, hooks=hooks)
    return hooks.steps[0].time - began, hooks.steps[0].step_seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--optim", choices=["adamw", "muon"], default="muon")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    settings = Hyperparameters(optim=chosen.optim, eval_fraction=0.0)
    rows = bin_rows(chosen.rows)

    engine = Engine.open(load("hatchling"), settings, progress=Progress())
    course = engine.method("sft").course(rows, seed="benchmark")
    loader = course.batches()
    batches, whole = list(loader) * chosen.rounds, list(replace(loader, part_tokens=None)) * chosen.rounds
    tokens = course.reading.train.offsets[-1] / len(loader)  # a step
    print(f"{engine.hero.name}, {chosen.optim}, {chosen.threads} threads, steps of {tokens:.0f} useful tokens")

    turns = Turns([bare_loop(load("hatchling"), settings, made) for made in (batches, whole)])
    for _ in range(chosen.rounds):
        course.run(0, engine._watch(course, Quiet(turns)))
    for index, name in enumerate(("clock", "CPU time")):
        arena, bare, wide = (median(taken, index) for taken in (turns.arena, *turns.theirs))
        print(
            f"{name:8}  tokens/s: arena {tokens / arena:6.0f}, bare {tokens / bare:6.0f}, bare on whole rows "
            f"{tokens / wide:6.0f};  ratios {bare / arena:.3f} and {wide / arena:.2f}"
        )
    starts = [first_step(engine, rows, f"start-{turn}") for turn in range(chosen.rounds + 1)][1:]
    until, step = (statistics.median(values) for values in zip(*starts, strict=True))
    print(f"{len(rows)} rows to the first step's end: {until:.2f} s, of which the step itself {step:.2f} s")


if __name__ == "__main__":
    main()
