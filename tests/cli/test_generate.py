"""`realm generate`: rows to train on, or prompts to be rewarded for; nothing half-written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from realm.cli import main
from realm.guild.engine import SkillEngine
from realm.guild.rewards import Rewards
from realm.quests.checks import Validation, validate


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["generate", *arguments])
    return int(ended.value.code or 0)


def test_prompts_alone_are_a_quest_for_rewards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bin.jsonl"
    assert run("--skill", "bin", "--level", "2", "--count", "30", "--prompts-only", "--out", str(file)) == 0
    assert "realm quest add" in capsys.readouterr().out
    report = validate(file, Validation(ungradable=Rewards(SkillEngine()).why_not))
    assert report.ok and (report.shape, report.method, report.examples) == ("prompt-only", "grpo", 30)


def test_with_answers_they_are_a_quest_for_fine_tuning(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--skill", "sy", "--count", "3") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 3 and all({"prompt", "completion", "skill", "level"} <= row.keys() for row in rows)


def test_the_same_seed_prints_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for seed in ("a", "a", "b"):
        run("--skill", "bin", "--count", "5", "--seed", seed)
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(("arguments", "words"), [
    (("--skill", "bni"), "bin"), (("--skill", "bin", "--level", "99"), "has no level 99"),
])  # fmt: skip
def test_mistakes_are_said_with_the_next_step(
    arguments: tuple[str, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.jsonl"
    assert run(*arguments, "--out", str(file)) == 2
    said = capsys.readouterr().err
    assert words in said and "Next:" in said and not file.exists()


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text("mine")
    assert run("--skill", "bin", "--out", str(file)) == 2
    assert "is there already" in capsys.readouterr().err and file.read_text() == "mine"
