"""How fast a quest file is validated, and in how much memory, beside `datasets` reading it for the same checks.

python benchmarks/validation_speed.py [--megabytes 100] [--rows-of 900] [--only standard deep ...]

Writes a JSONL file of prompt and completion in made-up prose (of 1,000 rows ten copies, ten near-copies, five with
broken accents, five loops) and checks it in a process each: `standard` and `deep` are Realm's levels without a
tokenizer; the other two load the same file with `datasets` (Arrow, a cache of its own that is removed) and give each
row to the same code. Prints MB/s (1 MB = 10^6 bytes of the file) by the clock and by CPU time, the peak resident
memory of the process, and what was found.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from realm.quests.checks import Validation, content_digest, validate
from realm.quests.deep import DeepCheck
from realm.quests.elsewhere import Elsewhere


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--rows-of", type=int, default=900, help="characters of a row, about")
    parser.add_argument("--only", nargs="*", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        child(*chosen.child)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        rows = write(path, chosen.megabytes, chosen.rows_of)
        megabytes = path.stat().st_size / 1e6
        print(f"{rows:,} rows, {megabytes:.0f} MB")
        for name in chosen.only:
            done = subprocess.run(
                [sys.executable, __file__, "--child", name, str(path)], stdout=subprocess.PIPE, text=True, check=True
            )
            told = json.loads(done.stdout.splitlines()[-1])
            print(
                f"  {name:<18} {megabytes / told['seconds']:6.1f} MB/s, {megabytes / told['cpu']:6.1f} by CPU time; "
                f"peak {told['peak_mb']:,.0f} MB; {told['found']}"
            )


def write(path: Path, megabytes: int, characters: int) -> int:
    """The file. Returns how many rows it has."""
    written = rows = 0
    with path.open("w", encoding="utf-8") as file:
        for row in made_up(characters):
            line = json.dumps(row, ensure_ascii=False) + "\n"
            file.write(line)
            written, rows = written + len(line.encode()), rows + 1
            if written >= megabytes * 1_000_000:
                break
    return rows


def made_up(characters: int) -> Iterator[dict[str, str]]:
    draw = random.Random("validation")
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 10))) for _ in range(20_000)]
    row: dict[str, str] = {}
    number = 0
    while True:
        kind, number = number % 200, number + 1
        if kind == 7 or kind == 107:
            yield row
        elif kind == 11 or kind == 111:
            yield {**row, "completion": row["completion"] + " amen"}
        elif kind == 13:
            yield {**row, "prompt": " ".join(draw.sample(words, 40)) + " cafÃ©"}
        elif kind == 17:
            yield {**row, "prompt": " ".join(draw.sample(words, 40)), "completion": "la la la " * 40}
        else:
            row = {
                "prompt": " ".join(draw.sample(words, characters // 14)),
                "completion": " ".join(draw.sample(words, characters // 14)),
            }
            yield row


def child(name: str, path: str) -> None:
    began, cpu = time.perf_counter(), time.process_time()
    found = CONTENDERS[name](Path(path))
    told: dict[str, Any] = {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        "found": found,
    }
    print(json.dumps(told))


def standard(path: Path) -> str:
    return f"{validate(path).duplicates:,} copies"


def deep(path: Path) -> str:
    return _found(validate(path, Validation(level="deep")).finding_counts)


def datasets_standard(path: Path) -> str:
    seen: set[bytes] = set()
    copies = 0
    for row in _loaded(path):
        digest = content_digest(row)
        copies += digest in seen
        seen.add(digest)
    return f"{copies:,} copies"


def datasets_deep(path: Path) -> str:
    check, seen = DeepCheck(Elsewhere()), set[bytes]()
    for line, row in enumerate(_loaded(path), 1):
        digest = content_digest(row)
        check.add(line, row, duplicate=digest in seen)
        seen.add(digest)
    check.finish()
    return _found(check.counts)


def _loaded(path: Path) -> Iterator[dict[str, Any]]:
    import datasets

    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as cache:
        yield from datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=cache)


def _found(counts: Any) -> str:
    return ", ".join(f"{cause} {count:,}" for cause, count in counts.items())


CONTENDERS: dict[str, Callable[[Path], str]] = {
    "standard": standard,
    "datasets, the same": datasets_standard,
    "deep": deep,
    "datasets, deep": datasets_deep,
}

if __name__ == "__main__":
    main()
