"""The rules of skill levels: what passes, what is mastered, what is lost. Pure: knows no database, model or clock.

Definitions: docs/progression.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from math import sqrt
from typing import Any, Literal, NamedTuple, Protocol

from realm.guild.mastery import Rule
from realm.records import CampaignKey

Role = Literal["frontier", "panel"]
Z_95 = 1.959963984540054
STEPS_PER_HERO_LEVEL = 1000
SMALLEST_LOSS = 1e-6
_SLACK = 1e-9  # 0.8 - 0.05 and 75/100 are not the same float


class Interval(NamedTuple):
    low: float
    high: float


def wilson(correct: float, n: float) -> Interval:
    """The 95 % score interval of a share `correct`/`n` (Wilson 1927). Nothing asked: all is possible."""
    if n <= 0:
        return Interval(0.0, 1.0)
    share, z2 = correct / n, Z_95 * Z_95
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return Interval(max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)))


class _Asked(Protocol):
    """Whatever says how many problems were asked and how many of them were answered right."""

    @property
    def correct(self) -> int: ...
    @property
    def n(self) -> int: ...


class Counted:
    """A share of right answers with what it rests on; mixed into whatever has `correct` and `n`."""

    __slots__ = ()

    @property
    def accuracy(self: _Asked) -> float:
        """Right answers / problems asked; 0 where nothing was asked."""
        return self.correct / self.n if self.n else 0.0

    @property
    def interval(self: _Asked) -> Interval:
        """The 95 % interval of the accuracy (`wilson`)."""
        return wilson(self.correct, self.n)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination(Counted):
    """One level of one skill, examined at one checkpoint on held-out problems."""

    key: CampaignKey
    step: int
    skill: str
    level: int
    role: Role
    n: int
    correct: int
    mean_value: float = 0.0
    """Mean partial credit, 0..1; levels never count it."""
    primitives: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Primitive -> (correct, n)."""
    training_n: int = 0
    """Fresh problems of the training side that were asked beside it."""
    training_correct: int = 0
    seed: str = ""
    """Names the set of problems."""
    marks: str = ""
    """Problem by problem in the order of the set: 1 where it was right, else 0. Empty where it was not kept."""
    template_hash: str = ""
    tokens: int = 0
    """Tokens trained in the campaign up to the checkpoint."""
    val_loss: float | None = None
    time: float = 0.0
    """Unix seconds."""

    @property
    def checkpoint(self) -> str:
        return f"{self.key}@{self.step}"

    @property
    def training_accuracy(self) -> float | None:
        return self.training_correct / self.training_n if self.training_n else None

    @property
    def gap(self) -> float | None:
        """Memorisation gap: training-side minus held-out accuracy. Near 0 where a rule was learned."""
        return None if self.training_accuracy is None or not self.n else self.training_accuracy - self.accuracy


@dataclass(frozen=True, slots=True)
class SkillState:
    """Where a hero stands in one skill."""

    mastered: frozenset[int] = frozenset()
    passes: tuple[int, ...] = ()
    """Steps of the frontier's passed examinations in a row."""
    below: Mapping[int, int] = field(default_factory=dict)
    """Regressing mastered level -> examinations in a row below the bound."""
    seen: Mapping[int, int] = field(default_factory=dict)
    """Level -> step of its last counted examination: a checkpoint never counts twice."""

    @property
    def level(self) -> int:
        """The skill's level as shown: all levels up to it are mastered."""
        return self.frontier - 1

    @property
    def frontier(self) -> int:
        """The lowest level that is not mastered (one above the skill's last when all are)."""
        level = 1
        while level in self.mastered:
            level += 1
        return level

    @property
    def regressing(self) -> frozenset[int]:
        return frozenset(self.below)

    def as_json(self) -> dict[str, Any]:
        return {
            "mastered": sorted(self.mastered),
            "passes": list(self.passes),
            "below": {str(level): count for level, count in sorted(self.below.items())},
            "seen": {str(level): step for level, step in sorted(self.seen.items())},
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> SkillState:
        return cls(
            frozenset(state["mastered"]),
            tuple(state["passes"]),
            {int(level): count for level, count in state["below"].items()},
            {int(level): step for level, step in state["seen"].items()},
        )


@dataclass(frozen=True, slots=True)
class Change:
    """A level gained or lost, with the examination that decided it."""

    kind: Literal["gained", "lost"]
    examination: Examination

    @property
    def level(self) -> int:
        return self.examination.level


def passes(examination: Examination, rule: Rule) -> bool:
    return examination.n > 0 and examination.accuracy >= rule.threshold - _SLACK


def holds(examination: Examination, rule: Rule) -> bool:
    """A mastered level is still within tolerance of the threshold."""
    return examination.n > 0 and examination.accuracy >= rule.threshold - rule.tolerance - _SLACK


def apply(state: SkillState, sitting: Sequence[Examination], rule: Rule) -> tuple[SkillState, list[Change]]:
    """Count one sitting: all examinations of one skill at one checkpoint, in any order.

    Mastered levels are looked at first, because the frontier is mastered only while they hold. Examinations of
    levels beyond the frontier, and of a checkpoint that was counted before, change nothing.
    """
    changes: list[Change] = []
    fresh = {e.level: e for e in sorted(sitting, key=lambda e: e.level) if e.step > state.seen.get(e.level, -1)}
    held = state.mastered
    for examination in (e for level, e in fresh.items() if level in held):
        state, change = _watch(state, examination, rule)
        changes += change
    for examination in (e for level, e in fresh.items() if level not in held):
        if examination.level == state.frontier:
            state, change = _attempt(state, examination, rule)
            changes += change
    return state, changes


def fold(examinations: Iterable[Examination], rule: Rule) -> tuple[SkillState, list[Change]]:
    """Where all examinations of one skill lead, from nothing, in the order of their steps."""
    state, changes = SkillState(), list[Change]()
    for _, sitting in groupby(sorted(examinations, key=lambda e: (e.step, e.level)), key=lambda e: e.step):
        state, change = apply(state, list(sitting), rule)
        changes += change
    return state, changes


def _watch(state: SkillState, e: Examination, rule: Rule) -> tuple[SkillState, list[Change]]:
    """A mastered level: it holds, it regresses, or it has regressed for so long that it is lost."""
    seen = {**state.seen, e.level: e.step}
    below = {level: count for level, count in state.below.items() if level != e.level}
    if holds(e, rule):
        return replace(state, below=below, seen=seen), []
    count = state.below.get(e.level, 0) + 1
    if count < rule.unmaster_after:
        return replace(state, below={**below, e.level: count}, seen=seen), []
    lost = replace(state, mastered=state.mastered - {e.level}, passes=(), below=below, seen=seen)
    return lost, [Change("lost", e)]


def _attempt(state: SkillState, e: Examination, rule: Rule) -> tuple[SkillState, list[Change]]:
    """The frontier: enough passes in a row, and no mastered level regressing at the last of them."""
    seen = {**state.seen, e.level: e.step}
    streak = (*state.passes, e.step)[-rule.consecutive :] if passes(e, rule) else ()
    if len(streak) < rule.consecutive or state.below:
        return replace(state, passes=streak, seen=seen), []
    return replace(state, mastered=state.mastered | {e.level}, passes=(), seen=seen), [Change("gained", e)]


def pooled(examinations: Sequence[Examination]) -> tuple[int, int]:
    """(correct, n) over the frontier levels of a sitting: one hero's accuracy. Over all where no frontier is left."""
    asked = [e for e in examinations if e.role == "frontier"] or examinations
    return sum(e.correct for e in asked), sum(e.n for e in asked)


def damage(loss: float) -> float:
    """`1 / loss`: a hundred and a thousand are felt, 0.01 and 0.001 are not. Losses count from 1e-6 up."""
    return 1.0 / max(loss, SMALLEST_LOSS)


def hero_level(steps: int) -> int:
    return steps // STEPS_PER_HERO_LEVEL
