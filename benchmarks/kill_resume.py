"""Does a training that was killed with signal 9 at random steps end in the very weights of an undisturbed one?

    python benchmarks/kill_resume.py [--kills 10] [--steps 40] [--methods sft dpo grpo lora] [--seed 0] [--json]

A hatchling trains the same rows twice: undisturbed, and killed again and again. Each life is a process of its own. It
goes on from the newest checkpoint that was sealed (every third step, as the vault seals), and is killed at a random
moment after a random step: in the next step, or in the middle of a save. Compared are the weights, bit for bit, and
the loss of every step in every life. The exit code is 1 where anything differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from realm.records import Progress, Row, StepMetrics
from realm.vault import files
from realm.vault.manifest import ManifestFacts

SAVE_STEPS, KEPT = 3, 2
LONGEST_WAIT_SECONDS = 0.15
"""A step takes about as long: the signal comes at any moment of it, or of the save behind it."""
WEIGHTS = ("model.safetensors", "adapter_model.safetensors", "own_weights.safetensors")
QUESTIONS = [{"prompt": f"{i} + {i * 3 % 7} ="} for i in range(48)]


@dataclass(frozen=True, slots=True)
class Case:
    """What is trained: a method, its rows, and settings that leave nothing easy out."""

    method: str
    rows: list[Row]
    adapter: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


SHOWN: list[Row] = [{**row, "completion": f" {i % 9}" + " ok" * (i % 5)} for i, row in enumerate(QUESTIONS)]
CASES = {
    "sft": Case("sft", SHOWN, settings={"optim": "muon", "ema_decay": 0.9, "eval_fraction": 0.1}),
    "dpo": Case(
        "dpo",
        [{**row, "chosen": f"yes {i % 7}", "rejected": f"{i % 5} no"} for i, row in enumerate(QUESTIONS)],
        settings={"per_device_train_batch_size": 4, "eval_fraction": 0.1},
    ),
    "grpo": Case(
        "grpo",
        [{**row, "answer": "1"} for row in QUESTIONS],
        settings={"per_device_train_batch_size": 2, "num_generations": 4, "max_completion_length": 8, "kl_beta": 0.01},
    ),
    "lora": Case("sft", SHOWN, adapter="standard", settings={"gradient_accumulation_steps": 2}),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a training that was killed."""

    name: str
    steps: int
    killed_after: list[int]
    """Steps that had just been made."""
    trained_again: int
    """Steps that were made more than once."""
    other_losses: int
    """Steps whose loss in some life was not the undisturbed one's."""
    largest_difference: float
    """Of any weight."""

    @property
    def exact(self) -> bool:
        return self.other_losses == 0 and self.largest_difference == 0.0


class _Hooks:
    """Tells each step to whoever watches, and seals checkpoints."""

    def __init__(self, folder: Path, told: int) -> None:
        self._folder, self._told = folder, told

    def on_step(self, metrics: StepMetrics) -> None:
        os.write(self._told, f"{metrics.step} {metrics.loss.hex()}\n".encode())

    def save(self, engine: Any) -> None:
        facts = ManifestFacts(hero="hatchling", campaign="kills", progress=engine.progress)
        files.seal(self._folder / files.name(engine.progress.step, datetime.now()), engine.write, facts)
        for old in files.folders(self._folder)[:-KEPT]:
            files.drop(old)

    def request(self) -> None:
        return None

    def on_pause(self, step: int) -> None: ...

    def on_resume(self, step: int) -> None: ...

    def on_lighten(self, step: int, before: int, tokens: int) -> None: ...


def train(case: Case, folder: Path, steps: int, told: int) -> None:
    """One life: go on from the newest checkpoint, or begin, and train to the end."""
    import torch

    from realm.arena.engine import Engine
    from realm.config.layers import load
    from realm.config.schema import Hyperparameters
    from realm.heroes.to_train import load_to_train

    torch.set_num_threads(1)
    files.sweep(folder)
    checkpoint = next(reversed(files.folders(folder)), None)
    progress = files.verify(checkpoint).progress if checkpoint else Progress()
    catalogue = load(env={})
    adapter = catalogue.adapters[case.adapter] if case.adapter else None
    hero = load_to_train(catalogue.heroes["hatchling"], adapter, models=folder, checkpoint=checkpoint)
    usual = {"max_length": 64, "per_device_train_batch_size": 1, "warmup_steps": 3, "eval_fraction": 0.0}
    whole = {"num_train_epochs": 100, "max_steps": steps, "save_steps": SAVE_STEPS, "eval_steps": 5}
    settings = Hyperparameters(**{**usual, **whole, **case.settings})
    engine = Engine.open(hero, settings, progress=progress, checkpoint=checkpoint, grade=few_letters)
    engine.train(case.rows, run="kills", quest="kills", hooks=_Hooks(folder, told), method=case.method)


def few_letters(_rows: Sequence[Row], answers: Sequence[str]) -> list[float]:
    """A reward that what a new hatchling babbles earns sometimes."""
    return [1.0 - min(1.0, sum(character.isalpha() for character in answer) / 8) for answer in answers]


class Life:
    """A process that trains. Forked: the libraries are there already."""

    def __init__(self, case: Case, folder: Path, steps: int) -> None:
        told, tell = os.pipe()
        sys.stdout.flush()
        self._pid = os.fork()
        if self._pid == 0:
            code = 1
            try:
                os.close(told)
                train(case, folder, steps, tell)
                code = 0
            finally:
                if (error := sys.exception()) is not None:
                    sys.excepthook(type(error), error, error.__traceback__)
                    sys.stderr.flush()
                os._exit(code)
        os.close(tell)
        self._lines = os.fdopen(told, encoding="ascii")

    def steps(self) -> Iterator[tuple[int, float]]:
        """Step and loss as they are made; the lines of a killed process end with it."""
        for line in self._lines:
            step, loss = line.split()
            yield int(step), float.fromhex(loss)

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)

    def end(self) -> int:
        """The exit code; negative: the signal that killed it."""
        self._lines.close()
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def disturbed(
    case: Case, folder: Path, steps: int, kills: Sequence[int], draw: random.Random
) -> tuple[list[int], list[tuple[int, float]]]:
    """Train with a kill after each of these steps: after which it came, and the losses of all lives in turn."""
    seen: list[tuple[int, float]] = []
    killed: list[int] = []
    for kill in [*kills, steps + 1]:
        life, last = Life(case, folder, steps), 0
        for step, loss in life.steps():
            seen.append((step, loss))
            if step >= kill and not last:
                last = step
                time.sleep(draw.uniform(0, LONGEST_WAIT_SECONDS))
                life.kill()
        code = life.end()
        if code == 0:
            break
        if code != -signal.SIGKILL:
            raise SystemExit(f"A process of {case.method} ended with exit code {code}.")
        killed.append(last)
    return killed, seen


def outcome(name: str, *, steps: int, kills: int, seed: int) -> Outcome:
    """Train a case twice and compare."""
    case, draw = CASES[name], random.Random(f"{seed}/{name}")
    early = range(1, steps - SAVE_STEPS)  # later a life may come to its end before the signal comes
    moments = sorted(draw.sample(early, min(kills, len(early))))
    with tempfile.TemporaryDirectory() as root:
        calm, stormy = Path(root) / "calm", Path(root) / "stormy"
        calm.mkdir()
        stormy.mkdir()
        _, wanted = disturbed(case, calm, steps, [], draw)
        killed, seen = disturbed(case, stormy, steps, moments, draw)
        losses = dict(wanted)
        made = [step for step, _ in seen]
        return Outcome(
            name=name,
            steps=steps,
            killed_after=killed,
            trained_again=len(made) - len(set(made)),
            other_losses=len({step for step, loss in seen if losses[step] != loss}),
            largest_difference=_difference(_newest(calm, steps), _newest(stormy, steps)),
        )


def _newest(folder: Path, steps: int) -> Path:
    newest = files.folders(folder)[-1]
    progress = files.verify(newest).progress
    assert progress.quest_done and progress.step == steps, f"{newest.name} is not the end of the training"
    return newest


def _difference(one: Path, other: Path) -> float:
    """The largest difference of any weight of two checkpoints; infinite where names or shapes differ."""
    import numpy as np
    from safetensors.numpy import load_file

    largest = 0.0
    for name in WEIGHTS:
        if (one / name).exists() != (other / name).exists():
            return float("inf")
        if not (one / name).exists():
            continue
        left, right = load_file(one / name), load_file(other / name)
        if {key: value.shape for key, value in left.items()} != {key: value.shape for key, value in right.items()}:
            return float("inf")
        largest = max([largest, *(float(np.abs(left[key] - right[key]).max()) for key in left)])
    return largest


def _table(found: Sequence[Outcome]) -> Iterator[str]:
    yield "| training | steps | killed after step | steps made again | other losses | largest difference of a weight |"
    yield "|---|---|---|---|---|---|"
    for one in found:
        kills = " ".join(map(str, one.killed_after))
        same = "0, bit for bit" if one.exact else f"{one.largest_difference:.3g}"
        yield f"| {one.name} | {one.steps} | {kills} | {one.trained_again} | {one.other_losses} | {same} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--methods", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="for programs")
    chosen = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}  # no thread may run where one forks
    import realm.arena.methods.dpo
    import realm.arena.methods.grpo
    import realm.heroes.adapters  # noqa: F401

    found = [outcome(name, steps=chosen.steps, kills=chosen.kills, seed=chosen.seed) for name in chosen.methods]
    if chosen.json:
        print(json.dumps([{**asdict(one), "exact": one.exact} for one in found]))
    else:
        print("\n".join(_table(found)))
    sys.exit(0 if all(one.exact for one in found) else 1)


if __name__ == "__main__":
    main()
