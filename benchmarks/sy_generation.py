"""SY puzzles that one core makes in a second of its time. `python benchmarks/sy_generation.py [seconds per row]`"""

from __future__ import annotations

import sys
import time

from realm.guild.skills.syllacrostic import SyllacrosticSkill

WANTED = {1: 3_000, 25: 1_000, 50: 500}


def rate(skill: SyllacrosticSkill, level: int, seconds: float) -> float:
    """Puzzles per second of processor time."""
    made, start = 0, time.process_time()
    while (spent := time.process_time() - start) < seconds:
        for i in range(made, made + 50):
            skill.generate(level, f"sy/{level}/bench/{i}")
        made += 50
    return made / spent


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    skill = SyllacrosticSkill()
    start = time.process_time()
    skill.generate(1, "sy/1/bench/first")
    print(f"first puzzle, with reading the table: {time.process_time() - start:.2f} s")
    print(f"{'level':>5} {'puzzles/s':>10} {'wanted':>7}")
    for level in (1, 10, 25, 50):
        skill.generate(level, "sy/bench/warm")
        print(f"{level:>5} {rate(skill, level, seconds):>10,.0f} {WANTED.get(level, 0) or '':>7}")


if __name__ == "__main__":
    main()
