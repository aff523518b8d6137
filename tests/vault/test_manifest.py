from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.errors import CheckpointError
from realm.vault import manifest
from realm.vault.manifest import FileEntry, Manifest

from .conftest import facts

SIZES = {"model.safetensors": FileEntry(size_bytes=3, sha256="0" * 64)}


def sealed(step: int = 7) -> Manifest:
    return manifest.assemble(facts(step, levels={"bin": 2}), SIZES)


def test_round_trip_through_json() -> None:
    made = sealed()
    again = manifest.decode(manifest.encode(made))
    assert again == made
    assert (again.id, again.step, again.size_bytes) == ("hatchling:first-light@7", 7, 3)
    assert again.progress == facts(7).progress
    assert len(again.configuration_sha256) == 64


def test_says_who_wrote_it() -> None:
    made = sealed()
    assert {"python", "torch", "safetensors"} <= set(made.versions)
    if made.git_commit:  # others may have committed since this process began, so any commit of the clone will do
        git = ["git", "-C", str(Path(__file__).parent), "cat-file", "-t", made.git_commit]
        assert subprocess.run(git, capture_output=True, text=True, check=True).stdout == "commit\n"


def test_unknown_version_is_refused_in_words() -> None:
    body = json.loads(manifest.encode(sealed()))
    with pytest.raises(CheckpointError, match="version 2; this program reads version 1"):
        manifest.decode(json.dumps({**body, "version": 2}).encode())


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_any_changed_bit_is_found(at: int, bit: int) -> None:
    content = bytearray(manifest.encode(sealed()))
    content[at % len(content)] ^= 1 << bit
    try:
        read = manifest.decode(bytes(content))
    except CheckpointError:
        return
    assert read == sealed()  # only white space became other white space


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(CheckpointError):
        manifest.decode(content)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1.0, float("nan")], {"deep": float("-inf")}])
def test_numbers_that_are_not_finite_are_never_sealed(value: object) -> None:
    with pytest.raises(CheckpointError, match=r"metrics\.loss.* not a finite number"):
        manifest.assemble(replace(facts(1), metrics={"loss": value}), SIZES)
