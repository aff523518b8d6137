"""A sweep's best values as a preset. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import tomlkit
from tomlkit import TOMLDocument

from realm.config.in_play import without_none
from realm.config.schema import RealmSettings
from realm.config.sweep_file import Sweep, Value
from realm.registry import unknown


def preset_of(settings: RealmSettings, sweep: Sweep, values: Mapping[str, Value]) -> TOMLDocument:
    """`[presets.NAME-best]`: the swept preset with what every trial had and what the best one chose.

    Raises UsageError when the swept preset is not among the settings any more.
    """
    if sweep.sweep.preset not in settings.presets:
        raise unknown("preset", sweep.sweep.preset, settings.presets)
    base = settings.presets[sweep.sweep.preset].model_dump(mode="json", exclude_defaults=True)
    table = tomlkit.table()
    for key, value in without_none({**base, **sweep.set, **values}).items():
        table[key] = value
    document = tomlkit.document()
    document.add(tomlkit.comment(f"The best trial of the sweep '{sweep.name}' ({sweep.sweep.objective})."))
    document["presets"] = tomlkit.table(is_super_table=True)
    document["presets"][f"{sweep.name}-best"] = table
    return document
