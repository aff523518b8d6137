"""Every trained token is counted once, on the level that its row names."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realm.arena.engine import Engine
from realm.arena.level_tokens import LevelTokens, cell_of
from realm.records import UNNAMED, Progress
from tests.arena.arena_support import Notes, settings, small_hero, small_rows

cells = st.tuples(st.sampled_from(["bin", "sy"]), st.integers(1, 5)) | st.just(UNNAMED)


@given(st.lists(st.tuples(cells, st.integers(0, 9)), min_size=1, max_size=30), st.data())
def test_a_batch_counts_each_of_its_examples(examples: list[tuple[tuple[str, int], int]], data: st.DataObject) -> None:
    counted = LevelTokens()
    for cell, tokens in examples:
        counted.add(cell, tokens)
    members = data.draw(st.lists(st.integers(0, len(examples) - 1), max_size=40))
    expected: Counter[tuple[str, int]] = Counter()
    for at in members:
        expected[examples[at][0]] += examples[at][1]
    assert counted.of(np.array(members, dtype=np.int64)) == +expected


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda s: st.dictionaries(st.text(), s)))
def test_what_names_no_level_is_unnamed(value: Any) -> None:
    assert cell_of({"meta": value}) == UNNAMED
    assert cell_of({"meta": {"skill": "bin", "level": {"a": value}}}) == UNNAMED
    assert cell_of({"meta": {"skill": value if not isinstance(value, str) else "", "level": 1}}) == UNNAMED


def test_a_row_names_its_level_in_its_meta() -> None:
    assert cell_of({"meta": {"skill": "bin", "level": 3}}) == ("bin", 3)
    assert cell_of({"meta": {"skill": "bin", "level": True}}) == UNNAMED
    assert cell_of({"prompt": "x"}) == UNNAMED


def test_an_engine_tells_the_tokens_of_its_steps_by_level_and_only_once() -> None:
    rows = [{**row, "meta": {"skill": "bin", "level": 1 + i % 3}} for i, row in enumerate(small_rows(50))]
    engine = Engine(small_hero(), settings(gradient_accumulation_steps=2), Progress(), None)
    engine.train([*rows, *({**row, "prompt": f"? {row['prompt']}"} for row in small_rows(9))], run="r", quest="q",
                 hooks=Notes())  # fmt: skip
    told = engine.take_level_tokens()
    assert set(told) == {("bin", 1), ("bin", 2), ("bin", 3), UNNAMED}
    assert sum(told.values()) == engine.progress.tokens > 0
    assert engine.take_level_tokens() == {}


def test_a_further_quest_of_the_same_content_is_trained_in_the_same_order() -> None:
    losses = []
    for quest in ("3fa9c1d2e4b5", "3fa9c1d2e4b5.2", "other"):
        notes = Notes()
        Engine(small_hero(), settings(), Progress(), None).train(small_rows(50), run="r", quest=quest, hooks=notes)
        losses.append(notes.losses)
    assert losses[0] == losses[1] != losses[2]
