"""BIN problems that one core makes in a second of its time. `python benchmarks/bin_generation.py [seconds per row]`"""

from __future__ import annotations

import sys
import time

from realm.guild.skills.binary import BinarySkill


def rate(skill: BinarySkill, level: int, kind: str | None, seconds: float) -> float:
    """Problems per second of processor time, of one kind (None: the level's mix)."""
    made, start = 0, time.process_time()
    while (spent := time.process_time() - start) < seconds:
        for i in range(made, made + 200):
            skill.generate(level, f"bin/{level}/bench/{i}", kind=kind)  # type: ignore[arg-type]
        made += 200
    return made / spent


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    skill = BinarySkill()
    print(f"{'level':>5} {'easy/s':>10} {'mix/s':>10} {'mix/easy':>9}")
    for level in (1, 10, 30):
        easy, mix = rate(skill, level, "easy", seconds), rate(skill, level, None, seconds)
        print(f"{level:>5} {easy:>10,.0f} {mix:>10,.0f} {mix / easy:>9.2f}")


if __name__ == "__main__":
    main()
