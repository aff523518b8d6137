"""Which presets a machine is offered."""

from __future__ import annotations

from pathlib import Path

from realm.config.layers import combine, load
from realm.config.preset_file import load_preset
from realm.config.sources import TomlText
from realm.config.suggest import suggestions

SETTINGS = load(env={})


def names(hardware: str) -> list[str]:
    return [one.preset for one in suggestions(SETTINGS, hardware, None)]


def test_presets_of_the_profile_come_first() -> None:
    assert names("rtx-4090-x2")[0] == "dio-2x4090"
    assert names("cpu")[0] == "smol-cpu", "the larger of the two that are made for it"


def test_what_breaks_a_limit_or_the_memory_is_not_offered() -> None:
    small = names("gpu-8gb")
    assert "hatchling-quick" in small, "its hero's usual batch is fitted"
    assert not {"oracle-rauru-cloud", "dio-24gb", "flo-80gb"} & set(small)
    for one in suggestions(SETTINGS, "gpu-8gb", None):
        assert one.memory_gb <= 8 and one.command.endswith("hardware=gpu-8gb")
        load_preset(one.preset, ["hardware=gpu-8gb"], env={})


def test_a_preset_with_its_data_at_hand_needs_no_file(tmp_path: Path) -> None:
    text = f"""
[datasets.here]
path = "{tmp_path}"
[presets.ready]
hero = "hatchling"
hardware = "cpu"
dataset = "here"
"""
    offered = suggestions(combine([TomlText("t", text)], (), {}).settings, "cpu", None)
    assert (offered[0].preset, offered[0].command) == ("ready", "realm train ready")
    assert {one.command for one in offered if one.preset == "smol-cpu"} == {"realm train smol-cpu FILE"}
