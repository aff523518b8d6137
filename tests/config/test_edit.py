"""One setting changed in a file: comments stay, mistakes change nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from realm.config.edit import set_value
from realm.config.layers import load
from realm.errors import ConfigError
from realm.workspace import STARTER_SETTINGS, Workspace


def test_comments_and_order_stay(workspace: Workspace) -> None:
    file = workspace.settings
    set_value(file, "campaign.hero", "smol")
    assert file.read_text() == STARTER_SETTINGS.replace('"hatchling"', '"smol"')


@pytest.mark.parametrize(
    ("key", "value"),
    [("services.tavern_port", "9000"), ("heroes.DIO.training_defaults.lr", "1e-4"), ("campaign.skills", '["bin"]'),
     ("services.token", "123"), ('presets."my.own".hero', "smol"), ("hyperparameters.lr", "0.5")],
)  # fmt: skip
def test_what_is_set_is_loaded(workspace: Workspace, key: str, value: str) -> None:
    set_value(workspace.settings, key, value)
    assert load(workspace.settings, env={}) == load(overrides=[f"{key}={value}"], env={})


def test_setting_twice_under_two_names_keeps_one(workspace: Workspace) -> None:
    set_value(workspace.settings, "training.per_device_train_batch_size", "2")
    set_value(workspace.settings, "training.batch_size", "4")
    assert load(workspace.settings, env={}).training == {"per_device_train_batch_size": 4}


@pytest.mark.parametrize(("key", "value"), [("campaign.heroo", "smol"), ("campaign.hero", "nobody"), ("x", "1")])
def test_a_mistake_is_not_written(workspace: Workspace, key: str, value: str) -> None:
    before = workspace.settings.read_bytes()
    with pytest.raises(ConfigError):
        set_value(workspace.settings, key, value)
    assert workspace.settings.read_bytes() == before
    assert [path.name for path in workspace.root.iterdir() if path.name.startswith(".realm")] == []


def test_a_file_that_is_not_there_is_made(tmp_path: Path) -> None:
    set_value(tmp_path / "realm.toml", "page.skin", "lab")
    assert load(tmp_path / "realm.toml", env={}).page.skin == "lab"
