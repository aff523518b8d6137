"""`realm quest ...` and `realm validate`: what a person types and reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from realm.cli import main
from realm.guild.engine import SkillEngine
from realm.guild.passives.sets import problems
from realm.quests import ledger  # noqa: F401 - its tables
from realm.workspace import Workspace


@pytest.fixture(autouse=True)
def home(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALM_HOME", str(workspace.root))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my rows.jsonl"
    path.write_text('{"question": "1+1?", "answer": "2"}\n' * 3)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out + captured.err


def test_the_life_of_a_quest_by_hand(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, "quest", "add", str(file), "--priority", "low")
    assert code == 0 and "3 examples" in out
    assert file.exists(), "it is copied"
    code, out = run(capsys, "quest", "list", "--json")
    (quest,) = json.loads(out)["quests"]
    assert (quest["name"], quest["state"]) == ("my rows.jsonl", "low")
    code, out = run(capsys, "quest", "priority", quest["id"], "high")
    assert code == 0 and "high priority" in out
    code, out = run(capsys, "quest", "show", quest["id"])
    assert "question becomes the prompt" in out and "⟦2⟧" in out
    assert json.loads(run(capsys, "quest", "show", quest["id"], "--json")[1])["report"]["examples"] == 3
    code, out = run(capsys, "quest", "add", str(file))
    assert code == 1 and f"as quest {quest['id']}" in out
    assert run(capsys, "quest", "rm", quest["id"])[0] == 0
    code, out = run(capsys, "quest", "list", "--state", "failed")
    assert "removed" in out
    assert "waits again" in run(capsys, "quest", "retry", quest["id"])[1]


@pytest.mark.parametrize("level", ["quick", "standard"])
def test_rows_with_a_canary_are_counted(file: Path, level: str, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"question": problems("arithmetic")[0].prompt, "answer": "No."}
    file.write_text(file.read_text() + json.dumps(row) + "\n")
    said = run(capsys, "validate", str(file), "--level", level)[1]
    assert "1 rows hold a canary's question" in said, said


def test_mistakes_are_said_with_the_next_step(
    file: Path, tmp_path: Path, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "quest", "list") == (0, "No quests. Drop a .jsonl file into inbox/, or: realm quest add FILE\n")
    code, out = run(capsys, "quest", "show", "nope")
    assert code == 1 and "no quest 'nope'" in out and "realm quest list" in out
    bad = tmp_path / "bad.jsonl"
    bad.write_text('[{"text": "a"}]')
    code, out = run(capsys, "quest", "add", str(bad))
    assert code == 1 and "one JSON array" in out and "jq -c" in out
    assert list(workspace.inbox.glob("*.jsonl*")) == []
    assert run(capsys, "quest", "add", str(file), "--priority", "soon")[0] == 2


def test_validation(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, "validate", str(file), "--level", "quick")
    assert code == 0 and "fit for training (3 examples)" in out
    code, out = run(capsys, "validate", str(tmp_path / "nothing.jsonl"), "--level", "quick", "--json")
    assert code == 1 and "There is no file" in json.loads(out)["reason"]


def test_validation_counts_the_heros_tokens(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = json.loads(run(capsys, "validate", str(file), "--json")[1])
    assert report["tokens"]["sampled"] == 3 and 0 < report["tokens"]["trained_share"] < 1
    assert report["duplicates"] == 2


def test_deep_validation(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(file.read_text() + json.dumps({"question": "same", "answer": "same"}) + "\n")
    code, out = run(capsys, "validate", str(file), "--deep")
    assert code == 0 and "echo: 1 row; line 4" in out and "duplicate: 2 rows" in out
    problem = SkillEngine().generate_eval_batch("bin", 3)[0]
    file.write_text(json.dumps({"question": problem.prompt, "answer": problem.answer}) + "\n")
    code, out = run(capsys, "validate", str(file), "--level", "deep", "--json")
    report = json.loads(out)
    assert code == 1 and report["finding_counts"]["leakage"] == 1 and report["level"] == "deep"
    assert "examination of Binary arithmetic" in report["findings"][0]["message"]


def test_validation_shows_rows_as_the_profile_prepares_them(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REALM_HEROES__HATCHLING__DATA_PROFILE", "regime3")
    assert "<answer>" in run(capsys, "validate", str(file))[1]


def test_a_leaked_question_is_not_queued_where_arrivals_are_checked_deeply(
    file: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = SkillEngine().generate_eval_batch("bin", 3)[0]
    file.write_text(json.dumps({"question": problem.prompt, "answer": problem.answer}) + "\n")
    monkeypatch.setenv("REALM_QUESTS__VALIDATION", "deep")
    code, out = run(capsys, "quest", "add", str(file))
    assert code == 1 and "hold a question of an examination" in out and not list(workspace.inbox.glob("*.jsonl"))
    monkeypatch.setenv("REALM_QUESTS__VALIDATION", "standard")
    assert run(capsys, "quest", "add", str(file))[0] == 0
