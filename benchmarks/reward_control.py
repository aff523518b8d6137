"""Does a hero learn from a skill's reward, and nothing from coins? Pass rate on held-out problems before and after.

python benchmarks/reward_control.py [--seeds 0 1 2] [--method grpo] [--steps N] [--shown N]

A small hatchling is shown BIN's easy comparisons of levels 1 to 4 with their answers for a short while (sft). From
there it learns from rewards twice, with the same prompts, steps and settings: graded by the skill, and by a fair coin.
Asked are held-out problems of that sort, eight sampled answers each (temperature 1), and one greedy answer each.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from dataclasses import dataclass, field
from random import Random
from typing import Any

from realm.arena.engine import Engine
from realm.config.schema import Hyperparameters
from realm.guild.engine import SkillEngine
from realm.guild.practice import row_of
from realm.guild.rewards import Rewards
from realm.guild.skill import Problem, Side
from realm.heroes.families import families
from realm.heroes.hatchling import model as hatchling
from realm.heroes.hatchling import tokenizer as hatchling_tokenizer
from realm.heroes.hero import LoadedHero
from realm.quests.formats import convert
from realm.records import Progress, StepMetrics

SHAPE = hatchling.Shape(hidden_size=64, layers=2, heads=4, key_value_heads=4, head_dim=16, mlp_size=192)
SHOWN, STEPS = 4000, 45
"""Rows with answers at the start; steps of rewards."""
LEVELS = (1, 2, 3, 4)
ASKED = 120
"""Held-out problems."""
SAMPLES = 8
NEW_TOKENS = 20
"""The longest right answer: two operands and a result of five digits, two signs, the end."""
LEARNING_RATE = 3e-4
"""Of rewards. At 1e-3 the pass rate fell by half in the first 15 steps before it rose."""
SETTINGS: dict[str, Any] = {
    "per_device_train_batch_size": 16,
    "max_length": 64,
    "warmup_steps": 0,
    "eval_fraction": 0.0,
    "save_steps": 10_000,
    "num_generations": 8,
    "max_completion_length": NEW_TOKENS,
    "num_train_epochs": 50,
}
START: dict[str, Any] = {
    "num_train_epochs": 1,
    "lr_scheduler_type": "linear",
    "optim": "muon",
    "muon_learning_rate": 0.02,
    "learning_rate": 3e-3,
    "per_device_train_batch_size": 4,
}


@dataclass
class Notes:
    """Hooks that only remember the steps."""

    steps: list[StepMetrics] = field(default_factory=list)

    def on_step(self, metrics: StepMetrics) -> None:
        self.steps.append(metrics)

    def save(self, _engine: Engine) -> None: ...

    def request(self) -> None:
        return None

    def on_pause(self, _step: int) -> None: ...

    def on_resume(self, _step: int) -> None: ...

    def on_lighten(self, _step: int, _before: int, _tokens: int) -> None: ...


@dataclass(frozen=True)
class Pass:
    """Held-out pass rates."""

    sampled: float
    greedy: float
    asked: int
    """Problems; each was sampled SAMPLES times."""

    def __str__(self) -> str:
        return f"{self.sampled:.3f} sampled, {self.greedy:.3f} greedy"

    @property
    def error(self) -> float:
        """Standard error of the sampled rate if all samples were independent."""
        return math.sqrt(self.sampled * (1 - self.sampled) / (self.asked * SAMPLES))


def problems(side: Side, draws: int = 2000) -> list[Problem]:
    """Different easy comparisons, smaller, larger and equal among them, whose answer is one line."""
    skill = SkillEngine().get("bin")
    drawn = [
        skill.generate(level, f"reward control/{i}", side=side, kind="easy") for level in LEVELS for i in range(draws)
    ]
    found = [problem for problem in drawn if problem.primitives == ("binary_compare",) and "\n" not in problem.answer]
    different = list({problem.prompt: problem for problem in found}.values())
    Random("order").shuffle(different)
    return different


def started(seed: int, shown: int) -> LoadedHero:
    """A small hatchling that was shown so many rows with their answers."""
    tokenizer = hatchling_tokenizer.load()
    hero = LoadedHero(
        hatchling.build(tokenizer, seed=str(seed), shape=SHAPE), tokenizer, families.get("transformers"), "small"
    )
    drawn = problems("train")
    rows = [
        {"prompt": problem.prompt, "completion": problem.answer}
        for problem in (drawn * (1 + shown // len(drawn)))[:shown]
    ]
    settings = Hyperparameters(**{**SETTINGS, **START, "seed": seed})
    Engine.open(hero, settings, progress=Progress()).train(rows, run="start", quest="start", hooks=Notes())
    return hero


def rewarded(hero: LoadedHero, seed: int, *, method: str, steps: int, random_reward: bool) -> tuple[Engine, Notes]:
    """A copy of the hero after so many steps of rewards."""
    settings = Hyperparameters(
        **{**SETTINGS, "max_steps": steps, "learning_rate": LEARNING_RATE, "seed": seed, "random_reward": random_reward}
    )
    pupil = LoadedHero(copy.deepcopy(hero.model), hero.tokenizer, hero.family, hero.name)
    engine = Engine.open(pupil, settings, progress=Progress(), grade=Rewards(SkillEngine()).grade)
    notes = Notes()
    rows = [convert(row_of(problem)) for problem in problems("train")]
    engine.train(rows, run="rewards", quest="rewards", hooks=notes, method=method)
    return engine, notes


def pass_rate(hero: LoadedHero) -> Pass:
    """How a hero does on the held-out problems."""
    asked, skill = problems("exam")[:ASKED], SkillEngine().get("bin")
    prompts = [problem.prompt for problem in asked]
    told = hero.family.sample(
        hero.model, hero.tokenizer, prompts,
        count=SAMPLES, temperature=1.0, top_p=1.0, max_new_tokens=NEW_TOKENS, seed="held out",
    )  # fmt: skip
    first = hero.family.answer(hero.model, hero.tokenizer, prompts, max_new_tokens=NEW_TOKENS)
    right = sum(skill.score(p, text).correct for p, texts in zip(asked, told, strict=True) for text in texts)
    greedy = sum(skill.score(p, text).correct for p, text in zip(asked, first, strict=True))
    return Pass(right / (len(asked) * SAMPLES), greedy / len(asked), len(asked))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--method", choices=["grpo", "rloo"], default="grpo")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--shown", type=int, default=SHOWN)
    chosen = parser.parse_args()
    for seed in chosen.seeds:
        began = time.perf_counter()
        hero = started(seed, chosen.shown)
        print(f"seed {seed}: started {pass_rate(hero)} ({time.perf_counter() - began:.0f} s)", flush=True)
        for random_reward in (False, True):
            began = time.perf_counter()
            engine, notes = rewarded(hero, seed, method=chosen.method, steps=chosen.steps, random_reward=random_reward)
            measures = [step.measures for step in notes.steps]
            print(
                f"  {'random' if random_reward else 'true  '} reward: {pass_rate(engine.hero)};"
                f" reward {measures[0]['reward']:.2f} -> {measures[-1]['reward']:.2f},"
                f" signal {measures[0]['signal']:.2f} -> {measures[-1]['signal']:.2f},"
                f" length {measures[0]['length']:.1f} -> {measures[-1]['length']:.1f}"
                f" ({len(measures)} steps, {time.perf_counter() - began:.0f} s)",
                flush=True,
            )


if __name__ == "__main__":
    main()
