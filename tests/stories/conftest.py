"""Stories really train. The nursery forks hero loops from a process that has imported torch once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from realm.workspace import Workspace

SETTINGS = """
[campaign]
hero = "hatchling"
name = "story"

[heroes.hatchling.idle_generation]
enabled = false

[curriculum]
exam_problems = 12
training_problems = 6
exam_max_new_tokens = 24

[passives]
max_new_tokens = 4

[training]
per_device_train_batch_size = 4
max_length = 128
save_steps = 5
eval_steps = 5
"""


class Nursery:
    """Starts hero loops and waits for them, or kills them."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, home: Path) -> int:
        """Begin a life. Returns its pid."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"home": str(home)}) + "\n")
        self._process.stdin.flush()
        return int(self._line())

    def end(self) -> int:
        """Wait for the life to end. Returns its exit code (negative: the signal that killed it)."""
        return int(self._line())

    def live(self, home: Path) -> int:
        self.start(home)
        return self.end()

    def kill(self, pid: int) -> int:
        """SIGKILL, unless it has ended by itself just now. Returns its exit code."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return self.end()

    def _line(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the nursery ended"
        return line


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("nursery.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
    )
    assert process.stdout and process.stdout.readline() == "ready\n"
    yield Nursery(process)
    assert process.stdin
    process.stdin.close()
    process.wait()
    process.stdout.close()


@pytest.fixture
def home(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "realm")
    workspace.create()
    workspace.settings.write_text(SETTINGS)
    return workspace


def quest_lines(name: str, rows: int) -> str:
    """Rows that differ from one quest to the next."""
    row = '{{"prompt": "{name} {i}?", "completion": "{answer}"}}\n'
    return "".join(row.format(name=name, i=i, answer=i * 7 % 13) for i in range(rows))
