"""A preset's configuration whose fields can be changed before it is trained. Trains nothing."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError

from realm.config import names
from realm.config.run_spec import RunSpec
from realm.config.schema import AdapterSettings, DatasetSettings, Hyperparameters, RealmSettings, at_most
from realm.errors import ConfigError, UsageError
from realm.registry import unknown

S = TypeVar("S", Hyperparameters, AdapterSettings)
OWN = ("campaign", "examine", "dataset_path", "hero_seed")
OWN_NAMES = {"hero_seed": "seed"}


class UnknownField(UsageError, AttributeError):
    """The configuration has no such field."""


class TrainingConfig:
    """A preset put together.

    Its fields are the hyperparameters and the adapter's settings, by any of their names, and `campaign`, `examine`,
    `dataset_path` and `hero_seed` (of the first weights; `seed` is that of the data order). A value is checked when
    it is set, the limits of the hardware when it is trained.
    """

    spec: RunSpec
    settings: RealmSettings
    numbered: bool

    def __init__(self, spec: RunSpec, settings: RealmSettings) -> None:
        own_campaign = settings.presets[spec.preset].campaign
        self.__dict__.update(spec=spec, settings=settings, numbered=not own_campaign)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._fields()})

    def __getattr__(self, field: str) -> Any:
        if field.startswith("__"):
            raise AttributeError(field)
        spec: RunSpec = self.__dict__["spec"]
        if field == "dataset_path":
            return spec.dataset.path if spec.dataset else None
        if field in OWN:
            return getattr(spec, OWN_NAMES.get(field, field))
        if (key := names.HYPERPARAMETERS.get(field, field)) in Hyperparameters.model_fields:
            return getattr(spec.hyperparameters, key)
        if spec.adapter and (key := names.ADAPTER.get(field, field)) in AdapterSettings.model_fields:
            return getattr(spec.adapter, key)
        raise self._unknown(field)

    def __setattr__(self, field: str, value: Any) -> None:
        self.__dict__["spec"] = self._changed(field, value)
        if field == "campaign":
            self.__dict__["numbered"] = False

    def _changed(self, field: str, value: Any) -> RunSpec:
        spec = self.spec
        if field == "dataset_path":
            dataset = spec.dataset.model_copy(update={"path": str(value)}) if spec.dataset else None
            return spec.model_copy(update={"dataset": dataset or DatasetSettings(path=str(value))})
        if field == "hero_seed":
            return spec.model_copy(update={"seed": int(value)})
        if field in OWN:
            return spec.model_copy(update={field: tuple(value) if field == "examine" else str(value)})
        if (key := names.HYPERPARAMETERS.get(field, field)) in Hyperparameters.model_fields:
            return _with_hyperparameter(spec, key, value)
        if spec.adapter and (key := names.ADAPTER.get(field, field)) in AdapterSettings.model_fields:
            return spec.model_copy(update={"adapter": _checked(spec.adapter, key, value)})
        raise self._unknown(field)

    def _fields(self) -> set[str]:
        adapter = {*AdapterSettings.model_fields, *names.ADAPTER} if self.spec.adapter else set()
        return {*OWN, *Hyperparameters.model_fields, *names.HYPERPARAMETERS, *adapter}

    def _unknown(self, field: str) -> UnknownField:
        error = unknown("field of the configuration", field, self._fields())
        return UnknownField(error.message, hint=error.hint)


def _with_hyperparameter(spec: RunSpec, key: str, value: Any) -> RunSpec:
    changed = _checked(spec.hyperparameters, key, value)
    if key == "eval_strategy":  # `no` holds no rows out; the other one the usual share
        usual = Hyperparameters.model_fields["eval_fraction"].default
        changed = changed.model_copy(update={"eval_fraction": 0.0 if value == "no" else usual})
    spec = spec.model_copy(update={"hyperparameters": changed})
    if key == "save_total_limit" and value:
        return spec.model_copy(update={"retention": at_most(spec.retention, value)})
    return spec


def _checked(settings: S, key: str, value: Any) -> S:
    """The settings with one changed. Raises ConfigError when the value does not fit."""
    try:
        return type(settings).model_validate({**settings.model_dump(), key: value})
    except ValidationError as error:
        said = [f"{key} = {value!r}: {one['msg'].removeprefix('Value error, ')}." for one in error.errors()]
        raise ConfigError(said, hint="Every key is explained in: realm config schema") from error
