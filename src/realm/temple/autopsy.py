"""What went wrong in a run, from what it left behind: facts, steps, signs of life, logs. Loads no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from realm.events import Events, ServiceCrashed
from realm.records import StepMetrics
from realm.temple.diagnosis import gradients, hang, learning_rate
from realm.temple.diagnosis.advice import Diagnosis
from realm.temple.diagnosis.spikes import Spike, spikes
from realm.temple.runs import Run
from realm.temple.scene import Scene

LOG_BYTES = 64_000
SHOWN_SPIKES = 3
CAUSES: tuple[tuple[str, str, str], ...] = (
    (
        "CUDA out of memory",
        "The card's memory ran out.",
        "Compute less at once: training.per_device_train_batch_size 1",
    ),
    ("MemoryError", "Memory ran out.", "Compute less at once, or close other programs."),
    ("No space left on device", "The disk was full.", "Free some room: realm vault retain --dry-run"),
    ("CUDA error", "The card failed.", "See nvidia-smi and the system's log; start the machine anew if it stays."),
    ("database is locked", "The database was held by another program.", "Close programs that hold realm.db open."),
    ("Traceback (most recent call last)", "The program raised an error.", "Read the end of the log."),
)
"""What stands in a log, what it means, what to do; the first that occurs in its end is meant."""
SIGNALS = {-9: "It was killed (SIGKILL): by a person, or by the system for want of memory. See: dmesg | grep -i oom",
           -15: "It was asked to end (SIGTERM).", -11: "It crashed in native code (SIGSEGV).",
           -6: "It gave itself up (SIGABRT), as native code does when an assumption breaks."}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Autopsy:
    """All that was seen about one run."""

    run: Run
    diagnoses: Sequence[Diagnosis]
    spikes: Sequence[Spike]

    @property
    def suspect(self) -> int | None:
        """The optimizer step of the quest to look at more closely: where it failed, else the highest spike."""
        if self.run.outcome == "failed":
            return self.run.steps + 1
        return max(self.spikes, key=lambda spike: spike.times).quest_step if self.spikes else None


def autopsy(scene: Scene) -> Autopsy:
    """Look at the scene's run from all sides."""
    run = scene.run
    assert run is not None
    steps = list(scene.steps()) if run.steps else _unfinished(scene, run)
    found = spikes(steps)
    alive = scene.workspace.holder("hero") is not None
    diagnoses = [
        *_ended(run, steps, alive),
        *_crashes(scene.events, run, steps),
        *_log(scene.workspace.log("hero"), run, alive),
        learning_rate.autopsy(steps),
        gradients.over_steps(steps),
        *([_spikes(found)] if found else []),
        *([hang.hang(steps, scene.clock(), _beat(scene), alive=alive)] if not run.outcome else []),
    ]
    return Autopsy(run, diagnoses, found)


def _unfinished(scene: Scene, run: Run) -> list[StepMetrics]:
    """The steps on record of a run that never said that it had ended."""
    return scene.metrics.after(scene.key, run.start_step, 100_000)


def _ended(run: Run, steps: Sequence[StepMetrics], alive: bool) -> list[Diagnosis]:
    """How it ended, and what it met on the way."""
    last = steps[-1].step if steps else run.start_step
    if run.outcome == "failed":
        found = [Diagnosis("end", "bad", f"It failed at step {run.end_step}: {run.reason}", _failure(run.reason))]
    elif run.outcome:
        found = [Diagnosis("end", "fine", f"It ended well ({run.outcome}) at step {run.end_step}.")]
    elif alive:
        found = [Diagnosis("end", "fine", f"It goes on, or waits; the last step on record is {last}.")]
    else:
        advice = "Nothing is lost but the steps since the last checkpoint: realm start-all goes on from there."
        found = [Diagnosis("end", "bad", f"It never said that it ended; the last step on record is {last}.", advice)]
    if run.lightened:
        advice = "Set what fits from the start: training.per_device_train_batch_size, or a smaller max_length."
        found.append(
            Diagnosis("memory", "note", f"Memory ran out {run.lightened} times and less was taken at once.", advice)
        )
    if run.starts > 1:
        found.append(Diagnosis("starts", "note", f"It was begun or gone on with {run.starts} times."))
    return found


def _failure(reason: str) -> str:
    if "nan" in reason.lower() or "inf" in reason.lower():
        return "Which row and which layer: realm autopsy RUN --rows. Then lower learning_rate, or take the row out."
    return "Mend the cause, then: realm quest retry ID"


def _crashes(events: Events, run: Run, steps: Sequence[StepMetrics]) -> list[Diagnosis]:
    """What the supervisor saw of the training process since the run's last step."""
    since = steps[-1].time if steps else 0.0
    facts = [(each.time, each.fact) for each in events.newest(20, kinds=["service_crashed"])]
    seen = [f for when, f in facts if isinstance(f, ServiceCrashed) and f.service == "hero" and when >= since]
    if not seen or run.outcome == "completed":
        return []
    code = seen[0].exit_code
    return [Diagnosis("process", "bad", f"The training process ended with {code}. {SIGNALS.get(code, '')}".strip())]


def _log(path: Path, run: Run, alive: bool) -> list[Diagnosis]:
    """The end of the training process's log, for a run that did not end well."""
    if run.outcome not in {"", "failed"} or (alive and not run.outcome) or not path.is_file():
        return []
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - LOG_BYTES))
        text = file.read().decode("utf-8", "replace")
    for sign, words, advice in CAUSES:
        if sign in text:
            line = next((line for line in reversed(text.splitlines()) if line.strip()), "")
            return [Diagnosis("log", "bad", f"{words} The last line of {path.name}: {line.strip()[:200]}", advice)]
    return []


def _spikes(found: Sequence[Spike]) -> Diagnosis:
    worst = sorted(found, key=lambda spike: -spike.times)[:SHOWN_SPIKES]
    said = ", ".join(f"step {s.step} ({s.loss:.2f}, usually {s.usual:.2f})" for s in worst)
    advice = "The rows that made the highest: realm autopsy RUN --rows. Broken or foreign rows are the usual cause."
    return Diagnosis("spikes", "note", f"{len(found)} loss spikes, the highest: {said}.", advice)


def _beat(scene: Scene) -> float | None:
    path = scene.workspace.logs / "hero.beat"
    return path.stat().st_mtime if path.is_file() else None
