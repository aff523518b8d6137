"""Gathers what speaks for and against a run: examinations before and after, canaries, strain, cost. Decides nothing."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import psutil

from realm.guild.passives.drift import Drift
from realm.guild.progression import Examination
from realm.records import StepMetrics
from realm.temple.gate import Comparison
from realm.temple.quality import TREND_EXAMINATIONS, Learning, trend
from realm.temple.runs import Run

RECENT_EXAMINATIONS = 400
"""Examinations of a skill that are looked through, newest first."""
STRAIN_STEPS = 10


@dataclass(frozen=True, slots=True)
class Taken:
    """The examinations of one skill, oldest first, and the steps between which a run trained."""

    skill: str
    examinations: Sequence[Examination]
    start: int
    end: int

    @property
    def within(self) -> list[Examination]:
        """Those of the run's own checkpoints."""
        return [e for e in self.examinations if self.start < e.step <= self.end]

    @property
    def last(self) -> list[Examination]:
        """Those of the newest checkpoint of the run that was examined."""
        newest = max((e.step for e in self.within), default=-1)
        return [e for e in self.within if e.step == newest]

    def of_level(self, level: int) -> list[Examination]:
        return [e for e in self.examinations if e.level == level and e.step <= self.end]


def compared(taken: Taken, *, knew_nothing: bool) -> list[Comparison]:
    """Each level that was examined in the run: its newest examination before it, and its newest within.

    A level that was not examined before is compared with its first examination within the run; where the hero
    `knew_nothing` before (first weights), with no right answer at all.
    """
    found = []
    for level in sorted({e.level for e in taken.within}):
        of_level = taken.of_level(level)
        after = of_level[-1]
        before = next((e for e in reversed(of_level) if e.step <= taken.start), None)
        if before is None:
            first = next(e for e in of_level if e.step > taken.start)
            before = _nothing(first) if knew_nothing else first if first.step < after.step else None
        found.append(Comparison(taken.skill, level, before, after))
    return found


def over_window(taken: Taken) -> list[Comparison]:
    """The levels of the run's end against the first of their last ten examinations: slow gain of many small runs."""
    found = []
    for after in taken.last:
        window = taken.of_level(after.level)[-TREND_EXAMINATIONS:]
        if len(window) > 1:
            found.append(Comparison(taken.skill, after.level, window[0], after))
    return found


def at(before: Iterable[Examination], after: Iterable[Examination]) -> list[Comparison]:
    """Two sittings side by side: every level that the later one asked."""
    known = {(e.skill, e.level): e for e in before}
    ordered = sorted(after, key=lambda e: (e.skill, e.level))
    return [Comparison(e.skill, e.level, known.get((e.skill, e.level)), e) for e in ordered]


def learning(skills: Sequence[Taken]) -> Learning:
    """What the examinations after a run say; all zeros, and the lowest trend, where there was none."""
    last = [e for taken in skills for e in taken.last]
    asked = sum(e.n for e in last)
    if not asked:
        return Learning(0.0, 0.0, -1.0)
    covered = sum(bool(taken.last) for taken in skills) / len(skills)
    trends = [trend(accuracies) for taken in skills if (accuracies := _line(taken))]
    return Learning(sum(e.correct for e in last) / asked, covered, fmean(trends) if trends else 0.0)


def strain(steps: Sequence[StepMetrics], effort: float) -> dict[str, Any]:
    """How hard the run was: mean strain of its first and last ten steps, effort, nats gained per nat of effort."""
    losses = [s.loss for s in steps if math.isfinite(s.loss)]
    strains = [s.strain for s in steps if s.strain is not None]
    gain = losses[0] - losses[-1] if losses else 0.0
    return {
        "first": fmean(strains[:STRAIN_STEPS]) if strains else None,
        "last": fmean(strains[-STRAIN_STEPS:]) if strains else None,
        "effort": effort, "plastic_gain": gain, "efficiency": gain / effort if effort > 0 else 0.0,
        "loss_first": losses[0] if losses else None, "loss_last": losses[-1] if losses else None,
    }  # fmt: skip


def cost(run: Run) -> dict[str, Any]:
    return {"steps": run.steps, "tokens": run.tokens, "seconds": run.seconds, "starts": run.starts}


def memory() -> dict[str, Any]:
    """What the process that weighs holds now; of many verdicts of one process its growth can be seen."""
    return {"pid": os.getpid(), "used_bytes": psutil.Process().memory_info().rss}


def canaries(standing: Mapping[str, Drift]) -> list[dict[str, Any]]:
    """Each set of canaries beside its best checkpoint."""
    return [
        {
            "module": name, "n": drift.sitting.n, "correct": drift.sitting.correct, "best_correct": drift.best.correct,
            "best_step": drift.best.step, "lost": drift.lost, "gained": drift.gained, "chance": drift.chance,
            "severity": drift.severity,
        }
        for name, drift in standing.items()
    ]  # fmt: skip


def _line(taken: Taken) -> list[float]:
    """Accuracies of the frontier level that was examined most among the last ten sittings, oldest first."""
    frontier = [e for e in taken.examinations if e.role == "frontier" and e.step <= taken.end][-TREND_EXAMINATIONS:]
    if not frontier:
        return []
    levels = [e.level for e in frontier]
    level = max(dict.fromkeys(reversed(levels)), key=levels.count)
    return [e.accuracy for e in frontier if e.level == level]


def _nothing(first: Examination) -> Examination:
    """First weights know no answer: the same problems, none of them right."""
    return Examination(
        key=first.key, step=0, skill=first.skill, level=first.level, role=first.role, n=first.n, correct=0,
        seed=first.seed, marks="0" * len(first.marks),
    )  # fmt: skip
