"""What the idle hero practises next, and why, in words. Pure: knows no database, no generator, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from realm.config.schema import CurriculumSettings
from realm.guild.progression import SkillState
from realm.guild.strain import Advice
from realm.records import LevelCell

_NOTHING = 1e-12
_RESTING = 1e-6
"""A skill with no larger part of all priorities rests."""
_NAMED = 3
"""Failing primitives that the reason names."""
WIDER_BY, WIDER_WEIGHT = 1, 1.5
"""Levels that a wide memorisation gap adds above, and how much more all of those weigh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillView:
    """What the plan needs to know of one skill."""

    skill: str
    levels: int
    """The skill's highest level."""
    state: SkillState = field(default_factory=SkillState)
    advice: Advice = "wait"
    """Of the strain meter."""
    gap: float | None = None
    """Memorisation gap of the frontier's newest examination."""
    errors: Mapping[str, float] = field(default_factory=dict)
    """Primitive -> share of its problems that were answered wrong, of late."""
    priority: float = 1.0
    """Weight among the skills."""

    @property
    def frontier(self) -> int | None:
        return self.state.frontier if self.state.frontier <= self.levels else None


@dataclass(frozen=True, slots=True)
class View:
    """All skills in focus."""

    skills: tuple[SkillView, ...]
    review_share: float = 0.2
    """Share of practice on mastered levels that hold."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of a practice quest, which sum to 1."""

    shares: Mapping[LevelCell, float]
    reason: str
    errors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Skill -> primitive -> error rate: the more a primitive fails, the more of it practice takes."""
    error_floor: float = 1.0
    """Added to the error rate, it is the weight of a problem among those of its cell and kind."""
    kind_weights: Mapping[str, float] = field(default_factory=dict)
    """Kind of problem -> how many times as often as in the level's own mix; 1 for those not named."""

    @property
    def leading(self) -> LevelCell:
        """The cell with the largest share."""
        return max(self.shares, key=lambda cell: self.shares[cell])

    def as_json(self) -> dict[str, Any]:
        return {f"{skill}/{level}": round(share, 6) for (skill, level), share in self.shares.items()}


def plan(view: View, settings: CurriculumSettings, seed: str) -> Mix:
    """Mix practice for the skills in focus. The seed picks the levels to review when there are many.

    A skill of priority 0 rests, unless all do. Raises ValueError for a view without skills.
    """
    if not view.skills:
        raise ValueError("a plan needs at least one skill")
    total = sum(max(0.0, s.priority) for s in view.skills)
    shares: dict[LevelCell, float] = {}
    reasons: list[str] = []
    active = [s for s in view.skills if s.priority > _RESTING * total] or list(view.skills)
    for skill in active:
        weight = skill.priority / total if total > 0 else 1 / len(active)
        cells, why = _skill_shares(skill, view.review_share, settings, seed)
        shares |= {(skill.skill, level): share * weight for level, share in sorted(cells.items())}
        reasons.append(f"{skill.skill} ({weight:.0%}): {why}" if len(active) > 1 else f"{skill.skill}: {why}")
    errors = {s.skill: s.errors for s in active if s.errors}
    return Mix(shares, " ".join(reasons), errors, settings.error_floor, settings.kind_weights)


def _skill_shares(
    view: SkillView, review_share: float, settings: CurriculumSettings, seed: str
) -> tuple[dict[int, float], str]:
    """Shares of the levels of one skill (sum 1), and why."""
    regressing = sorted(view.state.regressing)
    review = reviewed(view, settings, seed)
    ahead, why_ahead = _ahead(view, settings)
    to_repair = settings.repair_share if regressing else 0.0
    to_review = review_share if review else 0.0
    if not ahead:  # nothing left to learn: all of practice keeps what is mastered
        to_repair, to_review = (to_repair, 1.0 - to_repair) if review else (1.0, 0.0)
    why = [why_ahead]
    if regressing:
        why.append(f"{levels_named(regressing)} regressed and gets {to_repair:.0%} for repair.")
    if review:
        why.append(f"{to_review:.0%} reviews {levels_named(review)}.")
    weakest = sorted(view.errors, key=lambda name: (-view.errors[name], name))[:_NAMED]
    if weakest:
        failing = ", ".join(f"{name} {view.errors[name]:.0%} wrong" for name in weakest)
        why.append(f"Problems come the more often, the more their primitives fail ({failing}).")
    shares = pool(
        [
            (to_repair, dict.fromkeys(regressing, 1.0)),
            (to_review, dict.fromkeys(review, 1.0)),
            (max(0.0, 1.0 - to_repair - to_review), ahead),
        ]
    )
    return shares, " ".join(why)


def _ahead(view: SkillView, settings: CurriculumSettings) -> tuple[dict[int, float], str]:
    """Weights of the frontier, the levels above it and the one below."""
    if view.frontier is None:
        return {}, "all levels are mastered; practice keeps them."
    reach, above, below = settings.levels_above, 1.0, settings.below_weight
    why = []
    if _is_wide(view.gap, settings):
        reach, above = reach + WIDER_BY, WIDER_WEIGHT
        why.append(f"training-side accuracy is {view.gap:.2f} above held-out, so practice widens")
    elif view.advice == "back_off":
        reach, above, below = (reach + 1) // 2, 0.5, below * 2
        why.append("strain is in overload and does not fall, so practice backs off")
    if view.advice == "level_up":
        reach += 1
        why.append("strain has settled in recovery, so practice reaches one level further")
    elif view.advice == "continue":
        why.append("strain advises to continue")
    top = min(view.frontier + reach, view.levels)
    weights = {n: _weight(n - view.frontier, settings) * above for n in range(view.frontier + 1, top + 1)}
    weights[view.frontier] = _weight(0, settings)
    if view.frontier > 1:
        weights[view.frontier - 1] = below
    span = f"frontier level {view.frontier}" + (f" with levels up to {top}" if top > view.frontier else "")
    return weights, "; ".join([span, *why]) + "."


def _weight(distance: int, settings: CurriculumSettings) -> float:
    """The weight of a level so far above the frontier."""
    return settings.level_weights[min(distance, len(settings.level_weights) - 1)]


def _is_wide(gap: float | None, settings: CurriculumSettings) -> bool:
    return gap is not None and gap >= settings.wide_gap


def reviewed(view: SkillView, settings: CurriculumSettings, seed: str) -> list[int]:
    """Mastered levels that hold, a sample of them when there are many."""
    held = sorted(level for level in view.state.mastered - view.state.regressing if level <= view.levels)
    if len(held) <= settings.review_levels:
        return held
    return sorted(Random(f"{seed}/{view.skill}/review").sample(held, settings.review_levels))


def pool(parts: Iterable[tuple[float, Mapping[int, float]]]) -> dict[int, float]:
    """Each part's share spread over its levels by weight; the whole sums to 1, cells without share are left out."""
    pooled: dict[int, float] = {}
    for share, weights in parts:
        whole = sum(weights.values())
        for level, weight in weights.items():
            if share * weight > _NOTHING:
                pooled[level] = pooled.get(level, 0.0) + share * weight / whole
    whole = sum(pooled.values())
    return {level: share / whole for level, share in pooled.items()}


def levels_named(levels: Iterable[int]) -> str:
    """`level 3`, or `levels 3, 4`."""
    named = sorted(levels)
    return ("level " if len(named) == 1 else "levels ") + ", ".join(map(str, named))
