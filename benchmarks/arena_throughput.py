"""Arena against a bare PyTorch loop: same model, same packed batches, same loss, same optimizer, one run.

python benchmarks/arena_throughput.py [--threads 2] [--rounds 5] [--optim muon]

Passes of the two alternate, A B A B, and medians are compared, so that a busy machine slows both. The bare loop gets
its batches ready-made, checks nothing and tells nobody. CPU time is shown beside the clock: on a shared machine it is
the steadier of the two. The last lines tell how long a warm engine takes from rows to its first optimizer step.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from realm.arena.engine import Engine
from realm.arena.optim import build
from realm.config.schema import Hyperparameters
from realm.guild.engine import skills
from realm.heroes.hero import load
from realm.records import Progress, StepMetrics


class Quiet:
    """Hooks that remember the clock of each step and want nothing."""

    def __init__(self) -> None:
        self.steps: list[StepMetrics] = []

    def on_step(self, metrics: StepMetrics) -> None:
        self.steps.append(metrics)

    def save(self, engine: Engine) -> None: ...

    def request(self) -> None:
        return None

    def on_pause(self, step: int) -> None: ...

    def on_resume(self, step: int) -> None: ...


def bin_rows(count: int) -> list[dict[str, Any]]:
    """Practice of levels 1 to 4, as prompt and completion."""
    skill = skills().get("bin")
    problems = [skill.generate(1 + i % 4, f"benchmark/{i}") for i in range(count)]
    return [{"prompt": p.prompt, "completion": p.answer} for p in problems]


def bare_loop(model: Any, optimizer: Any, batches: list[Any], max_grad_norm: float) -> None:
    """What one would write by hand."""
    from realm.arena.methods.sft import summed_loss

    model.train()
    head = model.get_output_embeddings()
    for batch in batches:
        count = sum(len(part["targets"]) for part in batch)
        for part in batch:
            (summed_loss(model, head, part) / count).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--optim", choices=["adamw", "muon"], default="muon")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    settings = Hyperparameters(optim=chosen.optim, eval_fraction=0.0)
    rows = bin_rows(chosen.rows)

    engine = Engine.open(load("hatchling"), settings, progress=Progress())
    other = load("hatchling")
    optimizer = build(other.model, settings, hidden_matrices=other.family.hidden_matrices(other.model))
    course = engine._method.course(rows, seed="benchmark")
    batches = list(course.batches())
    tokens = sum(int(part["useful"]) for batch in batches for part in batch)
    print(f"{engine.hero.name}, {chosen.optim}, {chosen.threads} threads: {len(batches)} steps, {tokens} tokens a pass")

    arena, bare, starts, hooks = [], [], [], Quiet()
    bare_loop(other.model, optimizer, batches[:2], settings.max_grad_norm)
    engine.train(rows[:300], run="warm-up", quest="warm-up", hooks=Quiet())
    for turn in range(chosen.rounds):
        hooks, began = Quiet(), time.time()
        watch = engine._watch(course, hooks)
        arena.append(timed(lambda: course.run(0, watch)))  # noqa: B023 - called at once
        bare.append(timed(lambda: bare_loop(other.model, optimizer, batches, settings.max_grad_norm)))
        began, quest = time.time(), Quiet()
        quest.request = lambda: "stop" if quest.steps else None  # type: ignore  # noqa: B023
        engine.train(rows, run="r", quest=f"start-{turn}", hooks=quest)
        starts.append((quest.steps[0].time - began, quest.steps[0].step_seconds))
    for name, index in (("clock", 0), ("CPU time", 1)):
        a, b = (statistics.median(run[index] for run in runs) for runs in (arena, bare))
        print(f"{name:9}  arena {tokens / a:8.0f} tokens/s   bare {tokens / b:8.0f} tokens/s   ratio {b / a:.3f}")
    whole, step = (statistics.median(values) for values in zip(*starts, strict=True))
    print(f"{len(rows)} rows to the first step's end: {whole:.2f} s, of which the step itself {step:.2f} s")


if __name__ == "__main__":
    main()
