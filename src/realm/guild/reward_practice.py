"""Whether a hero that learns from rewards practises with prompts alone or is still shown answers. Knows no model.

Rewards teach only where some answers are right and some are wrong, so a few are sampled before a practice is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from realm.config.schema import REWARDED, Hyperparameters
from realm.guild.engine import SkillEngine
from realm.guild.skill import Problem

TRIED = 16
"""Answers that are sampled to decide."""
SHOWN = "sft"
"""How practice is trained whose rows show the answers."""
Choose = Callable[[Sequence[Problem], str], tuple[str, str]]
"""The method of a practice with these problems, and a sentence that says why; the text is a seed."""


class Sample(Protocol):
    """Sampled answers to each prompt, in the order asked."""

    def __call__(
        self, prompts: Sequence[str], *, count: int, temperature: float, top_p: float, max_new_tokens: int, seed: str
    ) -> list[list[str]]: ...


def shown(_problems: Sequence[Problem], _seed: str) -> tuple[str, str]:
    """Practice as ever: its rows show the answers."""
    return SHOWN, ""


def chooser(settings: Hyperparameters, engine: SkillEngine, sample: Sample) -> Choose:
    """Decides for a campaign with these settings: its own method where answers are neither all right nor all wrong."""

    def choose(problems: Sequence[Problem], seed: str) -> tuple[str, str]:
        some = Random(f"{seed}/tried").sample(problems, min(TRIED, len(problems)))
        answers = sample(
            [problem.prompt for problem in some],
            count=1,
            temperature=settings.temperature,
            top_p=settings.top_p,
            max_new_tokens=settings.max_completion_length,
            seed=f"{seed}/tried",
        )
        graded = engine.score_eval(some, [given[0] for given in answers]).scores
        return decide(settings.method, [score.value for score in graded])

    return choose if settings.method in REWARDED else shown


def decide(method: str, graded: Sequence[float]) -> tuple[str, str]:
    """The method for prompts whose sampled answers earned this, 0 to 1, and why."""
    rewarded = sum(value > 0 for value in graded)
    counted = f"{rewarded} of {len(graded)} sampled answers were rewarded"
    if rewarded == 0:
        return SHOWN, f"{counted}, too few to learn from rewards: the answers are shown."
    if all(value >= 1 for value in graded):
        return SHOWN, f"{counted}, so rewards would teach nothing: the answers are shown."
    return method, f"{counted}: prompts alone, learned by {method}."
