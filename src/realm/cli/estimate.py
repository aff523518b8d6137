"""`realm estimate`: how much memory a training would take, part by part, and the mildest change that makes it fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from realm.arena.fit.fit import adapter_words
from realm.arena.fit.remembered import MEMORY_SETTINGS, Remembered
from realm.cli.config import settings_file
from realm.cli.context import print_json
from realm.cli.train_dry_run import preset_run
from realm.config.estimate import GB, MemoryEstimate, first_that_fits, geometry_of
from realm.config.estimate import estimate as by_geometry
from realm.config.layers import load_with_sources
from realm.config.run_spec import RunSpec, campaign_spec
from realm.errors import UsageError
from realm.workspace import Workspace

PARTS = ("weights", "gradients", "optimizer", "activations", "runtime")
Needs = Callable[[RunSpec], MemoryEstimate | None]


@dataclass(frozen=True, slots=True)
class Correction:
    """What the newest measured run of this model on this device took, against its estimate."""

    measured: float
    estimated: float
    settings: dict[str, Any]
    device: str

    @property
    def ratio(self) -> float:
        return self.measured / self.estimated


def estimate(
    preset: Annotated[str, typer.Argument(metavar="[PRESET]", help="A preset; else the campaign in play.")] = "",
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...")] = None,
    hero: Annotated[str, typer.Option(help="Another hero.")] = "",
    batch: Annotated[int, typer.Option(help="Another batch size.", min=0)] = 0,
    length: Annotated[int, typer.Option(help="Another number of tokens a row.", min=0)] = 0,
    adapter: Annotated[str, typer.Option(help="Another adapter, or none.")] = "",
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="A TOML file with presets of its own.")] = None,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """How much memory a training would take: from the model's real architecture, without its weights."""
    options = {"hero": hero, "batch_size": batch, "sequence_length": length, "adapter": adapter}
    words = [*(overrides or []), *(f"{key}={value}" for key, value in options.items() if value)]
    spec = _spec(preset, words, config)
    file = settings_file()
    needs = _needs(file.parent / "models" if file else None)
    memory = needs(spec)
    if memory is None:
        raise UsageError(
            f"The size of {spec.profile.base_model} is not known: its config.json is not at hand.",
            hint=f"Put the model's folder below models/, or set heroes.{spec.hero}.parameters_billion.",
        )
    correction = _correction(spec, needs, Remembered(Workspace(file.parent).fit if file else None))
    change = _change(spec, memory, needs, correction)
    if json:
        print_json(_told(spec, memory, correction, change))
    else:
        for line in _lines(spec, memory, correction, change):
            typer.echo(line)


def _spec(preset: str, words: list[str], config: Path | None) -> RunSpec:
    if "=" in preset:
        preset, words = "", [preset, *words]
    if preset:
        return preset_run(preset, words, config)[0]
    loaded = load_with_sources(settings_file(), [_of_campaign(word) for word in words], config_file=config)
    return campaign_spec(loaded.settings, versions={})


def _of_campaign(word: str) -> str:
    """An option of a training, as a setting of the campaign in play."""
    key, _, value = word.partition("=")
    if key == "hero":
        return f"campaign.hero={value}"
    if key == "adapter":
        raise UsageError("An adapter is chosen for a preset.", hint="Name one: realm estimate PRESET --adapter NAME")
    return word if "." in key else f"training.{key}={value}"


def _needs(models: Path | None) -> Needs:
    """The exact way where torch and the model's configuration are at hand, else by the shape of the model."""

    @cache
    def making(base_model: str, revision: str | None) -> Callable[[], Any] | None:
        if find_spec("torch") is None or find_spec("transformers") is None:
            return None
        from realm.heroes.architecture import architecture  # noqa: PLC0415 - torch stays behind the door

        return architecture(base_model, models=models, revision=revision)

    def needs(spec: RunSpec) -> MemoryEstimate | None:
        make = making(spec.profile.base_model, spec.profile.revision)
        if make is None:
            geometry = geometry_of(spec.profile, models)
            return by_geometry(spec, geometry) if geometry else None
        from realm.arena.fit.rehearsal import rehearse  # noqa: PLC0415 - torch stays behind the door
        from realm.heroes.families import families  # noqa: PLC0415

        hidden = families.get(spec.profile.family).hidden_matrices if spec.adapter is None else lambda _: []
        return rehearse(spec, make, hidden)

    return needs


def _correction(spec: RunSpec, needs: Needs, remembered: Remembered) -> Correction | None:
    """From the newest run of this model, with the same adapter and method, that was measured on this machine."""
    device = _device(spec)
    for peak in reversed(remembered.peaks(spec.profile.base_model, device)):
        told = peak["settings"]
        if (told.get("adapter"), told.get("method")) != (adapter_words(spec), spec.hyperparameters.method):
            continue
        known = {name: told[name] for name in MEMORY_SETTINGS if name in told}
        changed = spec.model_copy(update={"hyperparameters": spec.hyperparameters.model_copy(update=known)})
        if (memory := needs(changed)) is not None:
            return Correction(peak["bytes"], memory.total, known, device)
    return None


def _device(spec: RunSpec) -> str:
    """The device as measured peaks name it."""
    wanted = spec.hardware.device if spec.hardware else "cpu"
    if wanted != "cuda" or find_spec("torch") is None:
        return wanted
    from realm.arena.fit.memory import card_name  # noqa: PLC0415 - torch stays behind the door

    return card_name() or wanted


def _change(spec: RunSpec, memory: MemoryEstimate, needs: Needs, correction: Correction | None) -> str | None:
    """The mildest change that fits; empty when none is needed, None when none is enough."""
    ratio = correction.ratio if correction else 1.0
    limit = spec.hardware.available_memory_gb * GB if spec.hardware else float("inf")
    if memory.total * ratio <= limit:
        return ""

    def bytes_of(changed: RunSpec) -> float:
        found = needs(changed)
        return found.total * ratio if found else float("inf")

    return first_that_fits(spec, bytes_of, limit)


def _told(spec: RunSpec, memory: MemoryEstimate, correction: Correction | None, change: str | None) -> dict[str, Any]:
    limit = int(spec.hardware.available_memory_gb * GB) if spec.hardware else None
    told: dict[str, Any] = {"preset": spec.preset, "hero": spec.hero, **memory.as_json(), "limit_bytes": limit}
    told["corrected_bytes"] = int(memory.total * correction.ratio) if correction else None
    told["correction"] = (
        {"ratio": correction.ratio, "measured_bytes": int(correction.measured), "device": correction.device}
        if correction
        else None
    )
    return {**told, "fits": change == "", "change": change or None}


def _lines(spec: RunSpec, memory: MemoryEstimate, correction: Correction | None, change: str | None) -> Iterator[str]:
    used = spec.hyperparameters
    room = f" of {spec.hardware.available_memory_gb:g} GB ({spec.hardware_name})" if spec.hardware else ""
    rows = (
        "one row, the batch size is still to be found"
        if used.per_device_train_batch_size == "auto"
        else (f"{used.batch_rows} rows")
    )
    yield f"{spec.preset or spec.campaign}: {spec.hero}, {rows} of {used.max_length} tokens, {used.optim}"
    yield f"  about {memory.total / GB:.2f} GB{room}, from {memory.source}"
    for part in PARTS:
        beside = f"  (logits {memory.logits / GB:.2f})" if part == "activations" else ""
        yield f"    {part:12}{getattr(memory, part) / GB:8.2f} GB{beside}"
    yield f"    {memory.trained_parameters / 1e6:,.1f} million parameters are trained"
    if correction:
        yield (
            f"  measured here on {correction.device}: {correction.measured / GB:.2f} GB where "
            f"{correction.estimated / GB:.2f} are estimated (x{correction.ratio:.2f}); "
            f"so about {memory.total * correction.ratio / GB:.2f} GB"
        )
    if change is None:
        yield "  It does not fit, and no change of the settings is enough: choose a smaller hero."
    elif change:
        yield f"  It does not fit. Would fit: {change}"
