"""A sweep's TOML file: what is searched, over which values, judged by what. Every mistake at once; runs nothing."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import tomlkit
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from realm.config import names
from realm.config.schema import AdapterSettings, Hyperparameters, Settings
from realm.config.sources import TomlText, read_text
from realm.errors import ConfigError
from realm.registry import nearest

Value = bool | int | float | str
VALIDATION_LOSS = "val_loss"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


class SweepSettings(Settings):
    """The table [sweep]."""

    preset: str
    """Preset that each trial trains."""
    objective: str
    """`SKILL/LEVEL`: the best examination accuracy, as high as can be; `val_loss`: the lowest validation loss."""
    name: str = ""
    """Name of the sweep; by default that of its file."""
    trials: int = Field(20, ge=1)
    """Trials that end, pruned and failed ones included."""
    file: str = ""
    """File to train on where the preset names no dataset; relative to the sweep's file."""
    sampler: Literal["tpe", "random"] = "tpe"
    """How values are chosen."""
    startup_trials: int = Field(5, ge=1)
    """Trials with random values before `tpe` learns from them, and before any is pruned."""
    pruning: bool = True
    """End a trial whose accuracy (or loss) at a checkpoint is worse than the median of the others there."""
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    """Seeds of the first weights and of the data order; every trial trains with each, and their mean is its value."""
    seed: int = 0
    """Seed of the choice of values."""

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        return "minimize" if self.objective == VALIDATION_LOSS else "maximize"

    @property
    def skill_level(self) -> tuple[str, int] | None:
        """What is examined; None for the validation loss."""
        if self.objective == VALIDATION_LOSS:
            return None
        skill, _, level = self.objective.partition("/")
        return skill, int(level)

    @field_validator("name")
    @classmethod
    def _can_be_a_campaigns(cls, name: str) -> str:
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be a sweep's name: letters, digits, '-', '_' and '.', at most 40")
        return name

    @field_validator("objective")
    @classmethod
    def _is_measured(cls, objective: str) -> str:
        skill, _, level = objective.partition("/")
        if objective != VALIDATION_LOSS and not (skill and level.isascii() and level.isdigit() and int(level)):
            raise ValueError(f"{objective!r} is neither a skill's level (bin/1) nor val_loss")
        return objective


class Axis(Settings):
    """One key of [space]: a range or choices."""

    low: float | int | None = None
    """Lowest value."""
    high: float | int | None = None
    """Highest value."""
    log: bool = False
    """Choose by the logarithm."""
    step: float | int | None = None
    """Only every step from `low` on."""
    choices: tuple[Value, ...] = ()
    """These values, in place of a range."""

    @model_validator(mode="after")
    def _is_a_range_or_choices(self) -> Axis:
        if self.choices:
            if (self.low, self.high, self.step) != (None, None, None) or self.log:
                raise ValueError("has choices and a range; keep one")
            return self
        if self.low is None or self.high is None:
            raise ValueError("needs low and high, or choices")
        if self.low >= self.high:
            raise ValueError(f"low = {self.low} is not below high = {self.high}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log = true needs low above 0, and no step")
        if self.step is not None and self.step <= 0:
            raise ValueError(f"step = {self.step} is not above 0")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return all(isinstance(value, int) for value in (self.low, self.high, self.step or 1))

    @property
    def ends(self) -> tuple[Value, ...]:
        """Values that must be good for all to be."""
        return self.choices or tuple(value for value in (self.low, self.high) if value is not None)


class Sweep(Settings):
    """A sweep's file."""

    sweep: SweepSettings
    space: dict[str, Axis]
    """Key of a preset -> its values."""
    set: dict[str, Value] = Field(default_factory=dict)
    """Keys of the preset that every trial has."""

    @property
    def name(self) -> str:
        return self.sweep.name

    def overrides(self, values: Mapping[str, Value]) -> list[str]:
        """`key=value` words of a trial."""
        return [f"{key}={tomlkit.item(value).as_string()}" for key, value in {**self.set, **values}.items()]


def read_sweep(file: Path) -> Sweep:
    """A sweep's file. Raises ConfigError with every mistake, each with its line and the nearest right name."""
    text = read_text(file)
    try:
        tables = tomllib.loads(text.text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{file}: not valid TOML: {error}."]) from error
    problems = list(_unknown_keys(text, tables))
    named = {**tables, "sweep": {"name": file.stem, **_table(tables, "sweep")}}
    sweep = None
    try:
        sweep = Sweep.model_validate(_canonical(named))
    except ValidationError as error:
        problems += [words for one in error.errors(include_url=False) if (words := _in_words(text, one))]
    problems += [] if problems or sweep is None else _bad_values(text, sweep)
    if problems or sweep is None:
        raise ConfigError(problems, hint="An example: docs/sweeps.md")
    return sweep


def _canonical(tables: Mapping[str, Any]) -> dict[str, Any]:
    """The same with the one spelling of each key."""
    return {
        section: {_key(key): value for key, value in table.items()}
        if section in {"space", "set"} and isinstance(table, dict)
        else table
        for section, table in tables.items()
    }


def _key(key: str) -> str:
    return (names.HYPERPARAMETERS | names.ADAPTER).get(key, key)


def _unknown_keys(text: TomlText, tables: Mapping[str, Any]) -> Iterator[str]:
    searched = [*Hyperparameters.model_fields, *AdapterSettings.model_fields, *names.HYPERPARAMETERS, *names.ADAPTER]
    known = {"": list(Sweep.model_fields), "sweep": list(SweepSettings.model_fields), "space": searched}
    known["set"] = searched
    for path, good in known.items():
        for key in _table(tables, path) if path else tables:
            if key not in good:
                yield _unknown(text, (path, key) if path else (key,), good)
    for name, axis in _table(tables, "space").items():
        for key in axis if isinstance(axis, dict) else ():
            if key not in Axis.model_fields:
                yield _unknown(text, ("space", name, key), list(Axis.model_fields))


def _unknown(text: TomlText, path: tuple[str, ...], known: list[str]) -> str:
    guess = nearest(path[-1], known)
    where = f"[{'.'.join(path[:-1])}] has no key" if len(path) > 1 else "a sweep has no table"
    hint = f"Did you mean '{guess}'?" if guess else f"Known: {', '.join(sorted(known))}."
    return f"{text.place(path)}: {where} '{path[-1]}'. {hint}"


def _table(tables: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = tables.get(name)
    return table if isinstance(table, dict) else {}


def _in_words(text: TomlText, error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return ""  # told already, with the nearest key
    path = tuple(str(part) for part in error["loc"])
    if error["type"] == "missing":
        return f"{text.place(path)}: [{'.'.join(path[:-1])}] lacks {path[-1]}."
    said = str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{text.place(path)}: {'.'.join(path)}: {said}."


def _bad_values(text: TomlText, sweep: Sweep) -> list[str]:
    """Ends of ranges, and choices, that the setting itself would refuse."""
    asked = [("space", key, value) for key, axis in sweep.space.items() for value in axis.ends]
    asked += [("set", key, value) for key, value in sweep.set.items()]
    found = []
    for table, key, value in asked:
        model: type[BaseModel] = Hyperparameters if key in Hyperparameters.model_fields else AdapterSettings
        try:
            if key in model.model_fields:
                model.model_validate({key: value})
        except ValidationError as error:
            said = error.errors()[0]["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
            found.append(f"{text.place((table, key))}: {table}.{key} = {value!r}: {said}.")
    return found
