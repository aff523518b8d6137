"""What a preset trains on: thresholds, splits, marks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.config.schema import DatasetSettings
from realm.errors import QuestError
from realm.presets.source import Source, lines, rows_of_test

qualities = st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=12)


def row(number: int, quality: float | None) -> dict[str, Any]:
    told = {} if quality is None else {"quality": quality}
    return {"prompt": f"say {number}", "completion": str(number), **told}


def written(file: Path, found: list[float | None]) -> Path:
    file.write_text("\n".join(json.dumps(row(number, one)) for number, one in enumerate(found)))  # no last newline
    return file


def good(found: list[float | None], threshold: float) -> list[int]:
    return [number for number, one in enumerate(found) if one is None or one >= threshold]


@given(qualities, qualities, qualities, st.floats(0, 1))
def test_every_good_row_once_and_only_the_validation_rows_marked(
    tmp_path_factory: pytest.TempPathFactory, train: list[float | None], held_out: list[float | None],
    test: list[float | None], threshold: float,
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("data")
    source = Source(
        written(folder / "train.jsonl", train), written(folder / "val.jsonl", held_out),
        written(folder / "test.jsonl", test), DatasetSettings(path=str(folder), quality_threshold=threshold),
    )  # fmt: skip
    assert [one["prompt"] for one in rows_of_test(source, None)] == [f"say {n}" for n in good(test, threshold)]
    if not good(train, threshold):
        with pytest.raises(QuestError, match="holds no row to train on"):
            list(lines(source))
        return
    found = [json.loads(line) for line in lines(source)]
    marked = [one for one in found if one.get("meta", {}).get("split") == "validation"]
    assert [one["prompt"] for one in marked] == [f"say {n}" for n in good(held_out, threshold)]
    assert [one["prompt"] for one in found[: len(found) - len(marked)]] == [f"say {n}" for n in good(train, threshold)]


def test_what_is_no_row_is_left_to_validation(tmp_path: Path) -> None:
    file = tmp_path / "odd.jsonl"
    file.write_bytes(b'{"prompt": "a", "completion": "b"}\n[1]\nnot json\n')
    source = Source(file, validation=file, dataset=DatasetSettings(path=str(tmp_path)))
    assert list(lines(source))[1:3] == [b"[1]\n", b"not json\n"]


def test_a_rows_own_meta_stays(tmp_path: Path) -> None:
    file = tmp_path / "one.jsonl"
    file.write_text('{"prompt": "a", "completion": "b", "meta": {"skill": "bin"}}\n')
    marked = json.loads(list(lines(Source(file, validation=file)))[1])
    assert marked["meta"] == {"skill": "bin", "split": "validation"}
