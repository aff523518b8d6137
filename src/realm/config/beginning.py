"""What a campaign begins with: the tables of settings that decide how it goes, in the form of a settings file. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from realm.config.layers import resolve_hero
from realm.config.schema import RealmSettings
from realm.records import CampaignKey

DECIDING = ("training", "curriculum", "strain", "level_cap", "retention")
"""Tables that decide how a campaign goes, beside its own and its hero's."""


def practice_name(settings: RealmSettings, key: CampaignKey) -> str:
    """What practice is drawn by, beside the seed and the step."""
    return settings.campaign.practice_seed or str(key)


def deciding_tables(settings: RealmSettings, key: CampaignKey) -> dict[str, Any]:
    """The tables of `settings`, each value resolved, that make a campaign go the same way again."""
    profile = resolve_hero(settings, key.hero)
    whole = settings.model_dump(mode="json")
    campaign = {k: v for k, v in whole["campaign"].items() if k not in {"hero", "name"}}
    campaign["practice_seed"] = practice_name(settings, key)
    tables = {"campaign": campaign, "heroes": {key.hero: profile.model_dump(mode="json")}}
    if profile.adapter != "none":
        tables["adapters"] = {profile.adapter: whole["adapters"][profile.adapter]}
    return {**tables, **{name: whole[name] for name in DECIDING}}


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """The dotted keys whose values differ; what is absent counts as None."""
    if isinstance(one, Mapping) or isinstance(other, Mapping):
        left: Mapping[str, Any] = one if isinstance(one, Mapping) else {}
        right: Mapping[str, Any] = other if isinstance(other, Mapping) else {}
        keys = sorted(left.keys() | right.keys())
        return [found for key in keys for found in differences(left.get(key), right.get(key), f"{where}.{key}")]
    return [] if one == other else [where.lstrip(".")]
