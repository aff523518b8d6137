"""Two processes over gloo: the curve of one with the doubled batch; a rank that is killed costs no quest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from realm.arena.batches import Part
from realm.arena.crew import Crew
from realm.arena.engine import Engine
from realm.arena.methods import shares
from realm.cli.launch import ENDING, ending, relaunch
from realm.errors import MemoryShortage, TrainingError, UsageError
from realm.records import Progress

from .arena_support import Notes, settings, small_hero, small_rows

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("crew_script.py")


def torchrun(folder: Path, kill_at: int = 0) -> list[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=0"]
    return [*launcher, str(SCRIPT), str(folder), str(kill_at)]


def environment() -> dict[str, str]:
    where = os.pathsep.join([str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": where, "OMP_NUM_THREADS": "1"}


def noted(folder: Path) -> list[list[Any]]:
    """Each step as it was done last: what came after the last seal is done again."""
    lines = map(json.loads, (folder / "losses.jsonl").read_text().splitlines())
    return list({line[0]: line for line in lines}.values())


def test_alone_a_crew_is_nothing() -> None:
    crew = Crew.join({})
    rows = small_rows(3)
    assert (crew.leads, crew.size, shares.ranks()) == (True, 1, 1)
    assert crew.tell("x") == "x" and crew.begin(rows, "r", "q", "") is rows
    notes = Notes()
    assert crew.hooks(notes) is notes
    crew.end()


def test_a_model_that_is_not_wrapped_is_refused() -> None:
    with pytest.raises(TrainingError, match="on its own") as refused:
        next(shares.passes(small_hero().model, []))
    assert "print-launch" in refused.value.hint


@pytest.mark.slow
def test_two_processes_are_one_with_twice_the_batch(tmp_path: Path) -> None:
    done = subprocess.run(torchrun(tmp_path), env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    chosen = settings(per_device_train_batch_size=4, save_steps=3, num_train_epochs=2, ema_decay=0.5)
    engine, notes = Engine.open(small_hero(), chosen, progress=Progress()), Notes()
    engine.train(small_rows(), run="r", quest="a", hooks=notes)
    steps, losses, norms, tokens = zip(*noted(tmp_path), strict=True)
    assert list(steps) == [m.step for m in notes.steps] and list(tokens) == [m.tokens for m in notes.steps]
    assert list(losses) == pytest.approx(notes.losses, rel=1e-3)
    assert list(norms) == pytest.approx([m.grad_norm for m in notes.steps], rel=1e-2)
    for name, weight in torch.load(tmp_path / "weights.pt", weights_only=True).items():
        assert torch.allclose(weight, engine.hero.model.state_dict()[name], atol=1e-2), name


@pytest.mark.slow
def test_a_rank_that_is_killed_is_started_again_from_the_last_seal(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    said: list[str] = []
    whole.mkdir()
    broken.mkdir()
    assert relaunch(torchrun(whole), tries=1, say=said.append, env=environment()) == 0
    assert relaunch(torchrun(broken, kill_at=5), tries=2, say=said.append, env=environment()) == 0
    assert (broken / "killed").exists() and len(said) == 1
    assert noted(broken) == noted(whole)  # the same steps, losses and norms, bit for bit
    ours, theirs = (torch.load(folder / "weights.pt", weights_only=True) for folder in (whole, broken))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_training_that_is_over_is_not_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    note = tmp_path / "note"
    first = [sys.executable, "-c", "raise SystemExit(7)"]
    then = [sys.executable, "-c", f"open({str(note)!r}, 'w').write('1'); raise SystemExit(7)"]
    assert relaunch(first, then, tries=5, say=said.append, is_over=note.exists) == 7
    assert note.exists() and len(said) == 1


def test_the_process_that_leads_notes_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note = tmp_path / "note"
    monkeypatch.setenv(ENDING, str(note))
    with pytest.raises(MemoryShortage), ending():
        raise MemoryShortage("Memory ran out.")
    assert not note.exists()
    with pytest.raises(UsageError), ending():
        raise UsageError("No.")
    assert note.read_text() == "2"


def test_only_methods_that_can_be_shared_train_in_several_processes() -> None:
    engine = Engine.open(small_hero(), settings(), progress=Progress(), crew=Crew(size=1))
    engine._crew = Crew(size=2)
    with pytest.raises(TrainingError, match="dpo trains in one process"):
        engine.train(small_rows(2), run="r", quest="q", hooks=Notes(), method="dpo")
    assert engine.progress == Progress()


def test_a_part_for_nobody_weighs_nothing() -> None:
    idle = shares._idle(collated())
    assert {name: len(idle[name]) for name in ("trained_at", "targets", "weights")} == {
        "trained_at": 0, "targets": 0, "weights": 0,
    }  # fmt: skip


def collated() -> Part:
    ids = torch.zeros(2, 4, dtype=torch.long)
    at = torch.arange(4)
    return {"input_ids": ids, "position_ids": torch.arange(4).expand(2, 4), "trained_at": at, "targets": at}


def test_who_fails_again_and_again_is_given_up(tmp_path: Path) -> None:
    said: list[str] = []
    command = [sys.executable, "-c", f"open({str(tmp_path / 'n')!r}, 'a').write('x'); raise SystemExit(7)"]
    assert relaunch(command, tries=3, say=said.append) == 7
    assert (tmp_path / "n").read_text() == "xxx" and len(said) == 2


def test_a_mistake_in_the_command_is_not_tried_again() -> None:
    said: list[str] = []
    assert relaunch([sys.executable, "-c", "raise SystemExit(2)"], tries=3, say=said.append) == 2
    assert said == []
