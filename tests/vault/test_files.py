from __future__ import annotations

import os
import shutil
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.errors import CheckpointError, DiskFull
from realm.vault import files

from .conftest import FILES, facts, writer

NAME = "checkpoint-7-20260102-0304"


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoints" / NAME
    files.seal(folder, writer(7), facts(7))
    return folder


def test_sealed_is_verified(sealed: Path) -> None:
    made = files.verify(sealed)
    assert set(made.files) == set(FILES)
    assert made.step == 7
    assert [p.name for p in sealed.parent.iterdir()] == [NAME]


def test_files_in_folders_are_sealed_too(tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        (folder / "adapter").mkdir()
        (folder / "adapter" / "adapter_model.safetensors").write_bytes(b"x")

    assert set(files.seal(tmp_path / NAME, write, facts(7)).files) == {"adapter/adapter_model.safetensors"}
    assert files.verify(tmp_path / NAME).size_bytes == 1


def test_name() -> None:
    assert files.name(9000, datetime(2026, 1, 2, 3, 4)) == "checkpoint-9000-20260102-0304"


@given(st.lists(st.integers(0, 10**7), unique=True))
def test_names_sort_by_step_as_a_number(steps: list[int]) -> None:
    paths = [Path(files.name(step, datetime(2026, 1, 2, 3, 4))) for step in steps]
    ordered = sorted(paths, key=lambda path: files.order(path) or (0, ""))
    assert [int(p.name.split("-")[1]) for p in ordered] == sorted(steps)


@pytest.mark.parametrize("name", ["checkpoint-7", "checkpoint-x-20260102-0304", "current_model", f".{NAME}.partial"])
def test_other_names_are_no_checkpoints(name: str) -> None:
    assert files.order(Path(name)) is None


@pytest.mark.parametrize("victim", [*FILES, "realm.json"])
class TestDamage:
    """Each file in turn, in each way that was seen or can be thought of."""

    def test_truncated(self, sealed: Path, victim: str) -> None:
        content = (sealed / victim).read_bytes()
        (sealed / victim).write_bytes(content[:-1])
        self.refused(sealed, victim)

    def test_emptied(self, sealed: Path, victim: str) -> None:
        (sealed / victim).write_bytes(b"")
        self.refused(sealed, victim)

    def test_one_bit(self, sealed: Path, victim: str) -> None:
        content = bytearray((sealed / victim).read_bytes())
        content[len(content) // 2] ^= 1
        (sealed / victim).write_bytes(content)
        self.refused(sealed, victim)

    def test_removed(self, sealed: Path, victim: str) -> None:
        (sealed / victim).unlink()
        self.refused(sealed, victim)

    def test_replaced_by_a_link(self, sealed: Path, victim: str) -> None:
        os.rename(sealed / victim, sealed.parent / "elsewhere")
        (sealed / victim).symlink_to(sealed.parent / "elsewhere")
        self.refused(sealed, victim)

    def refused(self, folder: Path, victim: str) -> None:
        with pytest.raises(CheckpointError, match=victim):
            files.verify(folder)


@pytest.mark.parametrize(
    "extra", ["training_args.bin", "pytorch_model.bin", "x.pkl", "modeling.py", "sub/optimizer.pt"]
)
def test_added_code_is_refused(sealed: Path, extra: str) -> None:
    (sealed / extra).parent.mkdir(exist_ok=True)
    (sealed / extra).write_bytes(b"\x80\x04.")
    with pytest.raises(CheckpointError, match=f"{extra} was added after sealing and can run code"):
        files.verify(sealed)


def test_added_weights_are_refused(sealed: Path) -> None:
    (sealed / "model-00001-of-00002.safetensors").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="added after sealing"):
        files.verify(sealed)


@pytest.mark.parametrize("extra", [".DS_Store", "README.md"])
def test_what_is_never_loaded_may_be_added(sealed: Path, extra: str) -> None:
    (sealed / extra).write_text("note")
    assert files.verify(sealed).step == 7


def test_a_pipe_is_refused_without_waiting_on_it(sealed: Path) -> None:
    os.mkfifo(sealed / "model-2.safetensors")
    with pytest.raises(CheckpointError, match="a link or a device"):
        files.verify(sealed)


def test_a_link_to_a_checkpoint_is_no_checkpoint(sealed: Path) -> None:
    link = sealed.parent / "checkpoint-8-20260102-0304"
    link.symlink_to(sealed)
    with pytest.raises(CheckpointError, match="is no folder"):
        files.verify(link)


def test_code_is_never_sealed(tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        (folder / "training_args.bin").write_bytes(b"x")

    with pytest.raises(CheckpointError, match=r"training_args\.bin can run code"):
        files.seal(tmp_path / NAME, write, facts(7))
    assert list(tmp_path.iterdir()) == []


def test_nothing_written_is_not_sealed(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nothing to seal"):
        files.seal(tmp_path / NAME, lambda _: None, facts(7))
    assert list(tmp_path.iterdir()) == []


def test_sealed_is_never_overwritten(sealed: Path) -> None:
    with pytest.raises(CheckpointError, match="exists already"):
        files.seal(sealed, writer(8), facts(8))
    assert files.verify(sealed).step == 7


def test_full_disk_in_words_and_nothing_left(tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        writer(7)(folder)
        with open("/dev/full", "wb", buffering=0) as device:
            device.write(b"x")

    with pytest.raises(DiskFull, match=r"checkpoint-7.* was not saved"):
        files.seal(tmp_path / NAME, write, facts(7))
    assert list(tmp_path.iterdir()) == []


def test_full_disk_as_a_library_says_it(tmp_path: Path) -> None:
    """The words of safetensors, which is written in Rust."""

    def write(folder: Path) -> None:
        writer(7)(folder)
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")

    with pytest.raises(DiskFull):
        files.seal(tmp_path / NAME, write, facts(7))


@pytest.mark.parametrize("step", ["made", "written", "synced", "renamed", "manifest written"])
def test_an_error_at_any_step_leaves_nothing(tmp_path: Path, step: str) -> None:
    def at(reached: str) -> None:
        if reached == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.seal(tmp_path / NAME, writer(7), facts(7), at=at)
    assert list(tmp_path.iterdir()) == []


def test_sweep_removes_only_what_was_never_sealed(sealed: Path) -> None:
    parent = sealed.parent
    unsealed, partial = parent / "checkpoint-9-20260102-0304", parent / ".checkpoint-9-20260102-0305.partial"
    for folder in (unsealed, partial, parent / "my-notes", parent / "checkpoint-9"):
        shutil.copytree(sealed, folder)
        (folder / "realm.json").unlink()
    assert set(files.sweep(parent)) == {unsealed, partial}
    assert {p.name for p in parent.iterdir()} == {NAME, "my-notes", "checkpoint-9"}
    assert files.sweep(parent / "absent") == []


def test_drop_is_whole(sealed: Path) -> None:
    files.drop(sealed)
    files.drop(sealed)
    assert list(sealed.parent.iterdir()) == []
