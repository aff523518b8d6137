"""Presets: parts merged in order, limits kept, the spec reproducible."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.config.layers import combine, load
from realm.config.presets import preset_spec, violations
from realm.config.run_spec import RunSpec, campaign_spec, installed_versions, program_commit
from realm.config.schema import RealmSettings
from realm.config.sources import TomlText
from realm.errors import ConfigError, UsageError

SETTINGS = load(env={})


def with_preset(text: str, *, name: str = "mine") -> RealmSettings:
    return combine([TomlText("realm.toml", f"[presets.{name}]\n{text}")], (), {}).settings


def test_every_layer_in_its_order() -> None:
    text = """
[hyperparameters.default]
logging_steps = 2
save_steps = 2
warmup_steps = 2
eval_steps = 2
seed = 2
[heroes.smol.training_defaults]
save_steps = 3
warmup_steps = 3
eval_steps = 3
seed = 3
[training]
warmup_steps = 4
eval_steps = 4
seed = 4
[hyperparameters.set]
eval_steps = 5
seed = 5
[presets.mine]
hero = "smol"
hyperparameters = "set"
seed = 6
"""
    used = preset_spec(combine([TomlText("t", text)], (), {}).settings, "mine", versions={}).hyperparameters
    assert (used.logging_steps, used.save_steps, used.warmup_steps, used.eval_steps, used.seed) == (2, 3, 4, 5, 6)


def test_adapter_settings_beside_a_preset() -> None:
    spec = preset_spec(with_preset('hero = "smol"\nlora = "standard"\nalpha = 99\n'), "mine", versions={})
    assert spec.adapter is not None
    assert (spec.adapter_name, spec.adapter.r, spec.adapter.lora_alpha) == ("standard", 16, 99)


def test_the_heros_own_adapter_unless_the_preset_says_none() -> None:
    assert preset_spec(with_preset('hero = "FLO"\n'), "mine", versions={}).adapter_name == "standard"
    assert preset_spec(with_preset('hero = "FLO"\nadapter = "none"\n'), "mine", versions={}).adapter is None


def test_what_nobody_says_suits_the_hardware() -> None:
    settings = with_preset('hero = "oracle-yaze-expert"\nhardware = "mac-mps"\nlora = "minimal"\n')
    used = preset_spec(settings, "mine", versions={}).hyperparameters
    assert (used.per_device_train_batch_size, used.max_length, used.gradient_accumulation_steps) == (1, 1024, 2)
    assert not used.bf16


def test_a_heros_usual_values_are_fitted_and_what_is_asked_is_not() -> None:
    text = 'hero = "FLO"\nhardware = "mac-mps"\nlora = "minimal"\n'  # FLO: bf16 and gradient checkpointing
    used = preset_spec(with_preset(text), "mine", versions={}).hyperparameters
    assert (used.bf16, used.gradient_checkpointing, used.learning_rate) == (False, False, 1e-4)
    with pytest.raises(ConfigError, match="bfloat16"):
        preset_spec(with_preset(text + "bf16 = true\n"), "mine", versions={})


def test_the_context_window_is_a_limit() -> None:
    with pytest.raises(ConfigError, match="sequence length 4096 is more than hatchling reads: 2048"):
        preset_spec(with_preset('hero = "hatchling"\nsequence_length = 4096\n'), "mine", versions={})


def test_precision_and_checkpointing_limits() -> None:
    asked = 'hero = "hatchling"\nhardware = "mac-mps"\nbf16 = true\ngradient_checkpointing = true\nlora = "minimal"\n'
    with pytest.raises(ConfigError) as error:
        preset_spec(with_preset(asked), "mine", versions={})
    assert [("bfloat16" in one, "checkpointing" in one) for one in error.value.problems] == [
        (True, False),
        (False, True),
    ]


def test_unknown_preset() -> None:
    with pytest.raises(UsageError) as error:
        preset_spec(SETTINGS, "oracle-rauru-mak")
    assert error.value.hint == "Did you mean 'oracle-rauru-mac'?"


@given(
    batch=st.integers(1, 64), length=st.integers(8, 40_000), rank=st.integers(1, 300),
    hardware=st.sampled_from(sorted(SETTINGS.hardware)),
)  # fmt: skip
def test_exactly_the_broken_limits_are_named(batch: int, length: int, rank: int, hardware: str) -> None:
    text = (
        f'hero = "GOU"\nhardware = "{hardware}"\nlora = "minimal"\nr = {rank}\nbatch_size = {batch}\n'
        f"sequence_length = {length}\ngradient_accumulation = 1\n"
    )
    limits = SETTINGS.hardware[hardware]
    broken = (batch > limits.max_batch_size) + (length > limits.max_sequence_length) + (rank > limits.max_lora_rank)
    try:
        spec = preset_spec(with_preset(text), "mine", versions={})
        assert not broken and not list(violations(spec))
    except ConfigError as error:
        assert len(error.problems) == broken


def test_a_spec_goes_through_json_and_keeps_its_hash() -> None:
    for spec in (campaign_spec(SETTINGS, quest="q1"), preset_spec(SETTINGS, "oracle-rauru-cloud", commit="abc")):
        again = RunSpec.from_json(spec.to_json())
        assert again == spec and again.hash == spec.hash


def test_the_hash_is_of_the_configuration_alone() -> None:
    spec = campaign_spec(SETTINGS, quest="one", versions={"torch": "1"}, commit="a")
    assert spec.hash == campaign_spec(SETTINGS, quest="two", versions={"torch": "2"}, commit="b").hash
    assert spec.hash != campaign_spec(load(overrides=["training.seed=1"], env={})).hash


def test_a_damaged_spec_is_told_in_words() -> None:
    with pytest.raises(ConfigError, match="campaign"):
        RunSpec.from_json('{"hero": "x"}')


def test_versions_and_commit_of_this_program() -> None:
    assert {"realm", "python"} <= set(installed_versions())
    commit = program_commit()
    assert commit is None or len(commit) == 40
