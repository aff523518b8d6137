"""One preset read out of all layers, with every mistake of it told at once, each with its place. Trains nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from realm.config.checks import Checker
from realm.config.layers import checked, layered, texts_of
from realm.config.presets import merged, mistakes_of, way_out
from realm.config.run_spec import RunSpec, installed_versions, program_commit
from realm.config.schema import RealmSettings
from realm.config.sources import Given, KeyPath
from realm.errors import ConfigError
from realm.registry import nearest, unknown

Values = Mapping[KeyPath, Given]


class PresetRun(NamedTuple):
    """The spec of a preset's training, the settings it was made of, and what a person should know once."""

    spec: RunSpec
    settings: RealmSettings
    notices: tuple[str, ...]


def load_preset(
    preset: str,
    overrides: Sequence[str] = (),
    *,
    workspace_settings: Path | None = None,
    config_file: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> PresetRun:
    """A preset with command-line overrides.

    `learning_rate=1e-4` and `training.learning_rate=1e-4` are meant for this preset and win over it; other
    `section.key=value` are settings. Raises UsageError for an unknown preset, and ConfigError with every mistake of
    the settings and every limit that the preset breaks.
    """
    texts = texts_of(workspace_settings, config_file)
    env = os.environ if env is None else env
    unsaid: list[str] = []
    known = sorted({path[1] for path in layered(texts, (), env, unsaid) if path[0] == "presets" and len(path) > 1})
    if preset not in known and not unsaid:
        raise unknown("preset", preset, known)
    problems: list[str] = []
    given = layered(texts, [_for_preset(preset, override) for override in overrides], env, problems)
    try:
        loaded = checked(given, problems)
    except ConfigError as error:
        raise ConfigError([*error.problems, *_limits_of(_mended(given, preset), preset)], hint=error.hint) from error
    spec = merged(loaded.settings, preset)
    if broken := list(_in_their_place(loaded.settings, spec, given)):
        raise ConfigError(broken, hint=way_out(loaded.settings, spec))
    spec = spec.model_copy(update={"versions": installed_versions(), "git_commit": program_commit()})
    return PresetRun(spec, loaded.settings, loaded.notices)


def _for_preset(preset: str, override: str) -> str:
    """Overrides of hyperparameters are laid over the preset, for they must win over it."""
    key, _, value = override.partition("=")
    key = key.strip().removeprefix("training.").removeprefix("hyperparameters.")
    return override if "." in key or "=" not in override else f'presets."{preset}".{key}={value}'


def _limits_of(given: Values, preset: str) -> Iterator[str]:
    """The limits that a preset breaks; none where more than the preset is wrong."""
    try:
        loaded = checked(given, [])
    except ConfigError:
        return
    yield from _in_their_place(loaded.settings, merged(loaded.settings, preset), given)


def _in_their_place(settings: RealmSettings, spec: RunSpec, given: Values) -> Iterator[str]:
    places = Checker(given)
    for key, words in mistakes_of(settings, spec):
        yield f"{places.place(('presets', spec.preset, key))}: {spec.preset}: {words}"


def _mended(given: Values, preset: str) -> Values:
    """The same without the preset's mistaken values, so that its limits can be seen beside them.

    A value is a mistake if there are fewer without it; a hero, whom no preset can be without, becomes the nearest.
    """
    whole, mended = _mistakes(given), dict(given)
    for path, leaf in given.items():
        if path[:2] != ("presets", preset):
            continue
        without = {other: value for other, value in given.items() if other != path}
        if path[2:] == ("hero",) and (guess := _nearest_hero(given, leaf.value)):
            mended[path] = leaf._replace(value=guess)
        elif _mistakes(without) < whole:
            del mended[path]
    return mended


def _mistakes(given: Values) -> int:
    problems: list[str] = []
    Checker(given).settings(problems)
    return len(problems)


def _nearest_hero(given: Values, name: object) -> str | None:
    return nearest(str(name), {path[1] for path in given if path[0] == "heroes"})
