"""Which keys there are and what else they may be called: synonyms, short names, the nearest key. Reads no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from realm.config.schema import AdapterSettings, Hyperparameters, PresetSettings, RealmSettings

Path = tuple[str, ...]

SECTIONS: dict[str, Path] = {"experts": ("heroes",), "lora": ("adapters",), "hosts": ("services", "hosts")}
HYPERPARAMETERS = {
    "batch_size": "per_device_train_batch_size",
    "gradient_accumulation": "gradient_accumulation_steps",
    "num_epochs": "num_train_epochs",
    "lr_scheduler": "lr_scheduler_type",
    "sequence_length": "max_length",
    "max_seq_length": "max_length",
    "max_sequence_length": "max_length",
    "optimizer": "optim",
    "lr": "learning_rate",
}
ADAPTER = {"lora_rank": "r", "rank": "r", "alpha": "lora_alpha", "dropout": "lora_dropout"}
PARTS = {"expert": "hero", "lora": "adapter"}
HERO: dict[str, Path] = {"lora": ("adapter",), "optimizer": ("training_defaults", "optim")}


def canonical(path: Path) -> Path:
    """The one spelling of a key's path that the rest of the program knows."""
    path = (*SECTIONS.get(path[0], path[:1]), *path[1:])
    match path:
        case ("training", key):
            return ("training", HYPERPARAMETERS.get(key, key))
        case ("hyperparameters", name, key):
            return ("hyperparameters", name, HYPERPARAMETERS.get(key, key))
        case ("adapters", name, key):
            return ("adapters", name, ADAPTER.get(key, key))
        case ("heroes", name, "training_defaults", key):
            return ("heroes", name, "training_defaults", HYPERPARAMETERS.get(key, key))
        case ("heroes", name, key):
            return ("heroes", name, *HERO.get(key, (key,)))
        case ("presets", name, key):
            return ("presets", name, (HYPERPARAMETERS | ADAPTER | PARTS).get(key, key))
    return path


def canonical_leaf(path: Path, value: Any) -> Path:
    """Like `canonical`; a hyperparameter directly under [hyperparameters] is meant for every training."""
    if len(path) == 2 and path[0] == "hyperparameters" and not isinstance(value, dict):
        return canonical(("training", path[1]))
    return canonical(path)


def models_at(path: Sequence[str]) -> tuple[type[BaseModel], ...]:
    """The schemas whose fields may stand in the table at `path`; empty where any key is good."""
    match tuple(path):
        case ("training",) | ("hyperparameters", _) | ("heroes", _, "training_defaults"):
            return (Hyperparameters,)
        case ("presets", _):
            return (PresetSettings, Hyperparameters, AdapterSettings)
    return _walk(RealmSettings, path)


def annotation_at(path: Sequence[str]) -> Any:
    """The type of the field at `path`, or None when there is no such field."""
    for model in models_at(path[:-1]):
        if path[-1] in model.model_fields:
            return model.model_fields[path[-1]].annotation
    return None


def known_keys(path: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """Keys that are good in the table at `path`: fields of its schema, or the names that `values` holds there."""
    models = models_at(path)
    if models:
        short = [short for short, full in HYPERPARAMETERS.items() if Hyperparameters in models and full]
        return sorted({name for model in models for name in model.model_fields}) + short
    for key in path:
        inner = values.get(key)
        values = inner if isinstance(inner, dict) else {}
    return sorted(values)


def is_text(annotation: Any) -> bool:
    """Whether a field holds text, so that `5` from a command line stays text."""
    return annotation is str or set(get_args(annotation)) == {str, type(None)}


def _walk(model: type[BaseModel], path: Sequence[str]) -> tuple[type[BaseModel], ...]:
    if not path:
        return (model,)
    field = model.model_fields.get(path[0])
    if field is None:
        return ()
    inner, rest = field.annotation, path[1:]
    if get_origin(inner) is dict and rest:
        inner, rest = get_args(inner)[1], rest[1:]
    return _walk(inner, rest) if isinstance(inner, type) and issubclass(inner, BaseModel) else ()
