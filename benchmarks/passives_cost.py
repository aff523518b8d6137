"""What the canaries cost beside the examination they come with, one run.

python benchmarks/passives_cost.py [--threads 2] [--rounds 3] [--rows 1920]

The hatchling is trained on `--rows` of BIN first; with 0 it writes every answer to its longest, which is the dearest
case for both.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import torch

from arena_throughput import Quiet, bin_rows
from realm.arena.engine import Engine
from realm.config.schema import CurriculumSettings, Hyperparameters, PassiveSettings
from realm.guild.answer_room import AnswerRoom
from realm.guild.engine import SkillEngine
from realm.guild.examiner import examine, targets
from realm.guild.passives.sets import modules, problems
from realm.heroes.hero import load
from realm.records import CampaignKey, Progress


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1920)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    engine = Engine.open(load("hatchling"), Hyperparameters(), progress=Progress())
    if chosen.rows:
        engine.train(bin_rows(chosen.rows), run="cost", quest="cost", hooks=Quiet())
    rule, passive = CurriculumSettings(), PassiveSettings()
    skills, key = SkillEngine(), CampaignKey("hatchling", "cost")
    asked = targets({}, {"bin": skills.get("bin").levels}, rule, 1)
    prompts = [problem.prompt for module in modules("core") for problem in problems(module.name)]
    extended = [problem.prompt for module in modules("extended") for problem in problems(module.name)]
    room = AnswerRoom(rule.exam_max_new_tokens, engine.hero.answer_tokens)

    def answer(prompts: Sequence[str]) -> list[str]:
        return engine.answer(prompts, max_new_tokens=room.tokens)

    def seconds(what: str) -> float:
        began = time.perf_counter()
        if what == "examination":
            examine(skills, key, 1, asked, answer, settings=rule, template_hash="", expect=room.expect)
        else:
            of = prompts if what == "core" else extended
            engine.answer(of, max_new_tokens=passive.max_new_tokens)
        return time.perf_counter() - began

    for what in ("examination", "core"):
        seconds(what)
    spent = {"examination": 0.0, "core": 0.0, "extended": 0.0}
    for _ in range(chosen.rounds):
        for what in spent:
            spent[what] += seconds(what)
    for what, whole in spent.items():
        print(f"{what:<12} {whole / chosen.rounds:6.2f} s")
    print(f"core canaries / examination: {spent['core'] / spent['examination']:.3f}")
    print(f"extended canaries / examination: {spent['extended'] / spent['examination']:.3f}")


if __name__ == "__main__":
    main()
