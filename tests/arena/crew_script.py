"""One rank of a small training, started by torchrun: FOLDER KILL_AT. Rank 0 seals every third step and notes losses.

With KILL_AT > 0 rank 0 kills rank 1 (-9) after that step, once: `killed` in the folder says that it has been done.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import torch

from realm.arena.crew import Crew
from realm.arena.engine import Engine
from realm.records import Progress, StepMetrics
from realm.vault import files
from realm.vault.manifest import ManifestFacts
from tests.arena.arena_support import Notes, settings, small_hero, small_rows

FOLDER, KILL_AT = Path(sys.argv[1]), int(sys.argv[2])
CHOSEN = settings(per_device_train_batch_size=2, save_steps=3, num_train_epochs=2, ema_decay=0.5)


class Leading(Notes):
    def on_step(self, metrics: StepMetrics) -> None:
        super().on_step(metrics)
        with open(FOLDER / "losses.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps([metrics.step, metrics.loss, metrics.grad_norm, metrics.tokens]) + "\n")
        if metrics.step == KILL_AT and not (FOLDER / "killed").exists():
            (FOLDER / "killed").touch()
            os.kill(int((FOLDER / "pid").read_text()), signal.SIGKILL)

    def save(self, engine: Engine) -> None:
        facts = ManifestFacts("small", "crew", engine.progress)
        files.seal(FOLDER / "sealed" / f"checkpoint-{engine.progress.step:08d}-20260101-000000", engine.write, facts)


def newest() -> tuple[Path | None, Progress]:
    folders = sorted((FOLDER / "sealed").glob("checkpoint-*")) if (FOLDER / "sealed").exists() else []
    return (folders[-1], files.verify(folders[-1]).progress) if folders else (None, Progress())


def main() -> None:
    torch.set_num_threads(1)
    crew = Crew.join()
    (FOLDER / "sealed").mkdir(parents=True, exist_ok=True)
    checkpoint, progress = crew.tell(newest() if crew.leads else None)
    hero = small_hero("0" if crew.leads else "another")  # weights come from rank 0
    engine = Engine.open(hero, CHOSEN, progress=progress, checkpoint=checkpoint, crew=crew)
    if crew.leads:
        engine.train(small_rows(), run="r", quest="a", hooks=Leading())
        torch.save(hero.model.state_dict(), FOLDER / "weights.pt")
    else:
        (FOLDER / "pid").write_text(str(os.getpid()))
        engine.follow()
    crew.end()


if __name__ == "__main__":
    main()
