"""Killed with signal 9 at random steps, each kind of training ends in the weights of an undisturbed one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
PROGRAM = Path(__file__).parents[2] / "benchmarks" / "kill_resume.py"


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, Any]]:
    """What the program says of each training with two kills in twelve steps."""
    command = [sys.executable, str(PROGRAM), "--kills", "2", "--steps", "12", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode in (0, 1), done.stderr[-3000:]
    return {one["name"]: one for one in json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.parametrize("name", ["sft", "dpo", "grpo", "lora"])
def test_a_killed_training_ends_in_the_same_weights(told: dict[str, dict[str, Any]], name: str) -> None:
    one = told[name]
    assert one["killed_after"]
    assert one["other_losses"] == 0 and one["largest_difference"] == 0.0 and one["exact"]
