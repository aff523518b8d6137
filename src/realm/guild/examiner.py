"""Examines a checkpoint: which levels, which problems, what came of it. Knows no model; who answers is handed in."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random

from realm.config.schema import CurriculumSettings
from realm.errors import SkillBroken, UsageError
from realm.guild.engine import Answer, EvalResult, SkillEngine
from realm.guild.mastery import Rules
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
    expect: Callable[[Sequence[Problem]], object] = lambda _: None,
) -> list[Examination]:
    """Ask everything in one call of `answer` and grade it; `expect` is told before what will be asked.

    A frontier is also asked `training_problems` fresh problems of the training side, drawn anew at each step, for
    the memorisation gap. A skill whose code fails is set aside and its examinations are left out, the others count.
    Raises UsageError when `answer` returns another number of responses than it got prompts.
    """
    papers = [paper for target in targets if (paper := _paper(engine, target, settings, step))]
    expect([problem for paper in papers for problem in (*paper.held_out, *paper.training)])
    graded = _grade(engine, papers, answer)
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
            marks="".join("01"[score.correct] for score in result.scores),
            template_hash=template_hash,
            tokens=tokens,
            val_loss=val_loss,
            time=now,
        )
        for target, result, fresh in graded
    ]


@dataclass(frozen=True, slots=True)
class _Paper:
    """What is asked for one target."""

    target: Target
    held_out: Sequence[Problem]
    training: Sequence[Problem]


def _paper(engine: SkillEngine, target: Target, settings: CurriculumSettings, step: int) -> _Paper | None:
    """The problems of a target, or None where its skill is, or now becomes, set aside."""
    try:
        held_out = _held_out(engine, target, settings)
        return _Paper(target, held_out, _training_side(engine, target, settings, step))
    except SkillBroken as broken:
        engine.set_aside(broken)
        return None


def _held_out(engine: SkillEngine, target: Target, settings: CurriculumSettings) -> list[Problem]:
    frontier = target.role == "frontier"
    count = Rules(engine, settings).of(target.skill).problems if frontier else settings.panel_problems
    return engine.generate_eval_batch(target.skill, target.level, count, EXAM_SEED)


def _training_side(engine: SkillEngine, target: Target, settings: CurriculumSettings, step: int) -> list[Problem]:
    if target.role != "frontier":
        return []
    return engine.generate_batch(target.skill, target.level, settings.training_problems, f"gap/{step}")


def _grade(
    engine: SkillEngine, papers: Sequence[_Paper], answer: Answer
) -> list[tuple[Target, EvalResult, EvalResult]]:
    """Ask all papers at once; each response is graded against the very problem that was asked."""
    batches = [*(paper.held_out for paper in papers), *(paper.training for paper in papers)]
    prompts = [problem.prompt for batch in batches for problem in batch]
    responses = answer(prompts) if prompts else []
    if len(responses) != len(prompts):
        raise UsageError(
            f"{len(prompts)} problems were asked and {len(responses)} responses came.",
            hint="Return one response for each prompt, in the same order.",
        )
    rest = iter(responses)
    said = [list(islice(rest, len(batch))) for batch in batches]
    graded = []
    for number, paper in enumerate(papers):
        try:
            held_out = engine.score_eval(paper.held_out, said[number])
            training = engine.score_eval(paper.training, said[len(papers) + number])
        except SkillBroken as broken:
            engine.set_aside(broken)
        else:
            graded.append((paper.target, held_out, training))
    return graded
