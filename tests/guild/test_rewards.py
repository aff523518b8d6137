"""What answers are worth, what nobody can grade, and when practice is prompts alone."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.config.schema import Hyperparameters
from realm.errors import SkillBroken
from realm.guild.curriculum import Mix
from realm.guild.engine import SkillEngine
from realm.guild.practice import row_of, write
from realm.guild.reward_practice import chooser, decide, shown
from realm.guild.rewards import Rewards, problem_of, same, told
from realm.guild.skill import Problem, Score, Skill
from realm.quests.formats import convert
from realm.registry import Registry
from tests.guild.tiny_skills import NumberSkill, double, tiny_engine

BIN = SkillEngine()


def rows_of(skill: str, level: int, count: int, engine: SkillEngine = BIN) -> list[tuple[Problem, Any]]:
    """Problems and their prompt-only rows as a quest's reader gives them."""
    problems = engine.generate_batch(skill, level, count, "rewards")
    return [(p, convert(json.loads(json.dumps(row_of(p), ensure_ascii=False)))) for p in problems]


@pytest.mark.parametrize("skill", ["bin", "sy"])
def test_a_skill_grades_its_own_rows_as_in_an_examination(skill: str) -> None:
    rewards = Rewards(BIN)
    for level in (1, 2, BIN.get(skill).levels):
        for problem, row in rows_of(skill, level, 20):
            assert rewards.why_not(row) == ""
            answers = [problem.answer, "", "?", problem.answer + "\n" + problem.answer]
            worth = rewards.grade([row] * 4, answers)
            assert worth[0] == 1.0 and worth[1] == worth[2] == 0.0
            assert worth == [BIN.get(skill).score(problem, answer).value for answer in answers]


def test_shown_work_earns_its_credit() -> None:
    rewards = Rewards(BIN)
    for problem, row in rows_of("bin", 3, 60):
        lines = problem.answer.split("\n")
        if len(lines) > len(problem.meta["final"]):
            bare = "\n".join(problem.meta["final"])
            assert 0.5 <= rewards.grade([row], [bare])[0] < 1.0
            return
    pytest.fail("no problem shows work")


@pytest.mark.parametrize(("answer", "response"), [
    ("7", "7"), ("7", " 7\n"), ("7", "Answer: 7."), ("7", "The answer is 7"), ("New  York", "new york"), ("７", "7"),
    ("a b", "a\nb"), ("yes", '"Yes"'),
])  # fmt: skip
def test_an_answer_is_found_through_case_spacing_and_one_plain_wrapping(answer: str, response: str) -> None:
    assert same(answer, response)


@pytest.mark.parametrize(("answer", "response"), [
    ("7", "8"), ("7", "7 or 8"), ("7", ""), ("7", "77"), ("yes", "yes no"), ("7", "7 " * 500),
])  # fmt: skip
def test_another_answer_earns_nothing(answer: str, response: str) -> None:
    assert not same(answer, response)


@given(st.text(max_size=30), st.text(max_size=60))
def test_grading_never_raises(answer: str, response: str) -> None:
    row = {"prompt": "?", "answer": answer}
    worth = Rewards(BIN).grade([row], [response])[0]
    assert math.isnan(worth) if not answer.strip() else worth in (0.0, 1.0)


@pytest.mark.parametrize(("meta", "answer", "words"), [
    ({}, None, "names no skill and holds no answer"),
    ({"skill": "bni", "level": 1}, "1", "the skill 'bni', which is not installed (did you mean 'bin'?)"),
    ({"skill": "bin", "level": 1}, None, "but holds no answer"),
    ({"skill": "bin", "level": 900}, "1", "has no level 900"),
    ({"skill": "bin", "level": 1}, "1", "cannot be graded by the skill 'bin' (KeyError"),
])  # fmt: skip
def test_what_nobody_can_grade_is_said_in_words(meta: dict[str, Any], answer: str | None, words: str) -> None:
    engine = SkillEngine()
    rewards = Rewards(engine)
    row = {"prompt": "?", "meta": meta} | ({"answer": answer} if answer else {})
    assert words in rewards.why_not(row)
    assert math.isnan(rewards.grade([row], ["1"])[0])
    assert not engine.broken  # a row of a person breaks no skill


def test_a_row_whose_own_answer_is_wrong_is_not_graded() -> None:
    engine = engine_of(Strict("double", double))
    _, row = rows_of("double", 1, 1, engine)[0]
    assert Rewards(engine).why_not(row) == ""
    assert "calls wrong (another number)" in Rewards(engine).why_not({**row, "answer": "7 is odd"})


class Moody(NumberSkill):
    """Its grader fails on one answer."""

    def score(self, problem: Problem, response: str) -> Score:
        if response == "boo":
            raise RuntimeError("I was frightened")
        return super().score(problem, response)


class Strict(NumberSkill):
    """Knows the answer without being told."""

    def score(self, problem: Problem, response: str) -> Score:
        right = response == self.reply(problem.meta["number"])
        return Score(float(right), right, "" if right else "another number")


class Generous(NumberSkill):
    def score(self, problem: Problem, response: str) -> Score:
        return Score(1.0, True, "")


def engine_of(skill: Skill) -> SkillEngine:
    registry: Registry[Skill] = Registry("skill")
    registry.register("double", lambda: skill)
    return SkillEngine(registry)


def test_a_grader_that_raises_is_set_aside() -> None:
    engine = engine_of(Moody("double", double))
    rewards = Rewards(engine)
    _, row = rows_of("double", 1, 1, engine)[0]
    assert rewards.grade([row], ["1"]) == [0.0]
    with pytest.raises(SkillBroken, match="I was frightened"):
        rewards.grade([row, row], ["1", "boo"])
    assert set(engine.broken) == {"double"}


def test_a_grader_that_takes_anything_grades_nothing() -> None:
    engine = engine_of(Generous("double", double))
    _, row = rows_of("double", 1, 1, engine)[0]
    assert "whatever is answered" in Rewards(engine).why_not(row)


def test_a_row_as_a_problem() -> None:
    problem = problem_of({"prompt": [{"role": "user", "content": "1+1"}], "answer": "2", "meta": {"level": True}})
    assert (problem.skill, problem.level, problem.prompt, problem.answer) == ("", 0, "1+1", "2")


def test_a_control_is_told_from_the_real_thing() -> None:
    assert told("grpo", Hyperparameters()) == "grpo"
    assert told("grpo", Hyperparameters(random_reward=True)) == "grpo, control with random rewards"
    assert told("sft", Hyperparameters(random_reward=True)) == "sft"


# -- practice ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("graded", "method", "words"), [
    ([0.0] * 16, "sft", "0 of 16 sampled answers were rewarded, too few"),
    ([1.0] * 16, "sft", "would teach nothing"),
    ([0.0] * 15 + [0.5], "grpo", "1 of 16"),
    ([1.0] * 15 + [0.5], "grpo", "16 of 16"),
])  # fmt: skip
def test_practice_is_prompts_alone_where_rewards_teach(graded: list[float], method: str, words: str) -> None:
    chosen, why = decide("grpo", graded)
    assert chosen == method and words in why


def test_a_campaign_of_rewards_tries_its_problems_first() -> None:
    engine = tiny_engine()
    asked: list[tuple[int, dict[str, Any]]] = []

    def sample(prompts: Any, **how: Any) -> list[list[str]]:
        asked.append((len(prompts), how))
        return [[double(int(prompt.split()[-1])) if i % 2 else "?"] for i, prompt in enumerate(prompts)]

    problems = engine.generate_batch("double", 1, 40, "s")
    settings = Hyperparameters(method="rloo", temperature=0.7, max_completion_length=9)
    assert chooser(settings, engine, sample)(problems, "s") == (
        "rloo", "8 of 16 sampled answers were rewarded: prompts alone, learned by rloo.",
    )  # fmt: skip
    ((count, how),) = asked
    assert count == 16 and (how["count"], how["temperature"], how["max_new_tokens"]) == (1, 0.7, 9)
    assert chooser(Hyperparameters(), engine, sample) is shown


def test_prompts_alone_are_written_with_what_grades_them(tmp_path: Path) -> None:
    engine = tiny_engine()
    path = write(Mix({("double", 1): 1.0}, "because"), engine, tmp_path / "p.jsonl", 20, "s", method="grpo")
    about = json.loads((tmp_path / "p.jsonl.meta.json").read_text())
    assert about["method"] == "grpo"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert set(rows[0]) == {"prompt", "answer", "skill", "level", "meta"}
    assert not any(map(Rewards(engine).why_not, map(convert, rows)))
