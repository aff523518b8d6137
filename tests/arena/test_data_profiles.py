"""The engine trains rows in the hero's form, and hands out plain answers and plain rewards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from realm.arena.engine import Engine
from realm.heroes.data_profiles import data_profiles
from realm.records import Progress, Row
from tests.arena.arena_support import Notes, settings, small_hero, small_rows


def test_rows_are_trained_as_the_profile_prepares_them() -> None:
    plain = small_hero()
    framed = replace(plain, data_profile=data_profiles.get("regime3"))
    rows, seen = small_rows(20), []
    for hero in (plain, framed):
        engine = Engine.open(hero, settings(max_steps=1), progress=Progress())
        engine.train(rows, run="r", quest="q", hooks=Notes())
        assert engine.reading is not None
        seen.append(hero.tokenizer.decode(engine.reading.train.tokens.tolist()))
    assert "<answer>" not in seen[0] and seen[1].count("<answer>") == seen[1].count("</answer>") > 10
    assert seen[1].count("Question:") == seen[1].count("<answer>")


def test_answers_and_rewards_are_plain() -> None:
    graded: list[tuple[str, str]] = []

    def grade(rows: Sequence[Row], answers: Sequence[str]) -> list[float]:
        graded.extend((row["prompt"], answer) for row, answer in zip(rows, answers, strict=True))
        return [1.0] * len(answers)

    hero = replace(small_hero(), data_profile=data_profiles.get("regime3"))
    engine = Engine.open(hero, settings(), progress=Progress(), grade=grade)
    prepared = hero.data_profile.prepare({"prompt": "1 + 1", "answer": "2"})
    assert engine._parts.grade is not None
    assert engine._parts.grade([prepared], ["<answer>2</answer>"]) == [1.0]
    assert graded == [(prepared["prompt"], "2")]
    said = hero.family.answer(hero.model, hero.tokenizer, [hero.data_profile.ask("1 + 1")], max_new_tokens=5)
    assert engine.answer(["1 + 1"], max_new_tokens=5) == [hero.data_profile.read(said[0], prepared["prompt"])]
