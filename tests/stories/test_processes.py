"""A preset is trained in two processes: one life of a hero, one checkpoint, the steps of the doubled batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from realm.workspace import Workspace

pytestmark = pytest.mark.slow


def test_a_preset_is_trained_in_two_processes(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "sums.jsonl"
    rows = ({"prompt": f"{i} + {i % 7} =", "completion": f" {i + i % 7}"} for i in range(200))
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = str(Path(__file__).parents[2] / "src")
    environment = {**os.environ, "REALM_HOME": str(workspace.root), "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    options = ["hardware.cpu.processes=2", "max_length=64", "per_device_train_batch_size=2", "max_steps=3"]
    command = [sys.executable, "-m", "realm", "train", "hatchling-quick", str(file), *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "hatchling:hatchling-quick@3" in done.stdout
    assert len(list(workspace.checkpoints("hatchling", "hatchling-quick").iterdir())) == 1
    assert [f.name for f in workspace.queue("recently_completed").glob("*.jsonl")]
    assert "was lost" not in done.stderr
