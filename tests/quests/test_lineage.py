"""Names: whatever a file is called, what it is stored as is one safe path component that carries its id."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.quests.lineage import is_quest_file, quest_id, safe_stem, stored_id, stored_name


@pytest.mark.parametrize(("name", "stem"), [
    ("../../etc/passwd", "passwd"), ('he said "no".jsonl', "he-said-no"), ("a\nb.jsonl", "a-b"), (".hidden", "hidden"),
    ("..", "quest"), ("", "quest"), ("übung 1.JSONL", "übung-1"), ("x.rejected.jsonl", "x-rejected"),
    ("C:\\data\\rows.json", "rows"), ("$(rm -rf ~).jsonl", "rm--rf"), ("é" * 200, "é" * 40), ("\udcff.jsonl", "quest"),
])  # fmt: skip
def test_stems(name: str, stem: str) -> None:
    assert safe_stem(name) == stem


@given(st.text() | st.binary(max_size=300).map(os.fsdecode), st.integers(1, 30))
def test_stored_names_are_safe_and_carry_the_id(name: str, copy: int) -> None:
    quest = quest_id("0123456789abcdef" * 4, copy)
    stored = stored_name(quest, name)
    assert "/" not in stored and "\0" not in stored and not stored.startswith(".") and len(stored.encode()) < 200
    assert is_quest_file(stored) and stored_id(stored) == quest
    assert stored_id(stored + ".meta.json") is None


def test_foreign_names_carry_no_id() -> None:
    for name in ("mine.jsonl", "0123456789ab.jsonl", "0123456789aX-a.jsonl", "0123456789ab-a.rejected.jsonl", "a.txt"):
        assert stored_id(name) is None
