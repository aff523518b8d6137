"""The laws hold for every skill, and each law has teeth: a skill that breaks it is caught."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from realm.guild import laws
from realm.guild.engine import SkillEngine, skills
from realm.guild.laws import LAWS, Law
from realm.guild.skill import Problem, Score, Side, Skill
from tests.guild.packages import EXAMPLE, install_project
from tests.guild.tiny_skills import NumberSkill, double, parity

NAMES = skills().names()


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_skill_obeys(name: str, law: Law) -> None:
    assert list(law(SkillEngine().get(name))) == []


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_the_example_obeys(law: Law, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_project(tmp_path, EXAMPLE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "realm_skill_clock", raising=False)  # another test may have imported its own
    assert list(law(SkillEngine().get("clock"))) == []


class Sloppy(NumberSkill):
    """Doubling, with a part of it done badly."""

    def __init__(self, grade: Callable[[Problem, str], Score] | None = None, **changes: Any) -> None:
        super().__init__("double", double)
        self._grade, self._changes, self._made = grade, changes, 0

    def generate(self, level: int, seed: str, *, side: Side = "train", kind: Any = None) -> Problem:
        self._made += 1
        side = self._changes.get("side", side)
        seed = f"{seed}/{self._made}" if self._changes.get("forgets_its_seed") else seed
        problem = super().generate(level, seed, side=side, kind=kind)
        return replace(problem, primitives=self._changes.get("primitives", problem.primitives))

    def score(self, problem: Problem, response: str) -> Score:
        if self._grade is None:
            return super().score(problem, response.strip())
        return self._grade(problem, response)


def paid(right: bool) -> Score:
    return Score(float(right), right, "")


def by_substring(problem: Problem, response: str) -> Score:
    return paid(problem.answer in response)


def by_last_number(problem: Problem, response: str) -> Score:
    found = re.findall(r"[0-9]+", response)
    return paid(bool(found) and found[-1] == problem.answer)


def by_unicode_number(problem: Problem, response: str) -> Score:
    text = response.strip()
    return paid(text.isdecimal() and len(text) < 1000 and int(text) == int(problem.answer))


def by_prefix(problem: Problem, response: str) -> Score:
    text = response.strip()
    return paid(bool(text) and (text == problem.answer or problem.answer.startswith(text)))


def by_luck(problem: Problem, response: str) -> Score:
    return paid(response.strip().isdigit() and response.isascii() and len(response) < 20)


def never(problem: Problem, response: str) -> Score:
    return paid(False)


@pytest.mark.parametrize(
    ("law", "skill"),
    [
        (laws.own_answer_is_right, Sloppy(never)),
        (laws.same_seed_same_problem, Sloppy(forgets_its_seed=True)),
        (laws.sides_never_meet, Sloppy(side="train")),
        (laws.primitives_are_named, Sloppy(primitives=())),
        (laws.primitives_are_named, Sloppy(primitives=("binary_compare",))),
        (laws.another_answer_is_wrong, Sloppy(by_luck)),
        (laws.echo_and_silence_are_worth_nothing, Sloppy(by_substring)),
        (laws.rubbish_is_worth_nothing, Sloppy(by_substring)),
        (laws.other_digits_are_other_characters, Sloppy(by_unicode_number)),
        (laws.listing_all_options_is_no_answer, Sloppy(by_last_number)),
        (laws.truncation_is_not_right, Sloppy(by_prefix)),
    ],
)
def test_each_law_has_teeth(law: Law, skill: Skill) -> None:
    assert list(law(skill))


def test_a_strict_grader_breaks_no_law() -> None:
    for law in LAWS:
        assert list(law(Sloppy())) == [], law.__name__


def test_two_answers_alone_are_no_shelter() -> None:
    """Where only two answers are possible, saying both is still no answer."""
    skill = NumberSkill("parity", parity)
    assert list(laws.listing_all_options_is_no_answer(skill)) == []
