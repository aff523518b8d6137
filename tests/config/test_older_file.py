"""A file of the older trainer's schema loads as it is, and its presets come out merged or refused in words."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from realm.config.layers import Loaded, load_with_sources
from realm.config.output import dataset_file, good_enough, model_folder, run_metadata
from realm.config.presets import preset_spec
from realm.errors import ConfigError

FILE = Path(__file__).parent / "data" / "training.toml"
WHEN = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load_with_sources(env={}, config_file=FILE)


def test_loads_beside_the_catalogue(loaded: Loaded) -> None:
    assert {"oracle-purah-profiler", "hatchling"} <= set(loaded.settings.heroes)
    assert {"tiny", "wide", "standard"} <= set(loaded.settings.adapters)


def test_unused_keys_are_said_once_with_their_line(loaded: Loaded) -> None:
    said = "\n".join(loaded.notices)
    for key in ("python_path", "logs_dir", "checkpoints_dir"):
        assert said.count(f"'{key}'") == 1
    assert "training.toml, line 35: 'python_path'" in said


def test_short_names_and_inheritance(loaded: Loaded) -> None:
    spec = preset_spec(loaded.settings, "purah-rented", versions={})
    used = spec.hyperparameters
    assert (used.max_length, used.per_device_train_batch_size, used.gradient_accumulation_steps) == (2048, 4, 2)
    assert (used.num_train_epochs, used.learning_rate, used.warmup_steps) == (3, 1e-4, 100)
    assert (used.weight_decay, used.lr_scheduler_type) == (0.01, "linear")  # from default
    assert used.eval_fraction > 0
    assert used.bf16  # nobody says; the card can
    assert spec.retention.keep_newest == 2
    assert spec.adapter is not None and spec.adapter.r == 32


def test_eval_strategy_no_holds_nothing_out(loaded: Loaded) -> None:
    assert preset_spec(loaded.settings, "purah-laptop", versions={}).hyperparameters.eval_fraction == 0


def test_all_violations_at_once_with_the_reason(loaded: Loaded) -> None:
    with pytest.raises(ConfigError) as error:
        preset_spec(loaded.settings, "purah-desk", versions={})
    said = "\n".join(error.value.problems)
    assert len(error.value.problems) == 4
    for part in ("no kernels for this card", "batch size 4", "sequence length 4096", "adapter rank 32"):
        assert part in said
    assert "rented-gpu" in error.value.hint


def test_where_the_model_goes_and_what_it_tells(loaded: Loaded) -> None:
    spec = preset_spec(loaded.settings, "purah-laptop", versions={"realm": "1"}, commit="abc")
    folder = model_folder(spec, loaded.settings.output, Path("unused"), WHEN)
    assert folder.parent == Path("~/models").expanduser()
    assert folder.name == "oracle-oracle-purah-profiler-performance-qwen25-coder-15b-20260102"
    told = run_metadata(spec, loaded.settings.output, samples=504, seconds=90, created=WHEN)
    assert list(told) == ["expert", "model", "training", "hardware", "metadata"]  # and evaluation, where there is one
    assert told["training"] | {"num_samples": 504, "duration_minutes": 1.5, "batch_size": 1} == told["training"]
    assert told["metadata"]["git_commit"] == "abc"


def test_metadata_switches_leave_sections_out(loaded: Loaded) -> None:
    off = load_with_sources(
        env={}, config_file=FILE,
        overrides=[f"output.metadata.{name}=false" for name in loaded.settings.output.metadata.model_dump()],
    ).settings  # fmt: skip
    told = run_metadata(preset_spec(off, "purah-laptop", versions={}), off.output, samples=1, seconds=1, created=WHEN)
    assert set(told) == {"expert", "model", "training", "metadata"}
    assert set(told["training"]) == {"dataset"}
    assert "git_commit" not in told["metadata"]


def test_dataset_files_and_quality(loaded: Loaded) -> None:
    dataset = loaded.settings.datasets["cycles"]
    assert dataset_file(dataset, "val") == Path("~/datasets/cycles_20251222/val.jsonl").expanduser()
    alone = dataset.model_copy(update={"path": "one.jsonl"})
    assert dataset_file(alone, "train") == Path("one.jsonl")
    assert (
        good_enough(dataset, {"quality": 0.6})
        and good_enough(dataset, {})
        and not good_enough(dataset, {"quality": 0.5})
    )
