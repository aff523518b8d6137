"""Where settings come from, and which wins: catalogue < realm.toml < a file given < environment < command line.

Every mistake of all layers is reported at once. Knows no workspace, and of presets only their names (see `presets`).
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from realm.config.checks import Checker
from realm.config.schema import HeroProfile, Hyperparameters, RealmSettings
from realm.config.sources import (
    Given,
    KeyPath,
    TomlText,
    environment_leaves,
    lay,
    nested,
    override_leaves,
    read_text,
)
from realm.errors import ConfigError
from realm.registry import unknown


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and where each value came from."""

    settings: RealmSettings
    sources: Mapping[str, str]
    """Dotted key to the name of the layer that gave it; a key that is absent has the schema's default."""
    notices: tuple[str, ...]
    """What a person should know once, such as keys that are accepted and not used."""


def load(
    workspace_settings: Path | None = None,
    overrides: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    *,
    config_file: Path | None = None,
) -> RealmSettings:
    """All settings. `overrides` are `section.key=value`; `env` None means the process's environment.

    Raises ConfigError with every mistake of every layer.
    """
    return load_with_sources(workspace_settings, overrides, env, config_file=config_file).settings


def load_with_sources(
    workspace_settings: Path | None = None,
    overrides: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    *,
    config_file: Path | None = None,
) -> Loaded:
    """Like `load`, and says where each value came from."""
    return combine(texts_of(workspace_settings, config_file), overrides, os.environ if env is None else env)


def texts_of(workspace_settings: Path | None, config_file: Path | None) -> list[TomlText]:
    """The settings files that are there, lowest layer first. Raises ConfigError for one that cannot be read."""
    texts = [read_text(workspace_settings)] if workspace_settings and workspace_settings.exists() else []
    return texts + ([read_text(config_file)] if config_file else [])


def combine(texts: Iterable[TomlText], overrides: Sequence[str], env: Mapping[str, str]) -> Loaded:
    """The catalogue, TOML texts, the environment and the command line, in this order. Raises ConfigError."""
    problems: list[str] = []
    given = layered(texts, overrides, env, problems)
    return checked(given, problems)


def layered(
    texts: Iterable[TomlText], overrides: Sequence[str], env: Mapping[str, str], problems: list[str]
) -> dict[KeyPath, Given]:
    """Every value with its place, later layers over earlier ones, unchecked. What cannot be read joins `problems`."""
    given = dict(_catalogue())
    for text in texts:
        _lay_text(given, text, problems)
    lay(given, environment_leaves(env, nested(given)), problems)
    lay(given, override_leaves(overrides, problems), problems)
    return given


def checked(given: Mapping[KeyPath, Given], problems: list[str]) -> Loaded:
    """The settings that the values make. Raises ConfigError with `problems` and every mistake found."""
    checker = Checker(given)
    settings = checker.settings(problems)
    if settings is None or problems:
        raise ConfigError(problems, hint="Every key is explained in: realm config schema")
    sources = {".".join(path): value.layer for path, value in given.items()}
    return Loaded(_spelled(settings), sources, checker.notices())


def resolve_hero(settings: RealmSettings, name: str) -> HeroProfile:
    """The profile of a hero, whatever the case of its name. Raises UsageError naming the nearest one."""
    return settings.heroes[hero_name(settings, name)]


def hero_name(settings: RealmSettings, name: str) -> str:
    """A hero's name as the catalogue spells it. Raises UsageError naming the nearest one."""
    for known in (name, *settings.heroes):
        if known in settings.heroes and known.lower() == name.lower():
            return known
    raise unknown("hero", name, settings.heroes)


def hyperparameters_for(settings: RealmSettings, hero: str) -> Hyperparameters:
    """How a hero trains in its campaign: the schema's defaults < the hero's own < [training].

    The sets of [hyperparameters.*] are parts of presets and have no say here: a campaign has no last step,
    so their schedules do not suit it.
    """
    return resolve_hyperparameters(resolve_hero(settings, hero).training_defaults, settings.training)


def resolve_hyperparameters(*tables: Mapping[str, Any]) -> Hyperparameters:
    """Partial tables, later wins, over the schema's defaults. `eval_strategy = "no"` holds no rows out."""
    said = {key: value for table in tables for key, value in table.items()}
    resolved = Hyperparameters.model_validate(said)
    return resolved.model_copy(update={"eval_fraction": 0.0}) if resolved.eval_strategy == "no" else resolved


def _spelled(settings: RealmSettings) -> RealmSettings:
    """The same settings, with the playing hero's name as the catalogue spells it: names are keys in the ledgers."""
    hero = hero_name(settings, settings.campaign.hero)
    return settings.model_copy(update={"campaign": settings.campaign.model_copy(update={"hero": hero})})


@cache
def _catalogue() -> Mapping[KeyPath, Given]:
    """The built-in tables. They ship with the program, so a process reads them once."""
    given: dict[KeyPath, Given] = {}
    problems: list[str] = []
    folder = resources.files("realm.config") / "catalog"
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".toml"):
            _lay_text(given, TomlText(f"catalog/{file.name}", file.read_text(encoding="utf-8")), problems)
    if problems:
        raise ConfigError(problems)
    return given


def _lay_text(given: dict[KeyPath, Given], text: TomlText, problems: list[str]) -> None:
    """Lay a TOML text over the layers below; a text that is no TOML is one problem."""
    try:
        leaves = list(text.leaves())
    except tomllib.TOMLDecodeError as error:
        problems.append(f"{text.name}: not valid TOML: {error}.")
        return
    lay(given, iter(leaves), problems)
