"""Memory: what fits is found by doubling and kept, a shortage divides the batch, and the same batches go on."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from realm.arena.engine import Engine
from realm.arena.fit.batch import find_rows, largest, most_rows
from realm.arena.fit.fit import ROWS, TOKENS, Fit
from realm.arena.fit.memory import begin_peak, is_shortage, peak_bytes, taken_bytes
from realm.arena.fit.remembered import KEPT_PEAKS, Remembered, memory_settings, shape_key
from realm.arena.fit.shortage import run_within_memory
from realm.errors import TrainingError
from realm.records import Progress

from .arena_support import Notes, settings, small_hero, small_rows

CPU = torch.device("cpu")


@given(st.integers(1, 5000), st.integers(1, 1000))
def test_doubling_finds_the_largest_power_of_two_that_fits(room: int, most: int) -> None:
    asked: list[int] = []

    def fits(rows: int) -> bool:
        asked.append(rows)
        return rows <= room

    found = largest(fits, most=most)
    assert found <= min(room, most) < 2 * found
    assert asked == sorted(set(asked)) and len(asked) <= 11


def test_a_single_row_that_does_not_fit_is_left_to_the_run() -> None:
    assert largest(lambda rows: False, most=8) == 1


def test_packed_rows_beyond_a_part_are_not_tried_on_the_cpu() -> None:
    assert most_rows(settings(max_length=256), CPU, None) == 8
    assert most_rows(settings(max_length=256), CPU, 4) == 4
    assert most_rows(settings(max_length=256, packing=False), CPU, None) == 512
    assert most_rows(settings(max_length=4096), CPU, None) == 1


def test_a_limit_of_memory_ends_the_search_and_leaves_no_trace() -> None:
    hero = small_hero()
    chosen = settings(max_length=512, packing=False, per_device_train_batch_size="auto")
    drawn, before = torch.get_rng_state(), [p.detach().clone() for p in hero.model.parameters()]
    wide = find_rows(hero.model, chosen, allowed=32, limit=float("inf"), reserved=0)
    gc.collect()
    if sys.platform == "linux":  # what earlier tests freed and the allocator kept would be room that nobody sees
        ctypes.CDLL(None).malloc_trim(0)
    tight = find_rows(hero.model, chosen, allowed=32, limit=taken_bytes(CPU) + 40e6, reserved=0)
    assert wide == 32 and 1 <= tight < 32
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(p.grad is None for p in hero.model.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, hero.model.parameters(), strict=True))


def test_an_automatic_batch_is_found_once_and_then_remembered(tmp_path: Path) -> None:
    chosen = settings(max_length=256, per_device_train_batch_size="auto")
    remembered = Remembered(tmp_path / "fit.json")
    first = Engine.open(small_hero(), chosen, progress=Progress(), fit=Fit("small", remembered=remembered))
    assert first.settings.per_device_train_batch_size == 8  # 2,048 tokens at once on the CPU
    (key,) = json.loads((tmp_path / "fit.json").read_text())[ROWS]
    assert key == shape_key("small", chosen, "", "cpu")
    remembered.keep(ROWS, key, 2)  # what is written there is believed: nothing is tried again
    second = Engine.open(small_hero(), chosen, progress=Progress(), fit=Fit("small", remembered=remembered))
    assert second.settings.per_device_train_batch_size == 2
    other = Engine.open(small_hero(), chosen, progress=Progress(), fit=Fit("other", remembered=remembered))
    assert other.settings.per_device_train_batch_size == 8


def test_a_runs_peak_is_measured_and_the_highest_one_kept(tmp_path: Path) -> None:
    remembered = Remembered(tmp_path / "fit.json")
    engine = Engine.open(small_hero(), settings(), progress=Progress(), fit=Fit("small", remembered=remembered))
    engine.train(small_rows(20), run="r", quest="a", hooks=Notes())
    (peak,) = remembered.peaks("small", "cpu")
    assert peak["settings"] == memory_settings(settings(), "")
    assert 0.5 * taken_bytes(CPU) < peak["bytes"] < 2 * taken_bytes(CPU)
    remembered.keep_peak("small", "cpu", peak["settings"], 1)
    assert remembered.peaks("small", "cpu") == [peak]
    for length in range(KEPT_PEAKS + 3):
        remembered.keep_peak("small", "cpu", {"max_length": length}, 1)
    assert len(remembered.peaks("small", "cpu")) == KEPT_PEAKS


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"rows": {"k": "8"}, "peaks": {"m on cpu": [1, {}]}}'])
def test_a_file_that_is_damaged_is_an_empty_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "fit.json").write_text(text)
    remembered = Remembered(tmp_path / "fit.json")
    assert remembered.number("rows", "k") is None and remembered.peaks("m", "cpu") == []
    remembered.keep("other", "k", 4)
    assert remembered.number("other", "k") == 4


def test_a_peak_is_seen_and_forgotten() -> None:
    begin_peak(CPU)
    before = peak_bytes(CPU)
    with mmap(-1, 80_000_000, flags=MAP_PRIVATE | MAP_ANONYMOUS) as block:  # fresh pages, of this process alone
        block.write(bytes(80_000_000))
    assert peak_bytes(CPU) - before > 60e6
    begin_peak(CPU)
    assert peak_bytes(CPU) - before < 40e6


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_counts_as_a_shortage(error: Exception, short: bool) -> None:
    assert is_shortage(error) is short


def test_a_real_allocation_that_is_refused_is_a_shortage() -> None:
    with pytest.raises(RuntimeError) as refused:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_shortage(refused.value)


@dataclass
class _Watch:
    updating: bool = False


@dataclass
class _Course:
    """Fails while more than `room` tokens are computed at once."""

    room: int
    tokens: int = 16
    begun: list[int] = field(default_factory=list)

    def run(self, first_step: int, watch: object) -> None:
        self.begun.append(first_step)
        if self.tokens > self.room:
            raise MemoryError

    def lighten(self) -> tuple[int, int] | None:
        before, self.tokens = self.tokens, self.tokens // 2
        return (before, self.tokens) if self.tokens else None


def test_it_divides_until_it_fits_and_says_so_each_time() -> None:
    course, said = _Course(room=4), []
    run_within_memory(course, _Watch(), lambda: 7, lambda before, tokens: said.append((before, tokens)))
    assert said == [(16, 8), (8, 4)] and course.begun == [7, 7, 7]


def test_one_row_that_is_too_much_ends_in_words() -> None:
    with pytest.raises(TrainingError, match="cannot be divided") as ended:
        run_within_memory(_Course(room=0), _Watch(), lambda: 0, lambda before, tokens: None)
    assert "realm estimate" in ended.value.hint


def test_a_shortage_in_the_update_is_not_gone_on_from() -> None:
    with pytest.raises(TrainingError, match="update of the weights"):
        run_within_memory(_Course(room=0), _Watch(updating=True), lambda: 0, lambda before, tokens: None)


def test_other_errors_pass() -> None:
    class Odd(_Course):
        def run(self, first_step: int, watch: object) -> None:
            raise RuntimeError("shapes")

    with pytest.raises(RuntimeError, match="shapes"):
        run_within_memory(Odd(room=0), _Watch(), lambda: 0, lambda before, tokens: None)


@pytest.mark.parametrize("packing", [True, False])
def test_smaller_parts_train_the_same_batches(packing: bool) -> None:
    chosen = settings(per_device_train_batch_size=8, packing=packing, num_train_epochs=2)

    def trained(tokens: int | None) -> tuple[list[int], list[float]]:
        engine, notes = Engine.open(small_hero(), chosen, progress=Progress(), fit=Fit("small")), Notes()
        engine._fit.part_tokens = tokens
        engine.train(small_rows(), run="r", quest="a", hooks=notes)
        return [m.tokens for m in notes.steps], notes.losses

    (whole, losses), (parts, divided) = trained(None), trained(64)
    assert whole == parts
    assert divided == pytest.approx(losses, rel=1e-4)


SHORT = """
import json, resource, sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
import torch
torch.set_num_threads(1)
from realm.arena.engine import Engine
from realm.arena.fit.fit import Fit
from realm.arena.fit.remembered import Remembered
from realm.errors import TrainingError
from realm.records import Progress
from tests.arena.arena_support import Notes, settings, small_hero, small_rows

extra, batch, length = map(int, sys.argv[1:4])
rows = [dict(row, completion=" ok" * length) for row in small_rows(60_000 // length)]
chosen = settings(per_device_train_batch_size=batch, max_length=length, packing=False, eval_fraction=0.0)
fit = Fit("small", remembered=Remembered(Path(sys.argv[4])))
engine = Engine.open(small_hero(), chosen, progress=Progress(), fit=fit)
engine.train(small_rows(20), run="r", quest="before", hooks=Notes())  # libraries load what they need

class Narrow(Notes):
    def request(self):  # first asked when the rows are read and planned
        if extra and not self.steps:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            most = pages * resource.getpagesize() + extra
            resource.setrlimit(resource.RLIMIT_AS, (most, most))

notes = Narrow()
try:
    engine.train(rows, run="r", quest="a", hooks=notes)
except TrainingError as error:
    print(json.dumps(dict(error=error.message)))
else:
    print(json.dumps(dict(losses=notes.losses, tokens=[m.tokens for m in notes.steps], said=notes.lightened)))
"""


def in_short_memory(extra: int, batch: int, file: Path, length: int = 256) -> dict[str, object]:
    """A run in a process of its own, whose address space may grow by `extra` bytes (0: as much as it likes)."""
    script = SHORT.format(tests=str(Path(__file__).parents[2]))
    command = [sys.executable, "-c", script, str(extra), str(batch), str(length), str(file)]
    # Freed tensors go back to the system at once: what an allocator holds back of them would differ from run to run.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900, env=environment)
    assert done.returncode == 0, done.stderr
    told: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.mark.slow
def test_an_allocator_that_refuses_divides_the_batch_and_the_rows_stay_the_same(tmp_path: Path) -> None:
    free = in_short_memory(0, 120, tmp_path / "free.json")
    short = in_short_memory(120_000_000, 120, tmp_path / "short.json")
    assert free["said"] == [] and short["said"]
    assert short["tokens"] == free["tokens"]
    assert short["losses"] == pytest.approx(free["losses"], rel=1e-4)
    said = short["said"]
    assert isinstance(said, list)
    assert all(tokens == before // 2 for _, before, tokens in said)
    (found,) = json.loads((tmp_path / "short.json").read_text())[TOKENS].values()
    assert found == said[-1][2]  # the next run begins there
    again = in_short_memory(120_000_000, 120, tmp_path / "short.json")
    assert again["said"] == [] and again["tokens"] == free["tokens"]


@pytest.mark.slow
def test_memory_for_not_even_one_row_ends_in_words(tmp_path: Path) -> None:
    told = in_short_memory(3_000_000, 2, tmp_path / "fit.json", length=2000)
    assert "Memory ran out" in str(told["error"])
