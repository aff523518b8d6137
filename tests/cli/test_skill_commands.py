"""`realm skill`, as a person calls it."""

from __future__ import annotations

import json

import pytest

from realm.cli import main


def realm(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def test_all_installed_skills_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert realm("skill", "list", "--json") == 0
    rows = {row["id"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["sy"]["name"], rows["sy"]["levels"], rows["bin"]["levels"]) == ("Syllacrostics", 50, 30)
    assert realm("skill", "list") == 0
    assert "Syllacrostics" in capsys.readouterr().out


def test_puzzles_are_shown_with_their_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert realm("skill", "sample", "sy", "--level", "3", "--count", "2", "--json") == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first["prompt"].startswith("Find 5 words") and first["answer"] != second["answer"]


def test_a_level_that_is_not_there_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert realm("skill", "sample", "sy", "--level", "51") != 0
    assert "SY has no level 51" in capsys.readouterr().err
