"""Ways to train on a card of 24 GB: each is estimated near its figure, and within the card."""

from __future__ import annotations

import pytest

from realm.config.estimate import GB, NF4_BYTES, Geometry, MemoryEstimate, estimate
from realm.config.layers import load
from realm.config.presets import preset_spec

# the published configurations
QWEN3_4B = Geometry(2560, 36, 9728, 151_936, 4096, 1024, True, "Qwen3-4B's published shape")
QWEN3_17B = Geometry(2048, 28, 6144, 151_936, 2048, 1024, True, "Qwen3-1.7B's published shape")
SETTINGS = load(env={})


def needed(preset: str, geometry: Geometry) -> MemoryEstimate:
    return estimate(preset_spec(SETTINGS, preset, versions={}), geometry)


@pytest.mark.parametrize(
    ("preset", "geometry", "gigabytes"),
    [
        ("flo-24gb-qlora", QWEN3_4B, 6),
        ("flo-24gb-lora", QWEN3_4B, 11),
        ("tomo-24gb-galore", QWEN3_17B, 18),
        ("tomo-24gb-full-8bit", QWEN3_17B, 20),
    ],
)
def test_memory_on_a_card_of_24_gb(preset: str, geometry: Geometry, gigabytes: float) -> None:
    assert needed(preset, geometry).total / GB == pytest.approx(gigabytes, rel=0.1)


def test_every_preset_for_24_gb_is_named_here() -> None:
    named = {"flo-24gb-qlora", "flo-24gb-lora", "tomo-24gb-galore", "tomo-24gb-full-8bit"}
    assert {name for name in SETTINGS.presets if "-24gb-" in name} == named


def test_a_base_in_fewer_bits_is_counted_as_it_is_held() -> None:
    lean, half = needed("flo-24gb-qlora", QWEN3_4B), needed("flo-24gb-lora", QWEN3_4B)
    trained = 4 * half.trained_parameters
    assert QWEN3_4B.parameters == pytest.approx(4.02e9, rel=0.01)
    assert half.weights == 2 * QWEN3_4B.parameters + trained
    assert lean.weights == pytest.approx(NF4_BYTES * QWEN3_4B.in_layers + 4 * QWEN3_4B.embeddings + trained)
    assert 0.51 < NF4_BYTES < 0.52


def test_a_low_rank_optimizer_keeps_little_of_the_matrices() -> None:
    galore, full = needed("tomo-24gb-galore", QWEN3_17B), needed("tomo-24gb-full-8bit", QWEN3_17B)
    assert galore.optimizer < 0.4 * full.optimizer
    assert (galore.weights, galore.gradients) == (full.weights, full.gradients)
