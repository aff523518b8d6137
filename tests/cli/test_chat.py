"""`realm chat` and `realm oracle`: one question, a conversation, a trial, opinions that become quests."""

from __future__ import annotations

import io
import json
import shlex

import pytest

from realm.cli import main
from realm.cli.context import Realm
from realm.quests.checks import validate
from tests.cli.test_models import KEY, realm, save

__all__ = ["realm"]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


@pytest.fixture(autouse=True)
def port(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALM_SERVICES__ORACLE_PORT", "1")  # nobody answers there: the command serves by itself


def test_one_question_of_two_models_as_json(realm: Realm, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = save(realm, 10), save(realm, 20, 0.9)
    asked = ("chat", old, "--against", "hatchling:champion", "-p", "one plus one?", "--tokens", "5", "--json")
    assert run(*asked) == 0
    told = json.loads(capsys.readouterr().out)
    assert [a["model"] for a in told["answers"]] == [old, new] and told["prompt"] == "one plus one?"
    assert all(a["usage"]["completion_tokens"] <= 5 and a["seconds"] > 0 for a in told["answers"])
    assert run("chat", "nobody", "-p", "x") == 2
    assert "There is no model 'nobody'" in capsys.readouterr().err
    assert run("chat", "--json") == 2


def test_a_conversation_with_a_trial_and_opinions(
    realm: Realm, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    save(realm, 10)
    typed = ["hello", "/prefer hello to you", "/trial bin 1", "/teach nothing", "/what", "/prefer", "/trial bin 99",
             "again", "/teach good morning", "/send", "/up", "/quit"]  # fmt: skip
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(typed) + "\n"))
    assert run("chat", "--tokens", "6") == 0
    said = capsys.readouterr().out
    assert "BIN level 1:" in said and ("Right." in said or "Wrong:" in said)
    assert "There is no /what here." in said and "levels 1 to 30, not 99" in said and "Which words?" in said
    assert "Sent to the inbox: 1 row for dpo, 2 rows for sft." in said
    files = sorted(path for path in realm.workspace.inbox.iterdir() if path.suffix == ".jsonl")
    reports = [validate(path) for path in files]
    assert all(report.ok for report in reports) and {report.method for report in reports} >= {"dpo", "sft"}
    about = json.loads(files[0].with_name(files[0].name + ".meta.json").read_text())
    assert about["source"] == "chat" and about["answered_by"] == [f"{KEY}@10"] and about["sha256"]


def test_the_names_and_the_command_for_vllm(realm: Realm, capsys: pytest.CaptureFixture[str]) -> None:
    name = save(realm, 10)
    assert run("oracle", "models", "--json") == 0
    assert name in [row["name"] for row in json.loads(capsys.readouterr().out)]
    assert run("oracle", "models") == 0
    assert "hatchling:latest" in capsys.readouterr().out
    assert run("oracle", "command", "hatchling:latest") == 0
    words = shlex.split(capsys.readouterr().out)
    assert words[:2] == ["vllm", "serve"] and words[2].startswith(str(realm.workspace.root)) and name in words
    assert run("oracle", "command", "hatchling:base") == 2
