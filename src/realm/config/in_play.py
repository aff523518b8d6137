"""Which campaign is in play, and its settings: `[campaign]` of realm.toml names it, its own campaign.toml lies above.

realm.toml alone says what is in play, so a switch is one rename of one file. Knows no ledger.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit

from realm.config.edit import replace_text, set_values
from realm.config.layers import Loaded, combine, load, load_with_sources
from realm.config.schema import RealmSettings
from realm.config.sources import TomlText
from realm.errors import ConfigError
from realm.records import CampaignKey
from realm.workspace import Workspace


def load_in_play(workspace: Workspace, env: Mapping[str, str] | None = None) -> RealmSettings:
    """The settings of the campaign in play. Raises ConfigError with every mistake of every layer."""
    return in_play_with_sources(workspace, env).settings


def in_play_with_sources(workspace: Workspace, env: Mapping[str, str] | None = None) -> Loaded:
    """Like `load_in_play`, and says where each value came from."""
    named = load_with_sources(workspace.settings, env=env)
    key = key_of(named.settings)
    own = workspace.campaign_settings(key.hero, key.campaign)
    if not own.is_file():
        return named
    found = load_with_sources(workspace.settings, env=env, config_file=own)
    if key_of(found.settings) != key:
        raise ConfigError(
            [f"{own} names the campaign {key_of(found.settings)}, not {key}."],
            hint="Take `hero` and `name` out of it: realm.toml says which campaign is in play.",
        )
    return found


def settings_of(workspace: Workspace, key: CampaignKey, env: Mapping[str, str] | None = None) -> RealmSettings:
    """The settings that a campaign would have if it were in play. Raises ConfigError."""
    own = workspace.campaign_settings(key.hero, key.campaign)
    asked = [f"campaign.hero={_quoted(key.hero)}", f"campaign.name={_quoted(key.campaign)}"]
    return load(workspace.settings, asked, env, config_file=own if own.is_file() else None)


def key_of(settings: RealmSettings) -> CampaignKey:
    return CampaignKey(settings.campaign.hero, settings.campaign.name)


def put_in_play(workspace: Workspace, key: CampaignKey, env: Mapping[str, str] | None = None) -> None:
    """Name a campaign in realm.toml, at once. Raises ConfigError when the environment names another one."""
    settings_of(workspace, key, {})  # a campaign whose settings do not load must not be put in play
    named = {"campaign.hero": _quoted(key.hero), "campaign.name": _quoted(key.campaign)}
    env = os.environ if env is None else env
    fixed = sorted(name for name in env if name.upper() in {"REALM_CAMPAIGN__HERO", "REALM_CAMPAIGN__NAME"})
    if fixed and key_of(load(workspace.settings, env=env)) != key:
        raise ConfigError(
            [f"The environment says which campaign is in play: {', '.join(fixed)}."], hint=f"Unset it, then: {key}"
        )
    set_values(workspace.settings, named)


def write_own_settings(file: Path, tables: Mapping[str, Any]) -> None:
    """Write a campaign's own settings whole, by rename. Raises ConfigError when they would not load."""
    document = tomlkit.document()
    document.add(tomlkit.comment("Settings of this campaign, laid over realm.toml while it is in play."))
    for name, table in without_none(tables).items():
        document.add(name, table)
    text = tomlkit.dumps(document)
    combine([TomlText(str(file), text)], (), {})
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_text(file, text)


def without_none(value: Any) -> Any:
    """The same without what is None, which TOML cannot say: absent means the same."""
    if isinstance(value, Mapping):
        return {key: without_none(part) for key, part in value.items() if part is not None}
    return [without_none(part) for part in value] if isinstance(value, list | tuple) else value


def _quoted(text: str) -> str:
    """A TOML string: a name such as `7` stays text."""
    return tomlkit.item(text).as_string()
