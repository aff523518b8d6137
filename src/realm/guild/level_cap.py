"""How far a hero can go: what each level cost, what keeping the others costs, and when a campaign is maxed out.

Pure: knows no database, model or clock. Definitions: docs/progression.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, median
from typing import Any, Literal, NamedTuple

from realm.config.schema import LevelCapSettings
from realm.guild.progression import Examination, Interval, SkillState

_SLACK = 1e-12  # equal accuracies have the slope 0, whatever the rounding says


class Spent(NamedTuple):
    """Tokens trained on one level of a skill between two checkpoints, told at the later one."""

    step: int
    level: int
    tokens: int


class LevelChange(NamedTuple):
    """A level of a skill gained or lost, at the checkpoint of a step."""

    step: int
    level: int
    kind: Literal["gained", "lost"]
    tokens: int = 0
    """Tokens of the whole campaign then."""
    time: float = 0.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """The way from reaching a level to mastering it, or to now."""

    level: int
    began_step: int
    ended_step: int | None
    """None while it goes on."""
    frontier_tokens: int
    """Trained on the level itself."""
    maintenance_tokens: int
    """Trained on levels that were mastered then."""
    tokens: int = 0
    """Of the whole campaign when it was mastered; 0 while it goes on."""
    time: float = 0.0

    @property
    def multiplier(self) -> float | None:
        """M = maintenance / frontier; None while nothing was trained on the level."""
        return self.maintenance_tokens / self.frontier_tokens if self.frontier_tokens else None

    def as_json(self) -> dict[str, Any]:
        return {
            "level": self.level, "began_step": self.began_step, "ended_step": self.ended_step,
            "frontier_tokens": self.frontier_tokens, "maintenance_tokens": self.maintenance_tokens,
            "multiplier": self.multiplier, "tokens": self.tokens, "time": self.time,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slope:
    """Change of accuracy per examination, with its 95 % interval (least squares, Student's t)."""

    value: float
    interval: Interval

    @property
    def is_flat(self) -> bool:
        return self.interval.low - _SLACK <= 0.0 <= self.interval.high + _SLACK


@dataclass(frozen=True, slots=True)
class SkillVerdict:
    """Whether one skill can go further, and what that rests on."""

    skill: str
    is_capped: bool
    cap: int
    """The level before the frontier."""
    reason: str
    attempt: Attempt | None
    """The frontier's; None where every level is mastered."""
    token_limit: int
    examined: int
    """Examinations of the frontier in this attempt."""
    accuracies: tuple[float, ...] = ()
    """The last of them, oldest first."""
    slope: Slope | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "skill": self.skill, "is_capped": self.is_capped, "cap": self.cap, "reason": self.reason,
            "attempt": self.attempt.as_json() if self.attempt else None, "token_limit": self.token_limit,
            "examined": self.examined, "accuracies": list(self.accuracies),
            "slope": None if self.slope is None else
            {"value": self.slope.value, "low": self.slope.interval.low, "high": self.slope.interval.high},
        }  # fmt: skip


def attempts(changes: Sequence[LevelChange], spent: Sequence[Spent]) -> list[Attempt]:
    """Every attempt of one skill, in the order in which they ended; the running one is the last.

    An attempt that a lost level interrupts goes on when that level is back: its windows are summed.
    """
    mastered: set[int] = set()
    open_: dict[int, Attempt] = {}
    ended: list[Attempt] = []
    began = -1
    ordered = sorted(spent)
    for step, group in _by_step(changes):
        _add_window(open_, mastered, ordered, began, step)
        for change in group:
            if change.kind == "lost":
                mastered.discard(change.level)
                continue
            mastered.add(change.level)
            whole = open_.pop(change.level, Attempt(change.level, step, None, 0, 0))
            ended.append(_ended(whole, change))
        began = step
    _add_window(open_, mastered, ordered, began, None)
    return [*ended, open_[frontier_of(mastered)]]


def frontier_of(mastered: set[int]) -> int:
    """The lowest level that is not mastered."""
    return SkillState(frozenset(mastered)).frontier


def token_limit(done: Sequence[Attempt], settings: LevelCapSettings) -> int:
    """Frontier tokens beyond which an attempt is long: a multiple of the median of the last levels, or the minimum."""
    recent = [attempt.frontier_tokens for attempt in done[-settings.recent_levels :]]
    usual = settings.token_factor * median(recent) if recent else 0.0
    return max(settings.minimum_tokens, round(usual))


def slope(accuracies: Sequence[float]) -> Slope | None:
    """The line through accuracies at 0, 1, 2, ...; None for fewer than three, which have no interval."""
    n = len(accuracies)
    if n < 3:
        return None
    middle, mean = (n - 1) / 2, fmean(accuracies)
    spread = sum((x - middle) ** 2 for x in range(n))
    value = sum((x - middle) * (y - mean) for x, y in enumerate(accuracies)) / spread
    residual = sum((y - mean - value * (x - middle)) ** 2 for x, y in enumerate(accuracies))
    half = student_t(n - 2) * sqrt(residual / (n - 2) / spread)
    return Slope(value, Interval(value - half, value + half))


def student_t(freedom: int) -> float:
    """The 97.5 % quantile of Student's t: tabled up to 30, from there by its expansion at the normal one
    (Abramowitz and Stegun 26.7.5; off by less than 1e-4)."""
    if freedom <= len(_T_975):
        return _T_975[freedom - 1]
    z = 1.959963984540054
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / freedom + second / freedom**2


def verdict(
    skill: str,
    highest: int,
    changes: Sequence[LevelChange],
    spent: Sequence[Spent],
    examinations: Sequence[Examination],
    settings: LevelCapSettings,
    *,
    since_step: int = -1,
) -> SkillVerdict:
    """Whether a skill of `highest` levels goes no further.

    Of `examinations` count those of the frontier level within its attempt. `since_step` begins the attempt anew: a
    campaign that was continued after its cap gets as many tokens and examinations again.
    """
    tried = attempts(changes, spent)
    running, done = tried[-1], tried[:-1]
    if since_step >= running.began_step:
        fresh = [s for s in spent if s.step > since_step]
        at_once = [c._replace(step=max(c.step, since_step)) for c in changes]
        running = attempts(at_once, fresh)[-1]
    level, limit = running.level, token_limit(done, settings)
    if level > highest:
        reason = f"{skill}: all {highest} levels are mastered."
        return SkillVerdict(skill, True, highest, reason, None, limit, 0)
    asked = [e for e in examinations if e.skill == skill and e.level == level and e.n]
    taken = sorted((e for e in asked if e.step > max(running.began_step, since_step)), key=lambda e: e.step)
    last = tuple(e.accuracy for e in taken[-settings.examinations :])
    line = slope(last) if len(last) >= settings.examinations else None
    capped, reason = _decide(skill, running, limit, len(taken), line, settings)
    return SkillVerdict(skill, capped, level - 1, reason, running, limit, len(taken), last, line)


def is_maxed_out(verdicts: Sequence[SkillVerdict]) -> bool:
    """Every skill in focus goes no further."""
    return bool(verdicts) and all(verdict.is_capped for verdict in verdicts)


def caps(verdicts: Sequence[SkillVerdict]) -> Mapping[str, int]:
    """Skill -> its level cap."""
    return {verdict.skill: verdict.cap for verdict in verdicts}


def _decide(
    skill: str, attempt: Attempt, limit: int, examined: int, line: Slope | None, settings: LevelCapSettings
) -> tuple[bool, str]:
    where = f"{skill} level {attempt.level}"
    m = attempt.multiplier
    costly = []
    if m is not None and m > settings.maintenance_multiplier:
        costly.append(f"keeping the levels below costs {m:.1f} times what the level itself gets")
    if attempt.frontier_tokens > limit:
        costly.append(f"{attempt.frontier_tokens:,} tokens were trained on it, more than {limit:,}")
    if not costly:
        return False, f"{where}: {attempt.frontier_tokens:,} of {limit:,} tokens."
    if line is None:
        return False, f"{where}: {' and '.join(costly)}; {examined} of {settings.examinations} examinations."
    told = f"{line.value:+.4f} per examination, 95 % interval {line.interval.low:+.4f} to {line.interval.high:+.4f}"
    if not line.is_flat:
        return False, f"{where}: {' and '.join(costly)}, and accuracy moves ({told})."
    return True, f"{where}: {' and '.join(costly)}, and accuracy does not rise ({told})."


def _by_step(changes: Sequence[LevelChange]) -> list[tuple[int, list[LevelChange]]]:
    """Changes of each checkpoint together; within one the order in which they were recorded."""
    grouped: dict[int, list[LevelChange]] = {}
    for change in changes:
        grouped.setdefault(change.step, []).append(change)
    return sorted(grouped.items())


def _add_window(
    open_: dict[int, Attempt], mastered: set[int], spent: Sequence[Spent], after: int, until: int | None
) -> None:
    """Add what was trained between two changes to the attempt at the frontier of that time."""
    level = frontier_of(mastered)
    before = open_.get(level, Attempt(level, after, None, 0, 0))
    inside = [s for s in spent if s.step > after and (until is None or s.step <= until)]
    frontier = sum(s.tokens for s in inside if s.level == level)
    kept = sum(s.tokens for s in inside if s.level in mastered)
    open_[level] = Attempt(
        level, before.began_step, None, before.frontier_tokens + frontier, before.maintenance_tokens + kept
    )


def _ended(attempt: Attempt, change: LevelChange) -> Attempt:
    return Attempt(
        attempt.level, attempt.began_step, change.step, attempt.frontier_tokens, attempt.maintenance_tokens,
        change.tokens, change.time,
    )  # fmt: skip


_T_975 = (
    12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157, 2.228139,
    2.200985, 2.178813, 2.160369, 2.144787, 2.131450, 2.119905, 2.109816, 2.100922, 2.093024, 2.085963,
    2.079614, 2.073873, 2.068658, 2.063899, 2.059539, 2.055529, 2.051831, 2.048407, 2.045230, 2.042272,
)  # fmt: skip
