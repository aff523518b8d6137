"""Which presets a machine can train: within its limits, and with memory to spare. Loads no weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from realm.config.estimate import GB, estimate, geometry_of
from realm.config.presets import merged, violations
from realm.config.run_spec import RunSpec
from realm.config.schema import RealmSettings


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One preset that fits."""

    preset: str
    hero: str
    memory_gb: float
    dataset: str
    """Name of its dataset; empty where a file is to be named."""
    command: str


def suggestions(settings: RealmSettings, hardware: str, models: Path | None) -> list[Suggestion]:
    """Presets for a hardware profile, best first: made for it, then with data at hand, then the largest hero.

    A preset without a profile of its own, or made for another device, is measured against this one.
    """
    fitting = [found for name in settings.presets for found in _fits(settings, name, hardware, models)]
    return [found for _, found in sorted(fitting, key=lambda pair: pair[0], reverse=True)]


def _fits(
    settings: RealmSettings, name: str, hardware: str, models: Path | None
) -> Iterator[tuple[tuple[bool, bool, float], Suggestion]]:
    preset = settings.presets[name]
    moved = {**settings.presets, name: preset.model_copy(update={"hardware": hardware})}
    spec = merged(settings.model_copy(update={"presets": moved}), name)
    geometry = geometry_of(spec.profile, models)
    if geometry is None or list(violations(spec)):
        return
    memory_gb = estimate(spec, geometry).total / GB
    if memory_gb <= settings.hardware[hardware].available_memory_gb:
        made_for_it, at_hand = preset.hardware == hardware, _has_data(spec)
        words = ["realm train", name, "" if at_hand else "FILE", "" if made_for_it else f"hardware={hardware}"]
        rank = (made_for_it, at_hand, geometry.parameters)
        yield rank, Suggestion(name, spec.hero, memory_gb, spec.dataset_name, " ".join(filter(None, words)))


def _has_data(spec: RunSpec) -> bool:
    return spec.dataset is not None and Path(spec.dataset.path).expanduser().exists()
