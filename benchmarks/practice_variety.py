"""How varied practice is, beside what each level of a skill itself gives: what the guard against collapse compares.

python benchmarks/practice_variety.py [--skill bin] [--rows 256] [--levels 1 2 3 ...]

For every level: the level's own rows, the least of practice's ratios to them over all primitives (each failing always,
alone, with the shipped settings), and the smallest number of different rows. Ends with the least of all beside the
shipped thresholds, and with the cost of measuring one quest.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from realm.config.schema import CurriculumSettings, GuardSettings
from realm.guild.curriculum import Mix
from realm.guild.engine import SkillEngine
from realm.guild.guards import JUDGED_ROWS, Variety, collapsed, variety
from realm.guild.practice import draw
from realm.guild.skill import Problem


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skill", default="bin")
    parser.add_argument("--rows", type=int, default=JUDGED_ROWS)
    parser.add_argument("--levels", type=int, nargs="*")
    chosen = parser.parse_args()
    engine, rule, guards = SkillEngine(), CurriculumSettings(), GuardSettings()
    skill = engine.get(chosen.skill)
    least, tripped = {"unique": 1.0, "entropy": 1.0, "distinct": float(chosen.rows)}, 0
    print("level   own unique, bits   practice: least unique ratio, entropy ratio, different rows")
    for level in chosen.levels or range(1, skill.levels + 1):
        own = variety(texts(engine.generate_batch(skill.id, level, chosen.rows, "reference")))
        found = [measured(engine, rule, skill.id, level, weak, chosen.rows) for weak in ("", *skill.spec.primitives)]
        tripped += sum(collapsed((skill.id, level), one, own, guards) is not None for one in found)
        here = {
            "unique": min(one.unique for one in found) / own.unique,
            "entropy": min(one.entropy_bits for one in found) / own.entropy_bits,
            "distinct": min(one.distinct for one in found),
        }
        least = {name: min(least[name], here[name]) for name in least}
        print(f"{level:>5}   {own.unique:.2f}, {own.entropy_bits:5.2f}   {here['unique']:.2f}, {here['entropy']:.2f}, "
              f"{here['distinct']:.0f} of {chosen.rows}", flush=True)  # fmt: skip
    print(f"least: unique ratio {least['unique']:.2f} (trips below {guards.min_unique_ratio}), entropy ratio "
          f"{least['entropy']:.2f} (below {guards.min_entropy_ratio}), different rows {least['distinct']:.0f} "
          f"(below {guards.min_distinct}); tripped {tripped} times")  # fmt: skip
    problems = texts(draw(Mix({(skill.id, 1): 1.0}, "", kind_weights=rule.kind_weights), engine, 2000, "cost"))
    began = time.process_time()
    variety(problems)
    print(f"measuring 2,000 rows of level 1: {1000 * (time.process_time() - began):.0f} ms of one core")


def measured(engine: SkillEngine, rule: CurriculumSettings, skill: str, level: int, weak: str, rows: int) -> Variety:
    """Practice of one level where one primitive always fails and the others never do (none where it is empty)."""
    errors = {skill: dict.fromkeys(engine.get(skill).spec.primitives, 0.0) | {weak: 1.0}} if weak else {}
    mix = Mix({(skill, level): 1.0}, "", errors, rule.error_floor, rule.kind_weights)
    return variety(texts(draw(mix, engine, rows, "practice")))


def texts(problems: Sequence[Problem]) -> list[str]:
    return [f"{problem.prompt}\n{problem.answer}" for problem in problems]


if __name__ == "__main__":
    main()
