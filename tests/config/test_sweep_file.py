"""A sweep's file: its values, and its mistakes with their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from realm.config.layers import combine, load
from realm.config.preset_file import load_preset
from realm.config.sources import TomlText
from realm.config.sweep_file import read_sweep
from realm.config.sweep_preset import preset_of
from realm.errors import ConfigError

GOOD = """
[sweep]
preset = "hatchling-quick"
objective = "bin/1"
trials = 3

[space]
learning_rate = { low = 1e-4, high = 1e-2, log = true }
batch_size = { choices = [1, 2] }
warmup_steps = { low = 0, high = 40, step = 10 }

[set]
max_steps = 5
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "rates.toml"
    file.write_text(text)
    return file


def test_a_good_file(tmp_path: Path) -> None:
    sweep = read_sweep(written(tmp_path, GOOD))
    assert (sweep.name, sweep.sweep.skill_level, sweep.sweep.direction) == ("rates", ("bin", 1), "maximize")
    assert set(sweep.space) == {"learning_rate", "per_device_train_batch_size", "warmup_steps"}, "one spelling each"
    assert sweep.space["warmup_steps"].is_whole and not sweep.space["learning_rate"].is_whole
    words = sweep.overrides({"learning_rate": 0.002, "per_device_train_batch_size": 2})
    used = load_preset("hatchling-quick", words, env={}).spec.hyperparameters
    assert (used.learning_rate, used.per_device_train_batch_size, used.max_steps) == (0.002, 2, 5)


def test_all_mistakes_at_once_with_line_and_nearest_name(tmp_path: Path) -> None:
    text = GOOD.replace("trials", "trails").replace("warmup_steps", "warmup_stepps").replace("low = 1e-4", "low = 1.0")
    file = written(tmp_path, text.replace('"bin/1"', '"bin"'))
    with pytest.raises(ConfigError) as error:
        read_sweep(file)
    said = "\n".join(error.value.problems)
    assert error.value.exit_code == 2
    assert f"{file}, line 5: [sweep] has no key 'trails'. Did you mean 'trials'?" in said
    assert f"{file}, line 10: [space] has no key 'warmup_stepps'. Did you mean 'warmup_steps'?" in said
    assert f"{file}, line 8: space.learning_rate: low = 1.0 is not below high = 0.01." in said
    assert "neither a skill's level (bin/1) nor val_loss" in said


def test_a_name_that_cannot_be_a_campaigns(tmp_path: Path) -> None:
    file = tmp_path / "my rates.toml"
    file.write_text(GOOD)
    with pytest.raises(ConfigError, match="'my rates' cannot be a sweep's name"):
        read_sweep(file)


@pytest.mark.parametrize(
    ("axis", "words"),
    [
        ("{ low = 0.0, high = 1e-2 }", "must be greater than 0"),
        ("{ choices = ['fast'] }", "must be a valid number"),
        ("{ low = 1e-3 }", "needs low and high, or choices"),
        ("{ choices = [1e-3], low = 1e-4 }", "has choices and a range"),
        ("{ low = 1e-4, high = 1e-3, log = true, step = 1e-4 }", "no step"),
    ],
)
def test_values_that_a_setting_would_refuse(tmp_path: Path, axis: str, words: str) -> None:
    text = GOOD.replace("{ low = 1e-4, high = 1e-2, log = true }", axis)
    with pytest.raises(ConfigError, match=words.replace("(", r"\(")):
        read_sweep(written(tmp_path, text))


def test_the_best_values_as_a_preset_that_loads(tmp_path: Path) -> None:
    sweep = read_sweep(written(tmp_path, GOOD))
    text = preset_of(load(env={}), sweep, {"learning_rate": 0.002, "per_device_train_batch_size": 2}).as_string()
    loaded = combine([TomlText("realm.toml", text)], (), {}).settings.presets["rates-best"]
    assert loaded.hero == "hatchling"
    assert loaded.overrides == {"learning_rate": 0.002, "per_device_train_batch_size": 2, "max_steps": 5}
