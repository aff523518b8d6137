"""Controls: who does not know the skill gains no level, however often examined; who knows it does."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from realm.config.schema import CurriculumSettings
from realm.db import Database
from realm.events import Events
from realm.guild.engine import Answer, SkillEngine
from realm.guild.examiner import examine, targets
from realm.guild.ledger import GuildLedger
from realm.records import CampaignKey
from tests.guild.tiny_skills import knows_all, tiny_engine

SETTINGS = CurriculumSettings()
KEY = CampaignKey("hatchling", "control")


def climb(db: Database, engine: SkillEngine, skill: str, answer: Answer, checkpoints: int) -> GuildLedger:
    """Examine `answer` at so many checkpoints, as the hero's day does."""
    ledger = GuildLedger(db, Events(db), SETTINGS)
    levels = {skill: engine.get(skill).levels}
    for step in range(1, checkpoints + 1):
        asked = targets(ledger.states(KEY), levels, SETTINGS, step)
        ledger.record(examine(engine, KEY, step, asked, answer, settings=SETTINGS, template_hash="t"))
    return ledger


def shuffling(knows: Answer) -> Answer:
    """Right answers, each to another problem."""
    draw = random.Random("shuffled")

    def answer(prompts: Sequence[str]) -> list[str]:
        return draw.sample(responses := list(knows(prompts)), len(responses))

    return answer


def guessing(choices: Sequence[str], p: float) -> Callable[[Sequence[str]], list[str]]:
    """Right with probability `p`, else another of the choices."""
    draw = random.Random(f"guess/{p}")

    def answer(prompts: Sequence[str]) -> list[str]:
        wrong = [next(c for c in choices if c != right) for right in knows_all(prompts)]
        return [r if draw.random() < p else w for r, w in zip(knows_all(prompts), wrong, strict=True)]

    return answer


def solver(engine: SkillEngine, skill: str) -> Answer:
    """Knows every answer of a skill's first levels by having read the engine's problems."""
    known: dict[str, str] = {}
    for level in range(1, 6):
        for step in range(61):
            problems = engine.generate_batch(skill, level, SETTINGS.training_problems, f"gap/{step}")
            known |= {p.prompt: p.answer for p in problems}
        known |= {p.prompt: p.answer for p in engine.generate_eval_batch(skill, level, 100)}
    return lambda prompts: [known.get(prompt, "") for prompt in prompts]


def test_whoever_knows_the_skill_masters_it(db: Database) -> None:
    ledger = climb(db, tiny_engine(), "double", knows_all, 12)
    assert [(t.level, t.step) for t in ledger.transitions(KEY)] == [(1, 3), (2, 6), (3, 9), (4, 12)]


def test_shuffled_answers_gain_nothing_where_answers_are_many(db: Database) -> None:
    ledger = climb(db, tiny_engine(), "double", shuffling(knows_all), 40)
    assert ledger.levels(KEY) == {"double": 0}
    assert max(e.accuracy for e in ledger.examinations(KEY)) < 0.1


def test_shuffled_answers_gain_nothing_where_answers_are_two(db: Database) -> None:
    ledger = climb(db, tiny_engine(), "parity", shuffling(knows_all), 60)
    assert ledger.levels(KEY) == {"parity": 0}
    assert ledger.transitions(KEY) == []


@pytest.mark.parametrize("p", [0.5, 0.6])
def test_guessing_gains_nothing(db: Database, p: float) -> None:
    ledger = climb(db, tiny_engine(), "parity", guessing(("even", "odd"), p), 60)
    assert ledger.levels(KEY) == {"parity": 0}


def test_binary_arithmetic_is_gained_by_knowing_and_not_by_shuffling(db: Database) -> None:
    engine = SkillEngine()
    knows = solver(engine, "bin")
    assert climb(db, engine, "bin", shuffling(knows), 12).levels(KEY) == {"bin": 0}
    ledger = GuildLedger(db, Events(db), SETTINGS)
    ledger.rewind(KEY, 0)
    assert climb(db, engine, "bin", knows, 7).levels(KEY) == {"bin": 2}
