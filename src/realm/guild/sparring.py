"""Sparring: a hero's own wrong answers become examples of checking and correcting. Knows no model, file or database.

Who answers is handed in. Each wrong answer makes three examples: judge it, correct it, judge a right one that looks
like it. A right one that looks alike is looked for among the hero's own right answers and those of other problems, so
that neither what is asked nor how the answer is written tells right from wrong.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, Protocol

from realm import __version__
from realm.config.schema import SparringSettings
from realm.errors import SkillError, UsageError
from realm.guild.engine import Answer, SkillEngine
from realm.guild.progression import Examination, wilson
from realm.guild.review import Review
from realm.guild.skill import Problem
from realm.records import CampaignKey

SOURCE = METHOD = "sparring"
"""What a sidecar says of such a quest."""
CHECKPOINTS = 3
"""So many newer checkpoints make a hero's mistakes out of date."""
TRIES = 20
"""Seeds tried for each problem that is asked; a small level has few different ones."""
POOL = 100
"""Problems drawn for each wrong answer, to find a right answer that looks like it."""
ALIKE = 0.25
"""Two proposals look alike when they differ in at most this share of their characters."""

Left = Literal["unreadable", "held out", "no look-alike", "all right", "all wrong"]


@dataclass(frozen=True, slots=True)
class Proposed:
    """A problem with an answer that somebody proposes."""

    problem: Problem
    text: str


@dataclass(frozen=True, slots=True)
class Example:
    """One row of a sparring quest."""

    task: Literal["verdict", "correction"]
    proposal_is_right: bool
    prompt: str
    completion: str
    problem: Problem
    proposal: str
    origin: int
    """Number of the wrong answer that this example comes from."""

    def as_row(self) -> dict[str, Any]:
        meta = {
            "task": self.task,
            "proposal_is_right": self.proposal_is_right,
            "origin": self.origin,
            "primitives": list(self.problem.primitives),
        }
        return {
            "prompt": self.prompt,
            "completion": self.completion,
            "skill": self.problem.skill,
            "level": self.problem.level,
            "meta": meta,
        }


class AsRow(Protocol):
    """What a quest file holds a row of."""

    def as_row(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Bout:
    """What came of one round of questions."""

    skill: str
    level: int
    seed: str
    asked: int
    wrong: int
    left_out: Mapping[Left, int]
    """Wrong answers that made no examples, by the reason."""
    examples: Sequence[AsRow]
    method: str = METHOD
    """The training method that the sidecar asks for."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """How the answers were drawn, where they were."""

    def lines(self) -> Iterator[bytes]:
        """The quest file, a row at a time."""
        for example in self.examples:
            yield (json.dumps(example.as_row(), ensure_ascii=False) + "\n").encode()

    def sidecar(self, checkpoint: str) -> dict[str, Any]:
        """Who made the file, out of which checkpoint's mistakes; only that checkpoint's campaign may train on it."""
        hero, _, campaign = checkpoint.partition("@")[0].partition(":")
        return {
            "hero": hero,
            "campaign": campaign,
            "made_by": "realm spar",
            "version": __version__,
            "source": SOURCE,
            "method": self.method,
            "skill": self.skill,
            "level": self.level,
            "checkpoint": checkpoint,
            "reason": self.words(),
            "parameters": {
                "seed": self.seed,
                "asked": self.asked,
                "wrong": self.wrong,
                "left_out": dict(self.left_out),
                "rows": len(self.examples),
                **self.parameters,
            },
        }

    def words(self) -> str:
        """The report in one or two sentences."""
        return f"{self.asked} asked, {self.wrong} wrong, " + self._counted("examples")

    def _counted(self, what: str) -> str:
        said = f"{len(self.examples)} {what}."
        why = ", ".join(f"{n} {_WHY[reason]}" for reason, n in self.left_out.items() if n)
        return f"{said} Left out: {why}." if why else said


_WHY: dict[Left, str] = {
    "unreadable": "without a readable wrong result",
    "held out": "that would show what examinations ask",
    "no look-alike": "that no right answer looks like",
    "all right": "without a wrong answer",
    "all wrong": "without a right one",
}


def hold(engine: SkillEngine, skill: str, level: int, count: int, seed: str, answer: Answer) -> Bout:
    """Ask `count` fresh problems of the training side and make examples of the wrong answers.

    Fewer are asked where the level has no more that differ. Raises SkillError for a level that does not exist and
    UsageError when `answer` returns another number of responses than it got prompts.
    """
    engine.get(skill).spec.check_level(level)
    review = engine.get(skill).review()
    problems = asked(engine, skill, level, count, seed)
    responses = answer([problem.prompt for problem in problems]) if problems else []
    if len(responses) != len(problems):
        raise UsageError(
            f"{len(problems)} problems were asked and {len(responses)} responses came.",
            hint="Return one response for each prompt, in the same order.",
        )
    score = engine.get(skill).score
    graded = [(p, r, score(p, r).correct) for p, r in zip(problems, responses, strict=True)]
    missed, left_out = _missed(review, [(p, r) for p, r, right in graded if not right])
    own = [Proposed(p, text) for p, r, right in graded if right and (text := review.proposal(p, r))]
    wanted = Counter(review.group(each.problem) for each in missed)
    others = _others(engine, review, skill, level, len(missed) * POOL, f"{seed}/others", wanted)
    pairs = look_alikes(review, missed, [each for each in (*own, *others) if review.may_show(each.problem, each.text)])
    left_out["no look-alike"] = len(missed) - len(pairs)
    examples = [example for n, pair in enumerate(pairs, 1) for example in _three(review, *pair, n)]
    Random(f"{seed}/order").shuffle(examples)
    wrong_answers = sum(not right for _, _, right in graded)
    return Bout(skill, level, seed, len(problems), wrong_answers, left_out, tuple(examples))


def asked(
    engine: SkillEngine, skill: str, level: int, count: int, seed: str, *, any_form: bool = False
) -> list[Problem]:
    """The problems of a bout: different ones of the training side that can be reviewed, or of `any_form`."""
    review = engine.get(skill).review()
    found: dict[str, Problem] = {}
    for problem in _drawn(engine, skill, level, count * TRIES, seed):
        if len(found) == count:
            break
        if any_form or review.takes(problem):
            found.setdefault(problem.prompt, problem)
    return list(found.values())


def look_alikes(
    review: Review, missed: Sequence[Proposed], right: Sequence[Proposed]
) -> list[tuple[Proposed, Proposed]]:
    """To each wrong proposal the right one that looks most like it; each is used once, the first of equals first.

    Wrong ones to which none looks alike are left out.
    """
    by_group: dict[Hashable, list[tuple[Counter[str], Proposed]]] = {}
    for each in right:
        by_group.setdefault(review.group(each.problem), []).append((review.style(each.problem, each.text), each))
    pairs = []
    for wrong in missed:
        candidates = by_group.get(review.group(wrong.problem), [])
        look = review.style(wrong.problem, wrong.text)
        distances = [_distance(look, other) for other, _ in candidates]
        if distances and (least := min(distances)) <= ALIKE * look.total():
            _, found = candidates.pop(distances.index(least))
            pairs.append((wrong, found))
    return pairs


def file_name(bout: Bout, step: int) -> str:
    """The name of the quest file of a bout at the checkpoint of a step; empty where there is nothing to write."""
    kind = SOURCE if bout.method == METHOD else "pairs"
    return f"{kind}-{bout.skill}-{step:08d}.jsonl" if bout.examples else ""


def outdated(made_by: str, key: CampaignKey, steps: Sequence[int]) -> str:
    """Why a quest made at checkpoint `made_by` is not worth training any more; empty while it is.

    `steps` are those of the campaign's checkpoints.
    """
    campaign, _, step = made_by.rpartition("@")
    if campaign != str(key) or not step.isdecimal():
        return f"It was made at checkpoint {made_by or 'unknown'}, which is none of {key}."
    newer = sum(each > int(step) for each in steps)
    if newer < CHECKPOINTS:
        return ""
    return f"It was made of the mistakes of step {step}, and {newer} newer checkpoints exist."


def is_due(settings: SparringSettings, level: int, practices: int, frontier: Sequence[Examination]) -> bool:
    """Whether it is time to spar in a skill of that level.

    `practices` and `frontier` (newest first) are the practice quests and the frontier's examinations since the last
    time.
    """
    if level < settings.from_level:
        return False
    regular = 0 < settings.every <= practices
    return regular or (0 < settings.stalled_after <= len(frontier) and stalls(frontier[: settings.stalled_after]))


def stalls(examinations: Sequence[Examination]) -> bool:
    """Whether accuracy does not rise: the newer half's 95 % interval reaches down to the older half's share."""
    middle = len(examinations) // 2
    newer, older = examinations[:middle], examinations[middle:]
    n_older = sum(e.n for e in older)
    if not newer or not n_older:
        return False
    low, _ = wilson(sum(e.correct for e in newer), sum(e.n for e in newer))
    return low <= sum(e.correct for e in older) / n_older


def _drawn(engine: SkillEngine, skill: str, level: int, count: int, seed: str) -> Iterator[Problem]:
    """Problems of the training side; a seed that leads to none is passed over."""
    maker = engine.get(skill)
    for place in range(count):
        try:
            problem = maker.generate(level, f"{skill}/{level}/{seed}/{place}", side="train")
        except SkillError:
            continue
        yield problem


def _others(
    engine: SkillEngine, review: Review, skill: str, level: int, count: int, seed: str, wanted: Mapping[Hashable, int]
) -> Iterator[Proposed]:
    """The answers of other problems of the groups that are wanted, each in the layout of a proposal."""
    seen: set[str] = set()
    for problem in _drawn(engine, skill, level, count, seed):
        if problem.prompt not in seen and review.takes(problem) and review.group(problem) in wanted:
            seen.add(problem.prompt)
            if text := review.proposal(problem, problem.answer):
                yield Proposed(problem, text)


def _missed(review: Review, wrong: Sequence[tuple[Problem, str]]) -> tuple[list[Proposed], dict[Left, int]]:
    """Wrong answers that propose something wrong which may be shown, and how many do not."""
    left_out: dict[Left, int] = {"unreadable": 0, "held out": 0}
    found = []
    for problem, response in wrong:
        text = review.proposal(problem, response)
        if text is None or text == review.proposal(problem, problem.answer):
            left_out["unreadable"] += 1
        elif not review.may_show(problem, text):
            left_out["held out"] += 1
        else:
            found.append(Proposed(problem, text))
    return found, left_out


def _three(review: Review, wrong: Proposed, right: Proposed, origin: int) -> Iterator[Example]:
    for each, is_right in ((wrong, False), (right, True)):
        asked = review.ask_verdict(each.problem, each.text)
        told = review.verdict(each.problem, each.text, is_right=is_right)
        yield Example("verdict", is_right, asked, told, each.problem, each.text, origin)
    asked = review.ask_correction(wrong.problem, wrong.text)
    yield Example("correction", False, asked, wrong.problem.answer, wrong.problem, wrong.text, origin)


def _distance(one: Counter[str], other: Counter[str]) -> int:
    return sum(abs(one[mark] - other[mark]) for mark in one.keys() | other.keys())
