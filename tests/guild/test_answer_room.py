"""How long an answer may become follows from the right answers to what is asked."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.config.schema import CurriculumSettings
from realm.guild.answer_room import LOOKED_AT, UNKNOWN, AnswerRoom
from realm.guild.engine import SkillEngine
from realm.guild.examiner import Target, examine
from realm.guild.skill import Problem
from realm.heroes.hero import LoadedHero, load
from realm.records import CampaignKey


def letters(_prompt: str, answer: str) -> int:
    return len(answer)


def problem(answer: str) -> Problem:
    return Problem("s", 1, "?", answer, answer)


@given(st.lists(st.text(min_size=1, max_size=400), min_size=1))
def test_every_right_answer_has_room_and_not_much_is_left(answers: list[str]) -> None:
    room = AnswerRoom(None, letters)
    assert room.tokens == UNKNOWN
    room.expect(map(problem, answers))
    longest = max(map(len, answers))
    assert longest < room.tokens <= 1.125 * longest + 9
    room.expect([])
    assert room.tokens == UNKNOWN


def test_a_limit_that_a_person_named_stays() -> None:
    room = AnswerRoom(24, letters)
    room.expect([problem("x" * 99)])
    room.expect_level(SkillEngine(), "sy", 5)
    assert room.tokens == 24


@pytest.fixture(scope="module")
def hatchling() -> LoadedHero:
    return load("hatchling")


def test_tokens_of_an_answer_are_those_that_are_trained(hatchling: LoadedHero) -> None:
    for one in SkillEngine().generate_batch("bin", 3, 20, "room"):
        row = {"prompt": one.prompt, "completion": one.answer}
        rendered = hatchling.family.render(hatchling.tokenizer, row)
        assert hatchling.answer_tokens(one.prompt, one.answer) == sum(rendered.trained)


@pytest.mark.parametrize(("skill", "level"), [("sy", 5), ("sy", 10), ("bin", 30)])
def test_long_right_answers_are_not_cut_any_more(hatchling: LoadedHero, skill: str, level: int) -> None:
    """All said byte by byte: the hatchling knows no words."""
    told: list[int] = []
    room = AnswerRoom(None, hatchling.answer_tokens)

    def silent(prompts: Sequence[str]) -> list[str]:
        told.append(room.tokens)
        return [""] * len(prompts)

    target = Target(skill, level, "frontier")
    settings = CurriculumSettings(exam_problems=40, training_problems=5)
    key = CampaignKey("h", "c")
    (taken,) = examine(SkillEngine(), key, 1, [target], silent, settings=settings, template_hash="", expect=room.expect)
    asked = SkillEngine().generate_eval_batch(skill, level, taken.n, "exam")
    longest = max(hatchling.answer_tokens(one.prompt, one.answer) for one in asked)
    assert longest > UNKNOWN, "a constant would have cut it"
    assert told[0] > longest


def test_a_levels_own_problems_tell_before_it_is_asked(hatchling: LoadedHero) -> None:
    room = AnswerRoom(None, hatchling.answer_tokens)
    room.expect_level(SkillEngine(), "bin", 1)
    some = SkillEngine().generate_batch("bin", 1, LOOKED_AT, "room")
    assert room.tokens > max(hatchling.answer_tokens(one.prompt, one.answer) for one in some)
