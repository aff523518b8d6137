"""What a machine is taken for."""

from __future__ import annotations

import pytest

from realm.config.hardware import Gpu, Machine, detect, parse_nvidia, suggest
from realm.config.layers import load

PROFILES = load(env={}).hardware


def machine(*gpus: tuple[str, float], system: str = "Linux-x86_64", memory_gb: float = 32) -> Machine:
    return Machine(system, 8, memory_gb, tuple(Gpu(name, gb, "8.9") for name, gb in gpus))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (machine(), "cpu"),
        (machine(system="Darwin-arm64", memory_gb=32), "mac-mps"),
        (machine(system="Darwin-arm64", memory_gb=8), "mac-mps"),
        (machine(("NVIDIA GeForce RTX 4090", 23.99)), "rtx-4090"),
        (machine(("NVIDIA GeForce RTX 4090", 23.99), ("NVIDIA GeForce RTX 4090", 23.99)), "rtx-4090-x2"),
        (machine(*[("NVIDIA H100 80GB HBM3", 79.6)] * 8), "h100-80gb-x8"),
        (machine(("NVIDIA GeForce RTX 3090", 24.0)), "rtx-3090"),
        (machine(("NVIDIA GeForce RTX 5060 Ti", 15.9)), "windows-rtx-5060"),
        (machine(("NVIDIA A100-SXM4-40GB", 40.0)), "cloud-a100-40gb"),
        (machine(("NVIDIA A100-SXM4-80GB", 80.0)), "a100-80gb"),
        (machine(("NVIDIA H100 80GB HBM3", 79.6)), "h100-80gb"),
        (machine(("NVIDIA H200", 140.4)), "h200"),
        (machine(("Tesla T4", 15.0)), "gpu-16gb"),
        (machine(("NVIDIA GeForce RTX 2070", 8.0)), "gpu-8gb"),
        (machine(("NVIDIA GeForce GTX 1650", 4.0)), "gpu-8gb"),
    ],
)
def test_suggested_profile(found: Machine, expected: str) -> None:
    name = suggest(found, PROFILES)
    assert name is not None
    assert name == expected or PROFILES[name] == PROFILES[expected]


def test_nothing_suits_where_there_is_no_profile() -> None:
    assert suggest(machine(), {}) is None


def test_cards_out_of_the_drivers_words() -> None:
    said = "NVIDIA H100 80GB HBM3, 81559, 9.0\nNo devices were found\n, ,\n"
    assert parse_nvidia(said) == (Gpu("NVIDIA H100 80GB HBM3", 79.6, "9.0"),)


def test_this_machine() -> None:
    here = detect()
    assert here.cores >= 1 and here.memory_gb > 0.5 and here.device_memory_gb > 0.5
    assert suggest(here, PROFILES) in PROFILES
