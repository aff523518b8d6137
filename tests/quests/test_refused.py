"""Rows that are never trained on are counted and said in the report; a file of nothing else is unfit."""

from __future__ import annotations

import json
from pathlib import Path

from realm.guild.passives.guard import holds_canary, without_canaries
from realm.guild.passives.sets import problems
from realm.quests.checks import Validation, validate

LEAK = [{"prompt": f"Solve: {p.prompt}", "completion": p.answer} for p in problems("logic")]
PLAIN = [{"prompt": f"What is {n}?", "completion": "Answer with the number only."} for n in range(20)]


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    file = path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def test_the_report_counts_them(tmp_path: Path) -> None:
    report = validate(written(tmp_path, PLAIN + LEAK), Validation(refused=holds_canary))
    assert report.ok and report.examples == 25
    assert "5 rows hold a canary's question; they are left out of training." in report.notes


def test_a_file_of_canaries_is_unfit(tmp_path: Path) -> None:
    report = validate(written(tmp_path, LEAK), Validation(refused=holds_canary))
    assert not report.ok and "never trained on" in report.reason and report.fix


def test_a_file_without_any_says_nothing_of_them(tmp_path: Path) -> None:
    report = validate(written(tmp_path, PLAIN), Validation(refused=holds_canary))
    assert report.ok and not report.notes


def test_rows_for_training_keep_their_order() -> None:
    mixed = [row for pair in zip(PLAIN, LEAK, strict=False) for row in pair] + PLAIN[5:]
    assert list(without_canaries(mixed)) == PLAIN
