"""The named ways to mix practice, `curriculum.strategy`: each turns what stands into shares. Pure, like the curriculum.

All but `uniform` keep to the review share and to `review_levels`; docs/curriculum.md sets them side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from realm.config.schema import CurriculumSettings
from realm.config.schema import Strategy as Name
from realm.errors import UsageError
from realm.guild import curriculum
from realm.guild.curriculum import Mix, SkillView, View, levels_named, pool, reviewed
from realm.records import LevelCell
from realm.registry import unknown

Strategy = Callable[[View, CurriculumSettings, str], Mix]
"""View of the skills in focus, settings, seed of the practice quest. The same three give the same mix."""


def plan(view: View, settings: CurriculumSettings, seed: str) -> Mix:
    """The mix of the strategy that the settings name; its reason begins with that name.

    Raises ValueError for a view without skills, UsageError when the strategy's own settings fit no skill in focus.
    """
    if not view.skills:
        raise ValueError("a plan needs at least one skill")
    mix = STRATEGIES[settings.strategy](view, settings, seed)
    return replace(mix, reason=f"Strategy {settings.strategy}. {mix.reason}")


def balanced(view: View, settings: CurriculumSettings, seed: str) -> Mix:
    """Equal shares: of the skills whatever their priority, and within a skill of the levels ahead.

    Levels ahead are the frontier and those of the `levels_above` levels above it that are not mastered. Regressing
    levels share `repair_share` equally, mastered levels that hold share the review share equally. Strain advice and
    memorisation gap change nothing.
    """
    parts = []
    for skill in view.skills:
        ahead = _ahead(skill, settings)
        regressing = sorted(level for level in skill.state.regressing if level <= skill.levels)
        review = reviewed(skill, settings, seed)
        repair_share = settings.repair_share if regressing else 0.0
        review_share = min(view.review_share, 1 - repair_share) if review else 0.0
        groups = {"ahead": (1 - repair_share - review_share, ahead), "repair": (repair_share, regressing)}
        groups["review"] = (review_share, review)
        shares = _equal_within(groups.values())
        told = "; ".join(f"{levels_named(levels)} {name}" for name, (_, levels) in groups.items() if levels)
        why = f"{skill.skill}: equal shares of {told}."
        parts.append((1.0, Mix(_cells(skill, shares), why, _errors(skill))))
    return _joined(parts, settings)


def focus(view: View, settings: CurriculumSettings, seed: str) -> Mix:
    """All on one skill, and on what it has ahead: no review, and nothing for the level below the frontier.

    The skill is `focus_skill`, by default the first of the highest priority. Regressing levels get their
    `repair_share`. A skill that is mastered to its end is kept as `curriculum` keeps it. Raises UsageError when
    `focus_skill` is not in focus of the campaign.
    """
    names = [skill.skill for skill in view.skills]
    if settings.focus_skill and settings.focus_skill not in names:
        error = unknown("skill in focus", settings.focus_skill, names)
        raise UsageError(f"curriculum.focus_skill: {error.message}", hint=error.hint)
    chosen = max(view.skills, key=lambda s: (s.skill == settings.focus_skill, s.priority))
    if chosen.frontier is None:
        return curriculum.plan(View((chosen,), view.review_share), settings, seed)
    ahead_only = settings.model_copy(update={"below_weight": 0.0})
    mix = curriculum.plan(View((chosen,), 0.0), ahead_only, seed)
    rests = [name for name in names if name != chosen.skill]
    return replace(mix, reason=mix.reason + (f" {', '.join(rests)} rests." if rests else " Nothing is reviewed."))


def weighted(view: View, settings: CurriculumSettings, seed: str) -> Mix:
    """Skills by `skill_weights`, whatever the hero's priorities; a skill that is not named weighs 1.

    Within a skill, levels that have weights of their own (`bin/3`) get all of its part, by those weights; a skill
    without such is mixed as `curriculum` does. Raises UsageError when no skill has weight, or a level does not exist.
    """
    weights = {skill.skill: settings.skill_weights.get(skill.skill, 1.0) for skill in view.skills}
    if not any(weights.values()):
        raise UsageError(
            "curriculum.skill_weights leaves no skill in focus any weight.", hint="Give one of them more than 0."
        )
    parts = []
    for skill in (s for s in view.skills if weights[s.skill] > 0):
        levels = _level_weights(skill, settings.skill_weights)
        if levels:
            why = f"{skill.skill}: {levels_named(levels)} by the weights of the settings."
            mix = Mix(_cells(skill, pool([(1.0, levels)])), why, _errors(skill))
        else:
            mix = curriculum.plan(View((skill,), view.review_share), settings, seed)
        parts.append((weights[skill.skill], mix))
    return _joined(parts, settings)


def lowest_first(view: View, settings: CurriculumSettings, seed: str) -> Mix:
    """All on the skill whose level is the lowest (the first of several), and there on its lowest need.

    While mastered levels regress, they get all but the review share; only then comes what is ahead, as `curriculum`
    mixes it. A skill that is mastered to its end is passed over while another is not.
    """
    open_ones = [skill for skill in view.skills if skill.frontier is not None or skill.state.regressing]
    lowest = min(open_ones or view.skills, key=lambda skill: skill.state.level)
    repair_first = settings.model_copy(update={"repair_share": max(0.0, 1 - view.review_share)})
    rule = repair_first if lowest.state.regressing else settings
    mix = curriculum.plan(View((lowest,), view.review_share), rule, seed)
    why = f"{lowest.skill} stands lowest, at level {lowest.state.level}. " if len(view.skills) > 1 else ""
    return replace(mix, reason=why + mix.reason)


def uniform(view: View, settings: CurriculumSettings, seed: str) -> Mix:
    """Equal shares of all skills, and within each of the levels `uniform_levels`, as far as the skill has them.

    It looks at nothing that the hero has shown: no level, no strain, no primitive that fails. To compare others with.
    Raises UsageError when the range lies above a skill's highest level.
    """
    first, last = settings.uniform_levels
    parts = []
    for skill in view.skills:
        levels = range(first, min(last, skill.levels) + 1)
        if not levels:
            raise UsageError(
                f"curriculum.uniform_levels begins at {first}, and {skill.skill} ends at level {skill.levels}.",
                hint=f"Begin at {skill.levels} or lower.",
            )
        why = f"{skill.skill}: equal shares of {levels_named(levels)}."
        parts.append((1.0, Mix(_cells(skill, dict.fromkeys(levels, 1 / len(levels))), why)))
    return _joined(parts, settings)


STRATEGIES: Mapping[Name, Strategy] = {
    "curriculum": curriculum.plan,
    "balanced": balanced,
    "focus": focus,
    "weighted": weighted,
    "lowest_first": lowest_first,
    "uniform": uniform,
}


def _joined(parts: Sequence[tuple[float, Mix]], settings: CurriculumSettings) -> Mix:
    """Mixes of single skills as one, each by its weight."""
    whole = sum(weight for weight, _ in parts)
    shares: dict[LevelCell, float] = {}
    reasons = []
    for weight, mix in parts:
        shares |= {cell: share * weight / whole for cell, share in mix.shares.items()}
        skill = mix.leading[0]
        told = mix.reason.removeprefix(f"{skill}: ")
        reasons.append(f"{skill} ({weight / whole:.0%}): {told}" if len(parts) > 1 else mix.reason)
    errors = {skill: rates for _, mix in parts for skill, rates in mix.errors.items()}
    return Mix(shares, " ".join(reasons), errors, settings.error_floor, settings.kind_weights)


def _errors(skill: SkillView) -> Mapping[str, Mapping[str, float]]:
    """What fails of a skill, of which practice takes more, as the curriculum does."""
    return {skill.skill: skill.errors} if skill.errors else {}


def _ahead(skill: SkillView, settings: CurriculumSettings) -> list[int]:
    """The frontier and what is not mastered of the levels above it."""
    if skill.frontier is None:
        return []
    reach = range(skill.frontier, min(skill.frontier + settings.levels_above, skill.levels) + 1)
    return [level for level in reach if level not in skill.state.mastered]


def _level_weights(skill: SkillView, weights: Mapping[str, float]) -> dict[int, float]:
    """The levels of a skill that have weights of their own. Raises UsageError for one that does not exist."""
    named = {int(key.partition("/")[2]): weight for key, weight in weights.items() if key.startswith(f"{skill.skill}/")}
    for level in named:
        if level > skill.levels:
            raise UsageError(
                f"curriculum.skill_weights names {skill.skill}/{level}, which does not exist.",
                hint=f"{skill.skill} ends at level {skill.levels}.",
            )
    return {level: weight for level, weight in sorted(named.items()) if weight > 0}


def _equal_within(groups: Iterable[tuple[float, Sequence[int]]]) -> dict[int, float]:
    """Each group's share spread equally over its levels; groups without levels leave theirs to the others."""
    parts = [(share, dict.fromkeys(levels, 1.0)) for share, levels in groups]
    # nothing ahead and no review share: keep what is mastered
    return pool(parts) or pool((1.0, {level: 1.0}) for _, levels in parts for level in levels)


def _cells(skill: SkillView, shares: Mapping[int, float]) -> dict[LevelCell, float]:
    return {(skill.skill, level): share for level, share in shares.items()}
