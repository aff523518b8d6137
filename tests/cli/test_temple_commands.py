"""`realm temple`, `realm verdict`, `realm autopsy`: words, JSON and exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from realm.cli import main
from realm.cli.context import open_workspace
from realm.workspace import Workspace
from tests.temple.small_realm import SmallRealm


@pytest.fixture
def small(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallRealm]:
    monkeypatch.setenv("REALM_HOME", str(workspace.root))
    opened = open_workspace(workspace)
    yield SmallRealm(workspace, opened.db, opened.settings)
    opened.db.close()


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    out, err = capsys.readouterr()
    code = ended.value.code
    return (0 if code is None else int(code)), out, err


def test_the_list_names_every_group_and_check(small: SmallRealm, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "temple", "--list")
    assert code == 0 and "checkpoint (critical): files complete" in out and "loss-spikes" in out
    code, out, _ = run(capsys, "temple", "hardware", "--list", "--json")
    assert {row["group"] for row in json.loads(out)} == {"hardware"}


def test_a_group_that_is_well_ends_with_0(small: SmallRealm, capsys: pytest.CaptureFixture[str]) -> None:
    small.healthy()
    code, out, _ = run(capsys, "temple", "evaluation")
    assert code == 0 and "problems: 100 problems of bin level 1" in out
    code, out, _ = run(capsys, "temple", "evaluation", "--json")
    found = json.loads(out)
    assert code == 0 and found["groups"] == {"evaluation": "ok"} and len(found["findings"]) == 4


@pytest.mark.slow
def test_a_failed_critical_group_ends_with_2_and_another_with_1(
    small: SmallRealm, capsys: pytest.CaptureFixture[str]
) -> None:
    small.healthy()
    small.checkpoint(70, weights=(float("nan"),))
    code, out, _ = run(capsys, "temple", "checkpoint")
    assert code == 2 and "1 numbers of model.layers.0.weight are not finite" in out
    code, out, _ = run(capsys, "temple", "evaluation")
    assert code == 1 and "FAIL  examined" in out and "realm start-all" in out


def test_an_unknown_group_is_a_wrong_command(small: SmallRealm, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "temple", "hardwear")
    assert code == 2 and "Did you mean 'hardware'?" in err


def test_a_verdict_is_one_page(small: SmallRealm, capsys: pytest.CaptureFixture[str]) -> None:
    small.healthy()
    code, out, _ = run(capsys, "verdict")
    assert code == 0, out
    assert "promote: bin level 1 rose from 0% to 60% (60 problems won, 0 lost" in out
    assert "60% of 100 [50%, 69%]" in out and "the champion's gate is met" in out and "canaries logic: 18 -> 18" in out
    code, out, _ = run(capsys, "verdict", "run-1", "--json")
    assert code == 0 and json.loads(out)["recommendation"] == "promote"


def test_a_gate_that_is_not_met_ends_with_2(small: SmallRealm, capsys: pytest.CaptureFixture[str]) -> None:
    small.healthy()
    small.train(60, 90, run="run-2")
    small.checkpoint(90, run="run-2")
    small.examine(90, "1" * 20 + "0" * 80)
    code, out, _ = run(capsys, "verdict", "run-2")
    assert code == 2 and "roll back: bin level 1 fell from 60% to 20%" in out and "gate is not met" in out
    code, out, _ = run(capsys, "verdict", "run-2", "--roll-back")
    assert code == 0 and "goes on from hatchling:first-light@60 when the hero wakes" in out
    assert small.workspace.request_text("roll-back") == "hatchling:first-light@60"
    code, out, _ = run(capsys, "verdict", "run-2", "--promote", "--because", "it rhymes")
    assert code == 0 and "hatchling:first-light@90 is champion" in out
    code, out, _ = run(capsys, "verdict", "run-2")
    assert code == 2 and "a person decided: promote hatchling:first-light@90. it rhymes" in out


def test_what_cannot_be_is_said(small: SmallRealm, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "verdict")
    assert code == 2 and "has had no run yet" in err and "realm play" in err
    code, _, err = run(capsys, "verdict", "--promote", "--roll-back")
    assert code == 2 and "not both" in err


def test_an_autopsy(small: SmallRealm, capsys: pytest.CaptureFixture[str]) -> None:
    small.train(0, 60, run="run-1", losses=lambda step: 8.0 if step == 40 else 0.5, fails="The loss became nan")
    code, out, _ = run(capsys, "autopsy")
    assert code == 0 and "BAD   end: It failed at step 60" in out and "1 loss spikes" in out
    code, out, _ = run(capsys, "autopsy", "--json")
    assert json.loads(out)["rows"] is None and json.loads(out)["run"] == "run-1"
    code, _, err = run(capsys, "autopsy", "--step", "3")
    assert code == 2 and "its rows with it" in err
