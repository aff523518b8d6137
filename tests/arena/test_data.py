from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from realm.arena import data
from realm.arena.data import is_held_out, only_measured, read


@dataclass
class Fake:
    token_ids: list[int]
    trained: list[bool]


def render(rows: Any) -> list[Fake]:
    return [Fake(list(range(row["n"])), [i >= row.get("from", 1) for i in range(row["n"])]) for row in rows]


def test_examples_lie_end_to_end() -> None:
    reading = read([{"n": 3}, {"n": 2}], render, max_length=8)
    assert reading.train.tokens.tolist() == [0, 1, 2, 0, 1]
    assert reading.train.trained.tolist() == [False, True, True, False, True]
    assert reading.train.offsets.tolist() == [0, 3, 5]
    assert reading.train.tokens.dtype == np.int32


def test_long_rows_are_cut_and_counted_and_rows_without_an_answer_left_out() -> None:
    reading = read([{"n": 10}, {"n": 10, "from": 8}, {"n": 4}, {"n": 1, "from": 0}], render, max_length=8)
    assert (reading.truncated, reading.untrained) == (2, 2)
    assert reading.train.lengths.tolist() == [8, 4]


def test_the_held_out_slice_follows_from_the_content_alone() -> None:
    rows = [{"n": 3, "id": i, "meta": {"seed": i}} for i in range(500)]
    reading = read(rows, render, max_length=8, eval_fraction=0.1)
    assert 25 < len(reading.held_out) < 80
    assert len(reading.train) + len(reading.held_out) == 500
    again = [{**row, "meta": "other"} for row in reversed(rows)]
    assert [is_held_out(r, 0.1) for r in rows] == [is_held_out(r, 0.1) for r in again][::-1]


def test_the_held_out_slice_is_capped_and_what_is_beyond_is_not_trained() -> None:
    rows = [{"n": 3, "id": i} for i in range(500)]
    all_of_it = read(rows, render, max_length=8, eval_fraction=0.1)
    capped = read(rows, render, max_length=8, eval_fraction=0.1, held_out_tokens=6)
    assert len(capped.held_out) == 2
    assert len(capped.train) == len(all_of_it.train)


def test_a_quest_that_would_be_held_out_whole_is_trained() -> None:
    row = next({"n": 3, "id": i} for i in range(1000) if is_held_out({"n": 3, "id": i}, 0.1))
    reading = read([row], render, max_length=8, eval_fraction=0.1)
    assert (len(reading.train), len(reading.held_out)) == (1, 0)


def test_a_large_quest_moves_to_a_file_and_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"n": 3 + i % 5} for i in range(200)]
    small = read(rows, render, max_length=8)
    monkeypatch.setattr(data, "TOKENS_IN_MEMORY", 50)
    large = read(rows, render, max_length=8)
    assert isinstance(large.train.tokens, np.memmap)
    assert (large.train.tokens == small.train.tokens).all()
    assert (large.train.trained == small.train.trained).all()


def test_rows_that_say_so_are_held_out_all_of_them_and_never_trained() -> None:
    marked = [{"n": 3, "id": i, "meta": {"split": "validation"}} for i in range(30)]
    reading = read([*({"n": 3, "id": -i} for i in range(10)), *marked], render, max_length=8, held_out_tokens=4)
    assert (len(reading.train), len(reading.held_out)) == (10, 30)
    alone = read(marked, render, max_length=8)
    assert (len(alone.train), len(alone.held_out)) == (0, 30), "not even where there is nothing else"


def test_rows_to_measure_follow_one_to_train_on() -> None:
    reading = read(only_measured({"n": 3, "id": i} for i in range(5)), render, max_length=8)
    assert (len(reading.train), len(reading.held_out)) == (1, 5)
