"""What ships: every table loads, every hero and preset resolves, and the numbers of the older catalogue are kept."""

from __future__ import annotations

from importlib import resources

import pytest

from realm.config.estimate import GB, estimate, geometry_of
from realm.config.layers import combine, hyperparameters_for, load
from realm.config.names import canonical
from realm.config.presets import preset_spec
from realm.config.sources import TomlText
from realm.errors import ConfigError, HeroError
from realm.heroes import hero as heroes

SETTINGS = load(env={})


def test_counts() -> None:
    files = [entry.name for entry in (resources.files("realm.config") / "catalog").iterdir()]
    assert sorted(files) == [
        f"{name}.toml" for name in ("adapters", "datasets", "hardware", "heroes", "hyperparameters", "presets")
    ]
    assert (len(SETTINGS.heroes), len(SETTINGS.hardware), len(SETTINGS.adapters)) == (18, 16, 4)
    assert {"default", "quick-test", "production"} <= set(SETTINGS.hyperparameters)


@pytest.mark.parametrize("name", sorted(SETTINGS.heroes))
def test_every_hero_can_be_shown_and_trained(name: str) -> None:
    profile = SETTINGS.heroes[name]
    assert profile.display_name and profile.role and profile.group and profile.parameters_billion
    used = hyperparameters_for(SETTINGS, name)
    assert used.max_length <= profile.context_window
    if profile.prompt_template:
        profile.prompt_template.format(context="", instruction="", input_section="", output="")


def test_every_hero_and_profile_of_the_design_is_there() -> None:
    party = "hatchling smol DIO FLO DRAKE OMO TOMO NEKO GOU DANA KAVI MIRO OJAS ZARA"
    assert set(party.split()) <= set(SETTINGS.heroes)
    profiles = (
        "cpu mac-mps windows-rtx-5060 gpu-8gb gpu-16gb rtx-3090 rtx-4090 cloud-rtx-4090 cloud-a100-40gb a100-80gb "
        "h100-80gb h200"
    )
    assert set(profiles.split()) <= set(SETTINGS.hardware)
    assert any(SETTINGS.hardware[one.hardware].processes > 1 for one in SETTINGS.presets.values() if one.hardware)


def test_a_hero_that_comes_later_is_refused_with_the_reason() -> None:
    later = combine([TomlText("t", '[presets.fire]\nhero = "DRAKE"\n')], (), {}).settings
    with pytest.raises(ConfigError, match="DRAKE comes later: its architecture"):
        preset_spec(later, "fire", versions={})
    with pytest.raises(HeroError, match="DRAKE comes later") as error:
        heroes.load(SETTINGS.heroes["DRAKE"], name="DRAKE")
    assert "realm hero list" in error.value.hint


@pytest.mark.parametrize("name", sorted(SETTINGS.presets))
def test_every_preset_fits_the_memory_of_its_hardware(name: str) -> None:
    spec = preset_spec(SETTINGS, name, versions={})
    geometry = geometry_of(spec.profile, None, {})
    assert geometry and spec.hardware
    assert estimate(spec, geometry).total <= spec.hardware.available_memory_gb * GB


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("mac-mps", ("mps", 20, 1, 1024, True, False, False, 8, 2)),
        ("windows-rtx-5060", ("cuda", 16, 2, 2048, True, True, True, 16, 4)),
        ("cloud-rtx-4090", ("cuda", 24, 4, 4096, True, True, True, 32, 2)),
        ("cloud-a100-40gb", ("cuda", 40, 8, 8192, True, True, True, 64, 1)),
    ],
)
def test_limits_of_the_older_hardware(name: str, limits: tuple[object, ...]) -> None:
    one = SETTINGS.hardware[name]
    assert limits == (
        one.device, one.available_memory_gb, one.max_batch_size, one.max_sequence_length, one.supports_fp16,
        one.supports_bf16, one.supports_gradient_checkpointing, one.max_lora_rank,
        one.recommended_gradient_accumulation,
    )  # fmt: skip


def test_the_older_presets_keep_their_numbers() -> None:
    spec = preset_spec(SETTINGS, "oracle-rauru-windows", versions={})
    used = spec.hyperparameters
    assert (used.learning_rate, used.num_train_epochs, used.warmup_steps, used.save_steps) == (2e-4, 1, 50, 50)
    production = preset_spec(SETTINGS, "oracle-rauru-cloud", versions={}).hyperparameters
    assert (production.num_train_epochs, production.weight_decay, production.eval_steps) == (3, 0.01, 100)


def test_the_catalogue_uses_canonical_names_in_its_tables() -> None:
    for path in (("experts", "x", "role"), ("lora", "x", "r")):
        assert canonical(path)[0] in {"heroes", "adapters"}
