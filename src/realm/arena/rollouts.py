"""A prompt-only quest: its prompts, answers sampled for them and what these are worth. Knows no loss and no optimizer.

A prompt whose answers all earn the same teaches nothing: its advantages are zero. So a step asks its prompts once each
and then, for those without signal, asks others of the quest instead, `refill_rounds` times at most (the dynamic
sampling of DAPO, Yu et al., 2025, with a bound). What still lacks signal keeps its place, so that all steps are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from math import ceil, isnan
from random import Random

import numpy as np
from numpy.typing import NDArray

from realm.arena.level_tokens import cell_of
from realm.arena.methods import Grade, Parts
from realm.arena.seeds import number
from realm.errors import NothingToLearn, TrainingError
from realm.heroes.generation import said, sample_ids, stop_ids
from realm.records import LevelCell, Row

DRY_RUN = 16
"""Answers that are sampled before a quest trains."""
SAME = 1e-6
"""Rewards that differ by no more than this are the same."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One row of the quest as the model is asked it."""

    row: Row
    token_ids: Sequence[int]

    @property
    def cell(self) -> LevelCell:
        return cell_of(self.row)


@dataclass(frozen=True, slots=True)
class Group:
    """A prompt and its sampled answers."""

    prompt: Prompt
    answers: Sequence[Sequence[int]]
    """Token ids, with the end token where one ended by itself."""
    rewards: Sequence[float]
    """What is learned from: the grader's, or in the control drawn at random."""
    graded: Sequence[float]
    """The grader's, 0 to 1; NaN where nobody can grade the row."""

    @property
    def has_signal(self) -> bool:
        """Whether some of the answers earned more than others."""
        return max(self.rewards) - min(self.rewards) > SAME

    @property
    def tokens(self) -> int:
        """All tokens of the prompt with each of its answers."""
        return len(self.prompt.token_ids) * len(self.answers) + sum(map(len, self.answers))

    @property
    def graded_mean(self) -> float:
        return sum(self.graded) / len(self.graded)


@dataclass(frozen=True, slots=True)
class Rollout:
    """What one step trains on, and what it saw on the way."""

    groups: Sequence[Group]
    asked: Sequence[Group]
    """All groups that were sampled; the first of them are those that the order of the quest asked for."""

    @property
    def signal(self) -> float:
        """Share of the groups asked that had signal."""
        return sum(group.has_signal for group in self.asked) / len(self.asked)


def read(rows: Iterable[Row], parts: Parts) -> tuple[list[Prompt], int]:
    """The prompts of a quest, and how many were left out as no shorter than `max_length` tokens."""
    prompts = [Prompt(row, parts.render_prompt(row["prompt"])) for row in rows]
    kept = [prompt for prompt in prompts if len(prompt.token_ids) < parts.settings.max_length]
    return kept, len(prompts) - len(kept)


class Sampler:
    """Asks the prompts of one quest. Whatever it draws follows from weights, seed, step and prompt alone."""

    def __init__(self, parts: Parts, prompts: Sequence[Prompt], seed: str) -> None:
        """Raises TrainingError when nobody hands in rewards or the quest holds no prompt."""
        if parts.grade is None:
            raise TrainingError(
                "Nobody grades the answers, so there is no reward to learn from.",
                hint="Train this quest in a campaign (realm play), or by a preset: their skills are the graders.",
            )
        if not prompts:
            raise TrainingError(
                "The quest holds no prompt that can be asked.",
                hint=f"Rows need a prompt shorter than max_length = {parts.settings.max_length} tokens.",
            )
        self._parts, self._settings, self._prompts, self._seed = parts, parts.settings, prompts, seed
        self._grade: Grade = parts.grade
        self._stops = stop_ids(parts.model, parts.tokenizer)
        self.before_batch: Callable[[], object] = lambda: None
        """Called before each batch of answers: a sign of progress."""
        self._orders: dict[int, NDArray[np.int64]] = {}

    @property
    def prompts_per_step(self) -> int:
        return self._settings.batch_rows * self._settings.gradient_accumulation_steps

    @property
    def steps(self) -> int:
        """Optimizer steps: each prompt is asked once an epoch, refills not counted."""
        asked = len(self._prompts) * self._settings.num_train_epochs
        steps = max(1, ceil(asked / self.prompts_per_step))
        return steps if self._settings.max_steps < 0 else min(steps, max(1, self._settings.max_steps))

    @property
    def longest_tokens(self) -> int:
        """Of a prompt with its answer."""
        return max(len(prompt.token_ids) for prompt in self._prompts) + self._settings.max_completion_length

    def dry_run(self) -> None:
        """Sample a few answers first. Raises NothingToLearn when none earns anything, or all earn everything."""
        some = Random(number(self._seed, "dry run")).sample(self._prompts, min(DRY_RUN, len(self._prompts)))
        groups = self._sampled(some, ceil(DRY_RUN / len(some)), self._name("dry run"))
        in_turn = chain.from_iterable(zip(*(group.graded for group in groups), strict=True))
        require_lesson([value for value in islice(in_turn, DRY_RUN) if not isnan(value)])

    def rollout(self, step: int) -> Rollout:
        """The groups of a step of the quest, counted from 0."""
        places = self._places(step)
        asked = self._sampled(
            [self._prompts[place] for place in places], self._settings.num_generations, self._name(step)
        )
        good = [group for group in asked if group.has_signal]
        others = self._others(step, places)
        for _ in range(self._settings.refill_rounds):
            wanted = [self._prompts[place] for place in islice(others, len(places) - len(good))]
            if len(good) == len(places) or not wanted:
                break
            more = self._sampled(wanted, self._settings.num_generations, self._name(step))
            asked = [*asked, *more]
            good += [group for group in more if group.has_signal]
        dull = [group for group in asked if not group.has_signal]
        return Rollout([*good, *dull][: len(places)], asked)

    def text(self, ids: Sequence[int]) -> str:
        return said(self._parts.tokenizer, ids, self._stops)

    def ended(self, ids: Sequence[int]) -> bool:
        """Whether an answer came to its own end."""
        return bool(ids) and ids[-1] in self._stops

    def _name(self, what: object) -> str:
        return f"{self._seed}/{what}"

    def _places(self, step: int) -> list[int]:
        """The prompts of a step: the quest in a new order each epoch; a last batch runs over into the next one."""
        first, size = step * self.prompts_per_step, len(self._prompts)
        return [int(self._order(at // size)[at % size]) for at in range(first, first + self.prompts_per_step)]

    def _order(self, epoch: int) -> NDArray[np.int64]:
        if epoch not in self._orders:
            draw = np.random.default_rng(number(self._seed, "order", epoch))
            self._orders[epoch] = draw.permutation(len(self._prompts))
        return self._orders[epoch]

    def _others(self, step: int, places: Sequence[int]) -> Iterator[int]:
        left = sorted(set(range(len(self._prompts))) - set(places))
        Random(number(self._seed, "refill", step)).shuffle(left)
        return iter(left)

    def _sampled(self, prompts: Sequence[Prompt], count: int, seed: str) -> list[Group]:
        settings = self._settings
        answers = sample_ids(
            self._parts.model,
            [prompt.token_ids for prompt in prompts],
            stop_ids=self._stops,
            count=count,
            temperature=settings.temperature,
            top_p=settings.top_p,
            max_new_tokens=settings.max_completion_length,
            seed=seed,
            before_batch=self.before_batch,
        )
        rows = [prompt.row for prompt in prompts for _ in range(count)]
        graded = list(self._grade(rows, [self.text(ids) for ids in chain.from_iterable(answers)]))
        if len(graded) != len(rows):
            raise TrainingError(f"{len(rows)} answers were to be graded and {len(graded)} rewards came.")
        each = [graded[first : first + count] for first in range(0, len(graded), count)]
        return [
            Group(prompt, given, self._rewards(prompt, worth, seed), worth)
            for prompt, given, worth in zip(prompts, answers, each, strict=True)
        ]

    def _rewards(self, prompt: Prompt, graded: Sequence[float], seed: str) -> Sequence[float]:
        """The grader's, no row's if nobody can grade it; in the control the throw of a fair coin for each answer."""
        if self._settings.random_reward:
            coin = Random(number(seed, "random reward", *prompt.token_ids))
            return [float(coin.random() < 0.5) for _ in graded]
        return [0.0 if any(map(isnan, graded)) else value for value in graded]


def require_lesson(graded: Sequence[float]) -> None:
    """Raises NothingToLearn when no answer of a dry run earned anything, or each earned everything."""
    if not graded:
        raise TrainingError(
            "Nobody can grade the answers to these rows.",
            hint="Give each row an answer, or the skill, level and answer of a skill that is installed.",
        )
    rewarded = sum(value > SAME for value in graded)
    if rewarded == 0:
        raise NothingToLearn(
            f"0 of {len(graded)} sampled answers were rewarded: start lower. Train rows with answers first (sft), or "
            "take prompts of a lower level.",
            hint="For example: realm generate --skill SKILL --level 1 --count 500, and drop that into inbox/.",
        )
    if min(graded) >= 1 - SAME:
        raise NothingToLearn(
            f"All {len(graded)} sampled answers were right: there is nothing to learn here. Take a higher level.",
            hint="For example: realm generate --skill SKILL --level 2 --count 500 --prompts-only.",
        )
