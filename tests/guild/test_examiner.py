from __future__ import annotations

from collections.abc import Sequence

import pytest

from realm.config.schema import CurriculumSettings
from realm.errors import UsageError
from realm.guild.examiner import Target, examine, targets
from realm.guild.progression import Examination, SkillState
from realm.guild.skill import side_of
from realm.records import CampaignKey
from tests.guild.tiny_skills import knows_all, tiny_engine

KEY = CampaignKey("hatchling", "test")
SETTINGS = CurriculumSettings(exam_problems=40, panel_problems=20, training_problems=10)
BOTH = [Target("double", 2, "frontier"), Target("double", 1, "panel"), Target("parity", 1, "frontier")]


class Listener:
    """Answers everything rightly and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, prompts: Sequence[str]) -> list[str]:
        self.calls.append(list(prompts))
        return knows_all(prompts)


def sit(answer: object, step: int = 500, asked: Sequence[Target] = BOTH) -> list[Examination]:
    return examine(
        tiny_engine(),
        KEY,
        step,
        asked,
        answer,
        settings=SETTINGS,
        template_hash="abc",  # type: ignore[arg-type]
        tokens=1234,
        val_loss=0.5,
        clock=lambda: 7.0,
    )


def test_everything_is_asked_in_one_call() -> None:
    listener = Listener()
    taken = sit(listener)
    assert len(listener.calls) == 1
    assert len(listener.calls[0]) == 40 + 20 + 40 + 10 + 10
    assert [(e.skill, e.level, e.role, e.n, e.correct) for e in taken] == [
        ("double", 2, "frontier", 40, 40),
        ("double", 1, "panel", 20, 20),
        ("parity", 1, "frontier", 40, 40),
    ]
    assert [(e.training_n, e.gap) for e in taken] == [(10, 0.0), (0, None), (10, 0.0)]
    first = taken[0]
    assert (first.step, first.tokens, first.val_loss, first.time) == (500, 1234, 0.5, 7.0)
    assert (first.template_hash, first.seed, first.checkpoint) == ("abc", "exam", "hatchling:test@500")
    assert sum(n for _, n in first.primitives.values()) == 40


def test_examinations_are_held_out_and_the_same_at_each_checkpoint_but_the_training_side_is_fresh() -> None:
    listener = Listener()
    sit(listener, 500)
    sit(listener, 600)
    numbers = [[prompt.split()[2] for prompt in call] for call in listener.calls]
    assert numbers[0][:100] == numbers[1][:100] and numbers[0][100:] != numbers[1][100:]
    assert {side_of(n) for n in numbers[0][:100]} == {"exam"}
    assert {side_of(n) for n in numbers[0][100:]} == {"train"}


def test_a_hero_that_knows_only_what_it_was_trained_on_shows_a_gap() -> None:
    def memory(prompts: Sequence[str]) -> list[str]:
        seen = [side_of(prompt.split()[2]) == "train" for prompt in prompts]
        return [right if known else "?" for right, known in zip(knows_all(prompts), seen, strict=True)]

    assert sit(memory)[0].gap == 1.0


def test_each_response_is_graded_against_its_own_problem() -> None:
    taken = sit(lambda prompts: ["?", *knows_all(prompts)[1:]])
    assert [e.correct for e in taken] == [39, 20, 40]


def test_a_response_too_few_is_an_error() -> None:
    with pytest.raises(UsageError, match="119 responses"):
        sit(lambda prompts: knows_all(prompts)[1:])


def test_nothing_to_examine_asks_nobody() -> None:
    assert sit(lambda prompts: pytest.fail("asked"), asked=[]) == []


def test_targets_are_the_frontier_and_all_mastered_levels() -> None:
    states = {"double": SkillState(frozenset({1, 2}))}
    assert targets(states, {"double": 4, "parity": 4}, SETTINGS, 1) == [
        Target("double", 3, "frontier"),
        Target("double", 1, "panel"),
        Target("double", 2, "panel"),
        Target("parity", 1, "frontier"),
    ]


def test_a_large_panel_is_sampled_but_never_loses_a_regressing_level() -> None:
    state = SkillState(frozenset(range(1, 21)), below={7: 1})
    seen: set[int] = set()
    for step in range(50):
        panel = [t.level for t in targets({"bin": state}, {"bin": 30}, SETTINGS, step) if t.role == "panel"]
        assert len(panel) == SETTINGS.panel_levels and 7 in panel
        seen |= set(panel)
    assert seen == set(range(1, 21))
    assert targets({"bin": state}, {"bin": 30}, SETTINGS, 3) == targets({"bin": state}, {"bin": 30}, SETTINGS, 3)


def test_a_finished_skill_keeps_its_panel() -> None:
    state = SkillState(frozenset(range(1, 5)))
    assert {t.role for t in targets({"double": state}, {"double": 4}, SETTINGS, 1)} == {"panel"}
