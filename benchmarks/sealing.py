"""How long sealing and verifying a checkpoint takes, against writing the same bytes without any promise.

    python benchmarks/sealing.py [--megabytes 15] [--repeats 10] [--folder DIR]

Prints medians in milliseconds and the ratios measured in this run.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from realm.config.schema import RetentionSettings
from realm.db import open_database
from realm.events import Events
from realm.records import Progress
from realm.vault import files
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger
from realm.vault.manifest import ManifestFacts
from realm.workspace import Workspace

SMALL = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
         "trainer_state.json", "scheduler.pt", "rng_state.pth")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=15.0, help="size: a third weights, the rest optimizer")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--folder", type=Path, default=None, help="where to write (default: a temporary folder)")
    arguments = parser.parse_args()
    root = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        report(root, int(arguments.megabytes * 1e6), arguments.repeats)
    finally:
        shutil.rmtree(root)


def report(root: Path, size_bytes: int, repeats: int) -> None:
    content = os.urandom(size_bytes)

    def write(folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(content[: size_bytes // 3])
        (folder / "optimizer.pt").write_bytes(content[size_bytes // 3 :])
        for name in SMALL:
            (folder / name).write_bytes(content[:4000])

    def plain(number: int) -> None:
        folder = root / f"plain-{number}"
        folder.mkdir()
        write(folder)

    def seal(number: int) -> None:
        facts = ManifestFacts(hero="hatchling", campaign="bench", progress=Progress(step=number))
        files.seal(root / f"checkpoint-{number}-20260101-0000", write, facts)

    def verify(number: int) -> None:
        files.verify(root / f"checkpoint-{number}-20260101-0000")

    workspace = Workspace(root / "realm")
    workspace.create()
    db = open_database(workspace.database, checkpoints=True)
    db.upgrade()
    events = Events(db)
    keeper = Keeper(workspace, CheckpointLedger(db, events), events, RetentionSettings())

    def save(number: int) -> None:
        facts = ManifestFacts(hero="hatchling", campaign="bench", progress=Progress(step=number))
        keeper.save(facts.key, write, facts)

    seal(10**9)  # the first save of a process also reads versions and the commit
    figures = {name: milliseconds(task, repeats) for name, task in
               (("write only", plain), ("write and seal", seal), ("verify", verify),
                ("whole save", save))}  # fmt: skip
    print(f"{size_bytes / 1e6:.0f} MB in {2 + len(SMALL)} files, median of {repeats}:")
    for name, value in figures.items():
        print(f"  {name:<15} {value:8.1f} ms")
    db.close()
    print("  (whole save: written, sealed, registered, linked, and one older checkpoint dropped)")
    print(f"  sealing adds    {figures['write and seal'] - figures['write only']:8.1f} ms")
    gigabytes = size_bytes / 1e9
    sealing = (figures["write and seal"] - figures["write only"]) / 1000 / gigabytes
    print(f"  per GB: sealing {sealing:.2f} s, verifying {figures['verify'] / 1000 / gigabytes:.2f} s")
    print(f"  ratio write and seal / write only {figures['write and seal'] / figures['write only']:.2f}")


def milliseconds(task: Callable[[int], None], repeats: int) -> float:
    taken = []
    for number in range(repeats):
        began = time.perf_counter()
        task(number)
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
