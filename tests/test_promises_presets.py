"""Every preset that ships is within its hardware's limits and comes out as a spec; the documented files load."""

from __future__ import annotations

import re
import tomllib

import pytest

from realm.config.layers import combine, load
from realm.config.presets import preset_spec
from realm.config.run_spec import RunSpec
from realm.config.sources import TomlText
from realm.workspace import STARTER_SETTINGS
from tests.promises import ROOT


def test_every_shipped_preset_loads(capsys: pytest.CaptureFixture[str]) -> None:
    settings = load(env={})
    for name in settings.presets:
        spec = preset_spec(settings, name, versions={})
        assert RunSpec.from_json(spec.to_json()) == spec
    with capsys.disabled():
        print(f"\n  presets: {len(settings.presets)} found", end="")
    assert len(settings.presets) >= 12


def test_a_new_workspaces_settings_load() -> None:
    assert combine([TomlText("realm.toml", STARTER_SETTINGS)], (), {}).settings.campaign.name == "first-light"


def test_toml_on_the_configuration_page_loads() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert blocks
    for number, block in enumerate(blocks):
        settings = combine([TomlText(f"block {number}", block)], (), {}).settings
        for name in tomllib.loads(block).get("presets", {}):
            preset_spec(settings, name, versions={})
