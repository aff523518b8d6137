"""A preset is trained in two processes: one life of a hero, one checkpoint, the steps of the doubled batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from realm.workspace import Workspace

pytestmark = pytest.mark.slow


OPTIONS = ["hardware.cpu.processes=2", "max_length=64", "per_device_train_batch_size=2", "max_steps=3"]


def trained(workspace: Workspace, file: Path, rows: Iterable[object]) -> subprocess.CompletedProcess[str]:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = str(Path(__file__).parents[2] / "src")
    environment = {**os.environ, "REALM_HOME": str(workspace.root), "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "realm", "train", "hatchling-quick", str(file), *OPTIONS]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=500)


def test_a_preset_is_trained_in_two_processes(workspace: Workspace, tmp_path: Path) -> None:
    rows = ({"prompt": f"{i} + {i % 7} =", "completion": f" {i + i % 7}"} for i in range(200))
    done = trained(workspace, tmp_path / "sums.jsonl", rows)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "hatchling:hatchling-quick@3" in done.stdout
    assert len(list(workspace.checkpoints("hatchling", "hatchling-quick").iterdir())) == 1
    assert [f.name for f in workspace.queue("recently_completed").glob("*.jsonl")]
    assert "was lost" not in done.stderr


def test_rows_of_a_method_that_cannot_be_shared_are_refused_once(workspace: Workspace, tmp_path: Path) -> None:
    rows = ({"prompt": f"{i} + 1 =", "chosen": f" {i + 1}", "rejected": f" {i}"} for i in range(20))
    done = trained(workspace, tmp_path / "pairs.jsonl", rows)
    assert done.returncode == 1, done.stderr[-3000:]
    assert done.stderr.count("Error: The method dpo trains in one process") == 1
    assert "was lost" not in done.stderr
