"""A hero's own right and wrong answers to one problem, side by side as preferences. Knows no model, file or database.

Who answers is handed in. Several answers to each fresh problem are drawn and graded; where some are right and some are
wrong, each right one is set beside the wrong one that is nearest to it in length, so that length tells little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from realm.config.schema import SparringSettings
from realm.errors import UsageError
from realm.guild.engine import Answer, SkillEngine
from realm.guild.review import LONGEST, Review
from realm.guild.skill import Problem
from realm.guild.sparring import Bout, Left, asked, hold

METHODS = ("dpo", "orpo", "kto")
"""Training methods that learn from pairs; the first is used where the campaign's own is none of them."""
PER_PROBLEM = 2
"""Pairs that one problem may give: more would be the same mistake again."""

Sample = Callable[[Sequence[str]], Sequence[Sequence[str]]]
"""Prompts in, the same number of drawn responses to each out, in the same order."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One row of a quest of pairs."""

    problem: Problem
    chosen: str
    rejected: str

    def as_row(self) -> dict[str, Any]:
        return {
            "prompt": self.problem.prompt,
            "chosen": self.chosen,
            "rejected": self.rejected,
            "skill": self.problem.skill,
            "level": self.problem.level,
            "meta": {"primitives": list(self.problem.primitives)},
        }


@dataclass(frozen=True, slots=True)
class PairBout(Bout):
    """What came of one round of questions that were answered several times each. `wrong` counts problems."""

    samples: int = 0
    """Answers drawn for each problem."""
    right: int = 0
    """Right ones among all of them."""

    def words(self) -> str:
        drawn = self.asked * self.samples
        return f"{drawn} answers to {self.asked} problems, {self.right} right. " + self._counted("pairs")


def hold_pairs(
    engine: SkillEngine,
    skill: str,
    level: int,
    count: int,
    seed: str,
    sample: Sample,
    *,
    method: str = METHODS[0],
    drawn: Mapping[str, Any],
) -> PairBout:
    """Have `count` fresh problems of the training side answered several times each, and pair the answers.

    `drawn` tells how they were drawn, for the sidecar. Raises SkillError for a level that does not exist and
    UsageError when `sample` returns another number of responses than it got prompts.
    """
    engine.get(skill).spec.check_level(level)
    review, score = engine.get(skill).review(), engine.get(skill).score
    problems = asked(engine, skill, level, count, seed, any_form=True)
    responses = sample([problem.prompt for problem in problems]) if problems else []
    if len(responses) != len(problems):
        raise UsageError(
            f"{len(problems)} problems were asked and {len(responses)} lists of responses came.",
            hint="Return one list of responses for each prompt, in the same order.",
        )
    graded = [
        (problem, [(text, score(problem, text).correct) for text in texts])
        for problem, texts in zip(problems, responses, strict=True)
    ]
    left_out: dict[Left, int] = {"all right": 0, "all wrong": 0, "unreadable": 0}
    pairs = [pair for problem, answers in graded for pair in _paired(review, problem, answers, left_out)]
    return PairBout(
        skill=skill,
        level=level,
        seed=seed,
        asked=len(problems),
        wrong=sum(not all(right for _, right in answers) for _, answers in graded),
        left_out=left_out,
        examples=tuple(pairs),
        method=method,
        parameters=dict(drawn),
        samples=max((len(answers) for _, answers in graded), default=0),
        right=sum(right for _, answers in graded for _, right in answers),
    )


def hold_as(
    rule: SparringSettings,
    engine: SkillEngine,
    skill: str,
    level: int,
    count: int,
    seed: str,
    answer: Answer,
    sample: Callable[..., Sequence[Sequence[str]]],
    *,
    method: str = "",
) -> Bout:
    """A bout of the kind that the rule names: reviews of greedy answers, or pairs of drawn ones.

    `sample` takes prompts and the keywords count, temperature, top_p and seed; `method` is the campaign's.
    """
    if rule.kind == "reviews":
        return hold(engine, skill, level, count, seed, answer)
    drawn = {"samples": rule.samples, "temperature": rule.temperature}

    def draw(prompts: Sequence[str]) -> Sequence[Sequence[str]]:
        return sample(prompts, count=rule.samples, temperature=rule.temperature, top_p=1.0, seed=seed)

    fitting = method if method in METHODS else METHODS[0]
    return hold_pairs(engine, skill, level, count, seed, draw, method=fitting, drawn=drawn)


def _paired(
    review: Review, problem: Problem, answers: Sequence[tuple[str, bool]], left_out: dict[Left, int]
) -> list[Pair]:
    """Right answers each with a wrong one of its own, the nearest in length; each text is used once."""
    right = list(dict.fromkeys(text for text, is_right in answers if is_right))
    wrong = list(dict.fromkeys(text for text, is_right in answers if not is_right))
    if not right or not wrong:
        left_out["all wrong" if wrong else "all right"] += 1
        return []
    usable = [text for text in wrong if _may_be_rejected(review, problem, text)]
    if not usable:
        left_out["unreadable"] += 1
        return []
    pairs = []
    for chosen in right[:PER_PROBLEM]:
        if usable:
            rejected = min(usable, key=lambda text: abs(len(text) - len(chosen)))
            usable.remove(rejected)
            pairs.append(Pair(problem, chosen, rejected))
    return pairs


def _may_be_rejected(review: Review, problem: Problem, response: str) -> bool:
    """Neither empty nor endless (an answer that was cut has no end to learn from), and nothing that is held out."""
    if not response.strip() or len(response) > LONGEST * len(problem.answer) + 200:
        return False
    proposal = review.proposal(problem, response)
    return proposal is None or review.may_show(problem, proposal)
