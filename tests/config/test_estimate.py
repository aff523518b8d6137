"""The memory estimate: counts agree with real models, changes that save do save."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from realm.config.estimate import (
    BUILT_IN,
    GB,
    cheaper,
    estimate,
    from_config,
    from_size,
    geometry_of,
    size_in_name,
    state_bytes,
)
from realm.config.layers import load
from realm.config.presets import preset_spec

SETTINGS = load(env={})


def test_full_training_takes_weights_gradients_and_what_its_optimizer_keeps() -> None:
    geometry = BUILT_IN["hatchling"]
    spec = preset_spec(SETTINGS, "hatchling-quick", versions={})
    memory = estimate(spec, geometry)
    assert spec.hyperparameters.optim == "muon"
    assert memory.weights + memory.gradients + memory.optimizer == (8 + state_bytes("muon")) * geometry.parameters
    assert memory.total == pytest.approx(sum(v for k, v in memory.as_json().items() if k in _PARTS), abs=5)


_PARTS = {f"{part}_bytes" for part in ("weights", "gradients", "optimizer", "activations", "runtime")}


def test_an_adapter_trains_little() -> None:
    spec = preset_spec(SETTINGS, "oracle-rauru-mac", versions={})
    geometry = geometry_of(spec.profile, None, {})
    assert geometry is not None and "guessed" in geometry.source
    memory = estimate(spec, geometry)
    assert memory.trained_parameters < 0.01 * geometry.parameters
    assert memory.optimizer == 8 * memory.trained_parameters


def test_adapter_parameters_by_hand() -> None:
    spec = preset_spec(SETTINGS, "oracle-rauru-mac", versions={})  # rank 8 on q, k, v, o
    geometry = BUILT_IN["smol"]
    by_hand = 30 * 8 * ((576 + 576) + 2 * (576 + 192) + (576 + 576))
    assert spec.adapter is not None and geometry.adapter_parameters(spec.adapter) == by_hand


def test_a_config_file_at_hand_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "Qwen2.5-Coder-1.5B"
    folder.mkdir(parents=True)
    told = {
        "hidden_size": 1536, "num_hidden_layers": 28, "intermediate_size": 8960, "vocab_size": 151936,
        "num_attention_heads": 12, "num_key_value_heads": 2, "tie_word_embeddings": True,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(told))
    profile = SETTINGS.heroes["oracle-rauru-assembler"]
    geometry = geometry_of(profile, tmp_path / "models", {})
    assert geometry is not None and geometry.source == str(folder / "config.json")
    assert geometry.parameters == pytest.approx(1.54e9, rel=0.01)


def test_the_hubs_cache_is_looked_at(tmp_path: Path) -> None:
    snapshot = tmp_path / "hub" / "models--Qwen--Qwen3-0.6B" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    assert geometry_of(SETTINGS.heroes["DIO"], None, {"HF_HOME": str(tmp_path)}) is None  # found, and of another kind


@pytest.mark.parametrize("text", ["{}", "[]", "no json", '{"hidden_size": "x", "num_attention_heads": 2}'])
def test_an_odd_config_file_gives_no_shape(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert from_config(tmp_path / "config.json") is None


def test_a_guessed_shape_has_about_its_size() -> None:
    for parameters in (0.5e9, 1.5e9, 8e9, 70e9):
        shape = from_size(parameters)
        assert 12 * shape.layers * shape.hidden**2 == pytest.approx(parameters, rel=0.15)


def test_the_cheapest_change_fits() -> None:
    spec = preset_spec(SETTINGS, "oracle-rauru-cloud", versions={})
    geometry = geometry_of(spec.profile, None, {})
    assert geometry is not None
    assert cheaper(spec, geometry, estimate(spec, geometry).total - 1) == "batch_size=1 gradient_accumulation=8"
    assert cheaper(spec, geometry, 10 * GB) == "batch_size=1 gradient_accumulation=8"
    assert cheaper(spec, geometry, 1 * GB) is None


@pytest.mark.parametrize("name", ["hatchling", pytest.param("smol", marks=pytest.mark.slow)])
def test_built_in_shapes_are_those_of_the_models(name: str) -> None:
    from realm.heroes.hero import load as load_hero

    hero = load_hero(name)
    assert BUILT_IN[name].parameters == pytest.approx(hero.model.num_parameters(), rel=0.01)
    config = hero.model.config
    assert (config.num_hidden_layers, config.hidden_size, config.vocab_size) == (
        BUILT_IN[name].layers, BUILT_IN[name].hidden, BUILT_IN[name].vocabulary,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("Qwen/Qwen2.5-Coder-1.5B", 1.5),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", 0.135),
        ("Qwen/Qwen3-4B-Instruct-2507", 4),
        ("mistralai/Mistral-7B-v0.3", 7),
        ("microsoft/Phi-3.5-mini-instruct", None),
        ("./my-model", None),
    ],
)
def test_size_out_of_a_name(name: str, billions: float | None) -> None:
    assert size_in_name(name) == billions
