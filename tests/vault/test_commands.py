"""The vault's commands beyond looking: zones, names, lineage, differences, backups, reset; and what each refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from realm import cli
from realm.cli.context import open_workspace
from realm.config.schema import RetentionSettings
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger
from realm.workspace import Workspace

from .conftest import KEY, facts, writer

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def saved(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Workspace]:
    """Checkpoints at the steps 1 to 3 with weights that move by a tenth each, and a warm zone."""
    monkeypatch.setenv("REALM_HOME", str(workspace.root))
    monkeypatch.setenv("COLUMNS", "200")
    workspace.settings.write_text(f'[storage.warm]\nurl = "{tmp_path / "warm"}"\n[services]\nvault_port = 1\n')
    realm = open_workspace(workspace, checkpoints=True)
    keeper = Keeper(workspace, CheckpointLedger(realm.db, realm.events), realm.events, RetentionSettings(enabled=False))

    def write(step: int) -> Callable[[Path], None]:
        def all_files(folder: Path) -> None:
            writer(step)(folder)
            tensors = {"model.layers.0.w": np.full((2, 3), 1 + step / 10, dtype="f4")}
            (folder / "model.safetensors").write_bytes(save(tensors))

        return all_files

    from dataclasses import replace

    for step in (1, 2, 3):
        made = facts(step, levels={"bin": step})
        keeper.save(KEY, write(step), replace(made, parent=f"{KEY}@{step - 1}" if step > 1 else ""))
    keeper.ledger.examined(f"{KEY}@2", 0.9, {"n": 100})
    yield workspace
    realm.db.close()


@pytest.fixture
def run(saved: Workspace, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(list(arguments))
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out + output.err

    return call


def as_json(run: Run, *arguments: str) -> Any:
    code, text = run(*arguments, "--json")
    assert code == 0, text
    return json.loads(text)


def states(run: Run) -> list[str]:
    return [row["state"] for row in as_json(run, "vault", "ls", "--all")]


def test_there_and_back_again(run: Run) -> None:
    assert "A copy of" in run("vault", "push", "1")[1]
    assert run("vault", "verify", "--zone", "warm")[1] == f"{KEY}@1: whole\n"
    assert run("vault", "move", "1", "--to", "warm")[0] == 0 and states(run) == ["present", "present", "stored"]
    assert [row["checkpoints"] for row in as_json(run, "vault", "zones")["zones"]] == [2, 1]
    assert "in warm" in run("vault", "show", "1")[1]
    assert [place["zone"] for place in as_json(run, "vault", "locate", f"{KEY}@1")] == ["warm"]
    assert run("vault", "fetch", "1")[0] == 0 and states(run) == ["present"] * 3
    assert run("vault", "rm", "1", "--zone", "warm", "--yes")[0] == 0
    assert run("vault", "rm", "1", "--yes")[0] == 0 and states(run) == ["present", "present", "dropped"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["push", "1", "--to", "nowhere"], 2, "no zone 'nowhere'"),
        (["move", "3", "--to", "warm"], 1, "is the newest"),
        (["rm", "3", "--yes"], 1, "is the newest"),
        (["rm", "1", "--zone", "cold", "--yes"], 1, "no copy of"),
        (["fetch", "1", "--from", "http://127.0.0.1:1"], 1, "does not answer"),
        (["fetch", "../../x"], 2, "names no checkpoint"),
        (["name", "1", "a/b"], 2, "cannot be a version's name"),
        (["unname", "x"], 2, "no version 'x'"),
        (["promote", "1"], 1, "never examined"),
        (["locate", "nothing"], 2, "no asset 'nothing'"),
        (["assets", "--kind", "datset"], 2, "dataset"),
        (["restore", "nothing", "--yes"], 2, "no backup 'nothing'"),
        (["restore", "../x", "--yes"], 2, "cannot be a name"),
        (["verify", "--zone", "mars"], 2, "no zone 'mars'"),
    ],
)
def test_what_cannot_be_is_said_with_the_next_step(run: Run, arguments: list[str], code: int, told: str) -> None:
    found, text = run("vault", *arguments)
    assert (found, told in text, "Next:" in text) == (code, True, True), text


def test_names_and_promotion(run: Run) -> None:
    assert run("vault", "name", "1", "v1", "--note", "the first")[0] == 0
    assert run("vault", "name", "2", "v1")[0] == 2  # it is another one's
    assert as_json(run, "vault", "versions")[0]["note"] == "the first"
    assert f"{KEY}@1" in run("vault", "show", "v1")[1]
    assert run("vault", "promote", "2", "--reason", "because")[0] == 0
    assert run("vault", "unname", "v1")[0] == 0 and as_json(run, "vault", "versions") == []


def test_lineage_and_differences(run: Run) -> None:
    lineage = as_json(run, "vault", "lineage", "3")
    assert [each["step"] for each in lineage["back"]] == [3, 2, 1]
    assert "began with first weights" in run("vault", "lineage", "3")[1]
    assert f"trained on as {KEY}@3" in run("vault", "lineage", "2")[1]
    found = as_json(run, "vault", "diff", "1", "3")
    assert found["steps"] == 2 and found["tokens"] == 200 and found["quests"] == ["ab" * 32] * 2
    assert found["levels"] == [{"name": "bin", "before": 1, "after": 3}]
    assert found["drift"]["whole"]["relative"] == pytest.approx(0.2 / 1.1, rel=1e-5)
    text = run("vault", "diff", "1", "3")[1]
    assert "layer 0" in text and "18.182%" in text and "model.safetensors" in text
    assert as_json(run, "vault", "diff", "3", "1", "--no-weights")["quests"] is None
    [layer] = as_json(run, "vault", "layers", "2")
    assert layer["mean"] == pytest.approx(1.2, rel=1e-6) and layer["shape"] == [2, 3]


def test_scan_and_assets(run: Run, saved: Workspace) -> None:
    (saved.queue("low") / "poems.jsonl").write_text("{}\n")
    assert as_json(run, "vault", "scan")["found"] == ["dataset:poems.jsonl"]
    assert as_json(run, "vault", "assets", "--kind", "dataset")[0]["locations"][0]["state"] == "verified"
    assert "poems.jsonl" in run("vault", "locate", "dataset:poems.jsonl")[1]


def test_reset_and_restore(run: Run, saved: Workspace) -> None:
    planned = as_json(run, "reset", "--level", "campaign", "--dry-run")
    assert planned["rows"] > 3 and planned["size_bytes"] > 0 and states(run) == ["present"] * 3
    with saved.hold("hero"):
        code, text = run("reset", "--level", "campaign", "--yes")
        assert code == 1 and "in use" in text
    made = as_json(run, "reset", "--level", "campaign", "--yes")
    assert states(run) == [] and list(saved.checkpoints(KEY.hero, KEY.campaign).parent.glob("checkpoints")) == []
    assert made["backup"] in run("vault", "backups", "--verify")[1]
    assert run("vault", "restore", made["backup"], "--yes")[0] == 0
    assert states(run) == ["present"] * 3 and run("vault", "verify")[0] == 0
    assert as_json(run, "reset", "--level", "workspace", "--yes")["campaigns"] == [str(KEY)]
    assert run("reset", "--level", "galaxy")[0] == 2


def test_a_backup_by_hand(run: Run) -> None:
    assert "verified" in run("vault", "backup", "--reason", "before the poems")[1]
    [made] = as_json(run, "vault", "backups")
    assert made["reason"] == "before the poems"
    assert run("vault", "backups", "--rm", made["name"], "--yes")[0] == 0 and as_json(run, "vault", "backups") == []
