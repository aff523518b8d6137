"""Laws that every skill obeys, asked of each skill that is registered."""

from __future__ import annotations

from itertools import pairwise

import pytest

from realm.errors import SkillError
from realm.guild.engine import SkillEngine, skills
from realm.guild.primitives import CATALOGUE
from realm.guild.skill import Problem, Skill, side_of

NAMES = skills().names()


@pytest.fixture(scope="module", params=NAMES)
def skill(request: pytest.FixtureRequest) -> Skill:
    return SkillEngine().get(request.param)


def levels(skill: Skill) -> list[int]:
    return sorted({1, 2, 3, min(8, skill.levels), skill.levels // 2, skill.levels})


def batch(skill: Skill, level: int, n: int, name: str, side: str = "train") -> list[Problem]:
    return [skill.generate(level, f"{skill.id}/{level}/{name}/{i}", side=side) for i in range(n)]  # type: ignore[arg-type]


def test_own_answer_is_worth_everything(skill: Skill) -> None:
    for level in levels(skill):
        for side in ("train", "exam"):
            for problem in batch(skill, level, 100, "own", side):
                score = skill.score(problem, problem.answer)
                assert score.value == 1.0 and score.correct, problem
                assert skill.score(problem, f" \n{problem.answer}\n ").correct


def test_someone_elses_answer_is_worth_nothing(skill: Skill) -> None:
    for level in levels(skill):
        problems = batch(skill, level, 100, "else")
        for problem, other in pairwise(problems):
            if problem.answer != other.answer:
                score = skill.score(problem, other.answer)
                assert score.value < 1 and not score.correct, (problem, other.answer)


def test_echo_of_the_prompt_and_silence_are_worth_nothing(skill: Skill) -> None:
    for level in levels(skill):
        for problem in batch(skill, level, 50, "echo"):
            for response in ("", " ", problem.prompt, problem.prompt + problem.answer, problem.answer * 2):
                assert skill.score(problem, response).value == 0, (problem, response)


def test_every_truncated_answer_is_worth_less(skill: Skill) -> None:
    for level in levels(skill):
        for problem in batch(skill, level, 30, "cut"):
            for end in range(len(problem.answer)):
                if problem.answer[:end].strip() != problem.answer:
                    assert skill.score(problem, problem.answer[:end]).value < 1


@pytest.mark.parametrize(
    "junk", ["\0", "\0" * 1000, "٣٢١", "１２３", "①" * 1_000_000, "=" * 100_000, "\ud800", "\n" * 10_000]
)
def test_grader_never_raises(skill: Skill, junk: str) -> None:
    for problem in batch(skill, 1, 20, "junk") + batch(skill, skill.levels, 5, "junk"):
        assert skill.score(problem, junk).value == 0
        assert skill.score(problem, junk + problem.answer).value < 1 or not junk.strip()


def test_same_seed_same_problem(skill: Skill) -> None:
    again = SkillEngine().get(skill.id)
    for level in levels(skill):
        for side in ("train", "exam"):
            assert batch(skill, level, 30, "same", side) == batch(again, level, 30, "same", side)


def test_sides_never_meet(skill: Skill) -> None:
    for level in levels(skill):
        assert all(side_of(p.content) == "train" for p in batch(skill, level, 300, "sides"))
        assert all(side_of(p.content) == "exam" for p in batch(skill, level, 100, "sides", "exam"))


def test_many_problems_are_nearly_all_different_where_there_is_room(skill: Skill) -> None:
    problems = batch(skill, skill.levels, 2000, "many")
    assert len({p.content for p in problems}) > 1900
    assert len({p.prompt for p in problems}) > 1950


def test_two_seeds_share_almost_nothing_where_there_is_room(skill: Skill) -> None:
    one, two = ({p.content for p in batch(skill, skill.levels, 1000, name)} for name in ("one", "two"))
    assert len(one & two) < 50


def test_primitives_are_in_the_catalogue_and_in_the_description(skill: Skill) -> None:
    assert set(skill.spec.primitives) <= set(CATALOGUE)
    for level in levels(skill):
        for problem in batch(skill, level, 200, "primitives"):
            assert problem.primitives and set(problem.primitives) <= set(skill.spec.primitives)


def test_a_level_that_does_not_exist_is_refused_in_words(skill: Skill) -> None:
    for level in (0, -1, skill.levels + 1):
        with pytest.raises(SkillError, match="no level"):
            skill.generate(level, "x")


def test_mix_adds_up(skill: Skill) -> None:
    for level in range(1, skill.levels + 1):
        assert not skill.mix(level) or abs(sum(skill.mix(level).values()) - 1) < 1e-9
