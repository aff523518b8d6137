"""Examines a checkpoint: which levels, which problems, what came of it. Knows no model; who answers is handed in."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random

from realm.config.schema import CurriculumSettings
from realm.errors import UsageError
from realm.guild.engine import Answer, EvalResult, SkillEngine
from realm.guild.progression import Examination, Role, SkillState
from realm.guild.skill import Problem
from realm.records import CampaignKey

EXAM_SEED = "exam"


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """One level to examine, and what for: to be mastered, or to be seen to hold."""

    skill: str
    level: int
    role: Role


def targets(
    states: Mapping[str, SkillState], levels: Mapping[str, int], settings: CurriculumSettings, step: int
) -> list[Target]:
    """What to examine at a step: of each skill in `levels` (skill -> its highest level) the frontier and a panel.

    The panel is all mastered levels; where there are more than `panel_levels`, every regressing one and a sample
    of the others, drawn by the step.
    """
    found: list[Target] = []
    for skill, highest in levels.items():
        state = states.get(skill, SkillState())
        if state.frontier <= highest:
            found.append(Target(skill, state.frontier, "frontier"))
        panel = _panel(state, settings.panel_levels, Random(f"panel/{skill}/{step}"))
        found += [Target(skill, level, "panel") for level in panel if level <= highest]
    return found


def _panel(state: SkillState, size: int, draw: Random) -> list[int]:
    regressing = sorted(state.regressing)
    others = sorted(state.mastered - state.regressing)
    room = max(0, size - len(regressing))
    return sorted(regressing + (others if len(others) <= room else draw.sample(others, room)))


def examine(
    engine: SkillEngine,
    key: CampaignKey,
    step: int,
    targets: Sequence[Target],
    answer: Answer,
    *,
    settings: CurriculumSettings,
    template_hash: str,
    tokens: int = 0,
    val_loss: float | None = None,
    clock: Callable[[], float] = time.time,
) -> list[Examination]:
    """Ask everything in one call of `answer` and grade it.

    A frontier is also asked `training_problems` fresh problems of the training side, drawn anew at each step, for
    the memorisation gap. Raises UsageError when `answer` returns another number of responses than it got prompts.
    """
    held_out = [_held_out(engine, target, settings) for target in targets]
    training = [_training_side(engine, target, settings, step) for target in targets]
    graded = _grade(engine, [*held_out, *training], answer)
    results, beside = graded[: len(targets)], graded[len(targets) :]
    now = clock()
    return [
        Examination(
            key=key,
            step=step,
            skill=target.skill,
            level=target.level,
            role=target.role,
            n=result.n,
            correct=result.correct,
            mean_value=result.mean_value,
            primitives=result.per_primitive,
            training_n=fresh.n,
            training_correct=fresh.correct,
            seed=EXAM_SEED,
            template_hash=template_hash,
            tokens=tokens,
            val_loss=val_loss,
            time=now,
        )
        for target, result, fresh in zip(targets, results, beside, strict=True)
    ]


def _held_out(engine: SkillEngine, target: Target, settings: CurriculumSettings) -> list[Problem]:
    count = settings.exam_problems if target.role == "frontier" else settings.panel_problems
    return engine.generate_eval_batch(target.skill, target.level, count, EXAM_SEED)


def _training_side(engine: SkillEngine, target: Target, settings: CurriculumSettings, step: int) -> list[Problem]:
    if target.role != "frontier":
        return []
    return engine.generate_batch(target.skill, target.level, settings.training_problems, f"gap/{step}")


def _grade(engine: SkillEngine, batches: Sequence[Sequence[Problem]], answer: Answer) -> list[EvalResult]:
    """Ask all batches at once; each response is graded against the very problem that was asked."""
    prompts = [problem.prompt for batch in batches for problem in batch]
    responses = answer(prompts) if prompts else []
    if len(responses) != len(prompts):
        raise UsageError(
            f"{len(prompts)} problems were asked and {len(responses)} responses came.",
            hint="Return one response for each prompt, in the same order.",
        )
    rest = iter(responses)
    return [engine.score_eval(batch, list(islice(rest, len(batch)))) for batch in batches]
