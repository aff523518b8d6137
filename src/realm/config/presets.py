"""A preset's parts put together into the spec of one run, within the limits of its hardware. Pure; reads no file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from realm.config.layers import hero_name, resolve_hyperparameters
from realm.config.run_spec import RunSpec, installed_versions
from realm.config.schema import (
    AdapterSettings,
    HardwareProfile,
    HeroProfile,
    Hyperparameters,
    PresetSettings,
    RealmSettings,
)
from realm.errors import ConfigError
from realm.registry import unknown

NO_ADAPTER = "none"


def preset_spec(
    settings: RealmSettings, name: str, *, versions: Mapping[str, str] | None = None, commit: str | None = None
) -> RunSpec:
    """The spec of a preset's run. `versions` None means those that are installed.

    Raises UsageError for an unknown preset, and ConfigError with every limit that the preset breaks.
    """
    if name not in settings.presets:
        raise unknown("preset", name, settings.presets)
    spec = _merge(settings, name, settings.presets[name])
    if problems := list(violations(spec)):
        raise ConfigError(problems, hint=_way_out(settings, spec))
    versions = installed_versions() if versions is None else versions
    return spec.model_copy(update={"versions": dict(versions), "git_commit": commit})


def violations(spec: RunSpec) -> Iterator[str]:
    """Every limit of the hardware and of the hero that a spec breaks, in words."""
    asked, reach = spec.hyperparameters, spec.profile.context_window
    if asked.max_length > reach:
        yield f"{spec.preset}: sequence length {asked.max_length} is more than {spec.hero} reads: {reach}."
    if spec.hardware is None:
        return
    limits, where = spec.hardware, f"{spec.hardware_name} ({spec.hardware.name})"
    if limits.status == "unsupported":
        yield f"{spec.preset}: {where} is unsupported: {limits.reason or 'no reason is given'}"
    rank = spec.adapter.r if spec.adapter else 0
    for what, value, limit in (
        ("batch size", asked.batch_rows, limits.max_batch_size),
        ("sequence length", asked.max_length, limits.max_sequence_length),
        ("adapter rank", rank, limits.max_lora_rank),
    ):
        if value > limit:
            yield f"{spec.preset}: {what} {value} is more than {where} carries: {limit}."
    if asked.bf16 is True and not limits.supports_bf16:
        yield f"{spec.preset}: {where} has no bfloat16 (bf16 = true)."
    if asked.gradient_checkpointing and spec.adapter and not limits.supports_gradient_checkpointing:
        yield f"{spec.preset}: {where} has no gradient checkpointing with an adapter."


def _merge(settings: RealmSettings, name: str, preset: PresetSettings) -> RunSpec:
    hero = hero_name(settings, preset.hero)
    profile = settings.heroes[hero]
    hardware = settings.hardware[preset.hardware] if preset.hardware else None
    adapter_name = preset.adapter or profile.adapter
    # a preset that is the only one to say how many checkpoints stay says it for its own campaign
    asked = _hyperparameters(settings, hero, preset, hardware)
    keep = {"keep_newest": asked.save_total_limit} if asked.save_total_limit else {}
    return RunSpec(
        preset=name,
        hero=hero,
        profile=profile,
        campaign=preset.campaign or name,
        seed=settings.campaign.seed,
        hyperparameters=asked,
        adapter_name=adapter_name,
        adapter=_adapter(settings, adapter_name, preset),
        hardware_name=preset.hardware,
        hardware=hardware,
        dataset_name=preset.dataset,
        dataset=settings.datasets[preset.dataset] if preset.dataset else None,
        retention=settings.retention.model_copy(update=keep),
    )


def _hyperparameters(
    settings: RealmSettings, hero: str, preset: PresetSettings, hardware: HardwareProfile | None
) -> Hyperparameters:
    """Later wins: set `default`, the hero's own (fitted to the hardware), [training], the preset's set, the preset."""
    profile = settings.heroes[hero]
    usual = {**settings.hyperparameters.get("default", {}), **profile.training_defaults}
    return resolve_hyperparameters(
        usual,
        _fitted(resolve_hyperparameters(usual), usual, profile, hardware),
        settings.training,
        settings.hyperparameters[preset.hyperparameters] if preset.hyperparameters != "default" else {},
        _only(Hyperparameters, preset.overrides),
    )


def _fitted(
    usual: Hyperparameters, said: Mapping[str, Any], profile: HeroProfile, hardware: HardwareProfile | None
) -> dict[str, Any]:
    """A hero's usual values brought within limits: only what a person asks of this hardware can be too much for it."""
    if hardware is None:
        return {"max_length": min(usual.max_length, profile.context_window)}
    fitted: dict[str, Any] = {
        "max_length": min(usual.max_length, profile.context_window, hardware.max_sequence_length),
        "per_device_train_batch_size": _within(usual.per_device_train_batch_size, hardware.max_batch_size),
        "bf16": hardware.supports_bf16 and (usual.bf16 or ("bf16" not in said and hardware.device == "cuda")),
        "gradient_checkpointing": usual.gradient_checkpointing and hardware.supports_gradient_checkpointing,
    }
    if "gradient_accumulation_steps" not in said:
        fitted["gradient_accumulation_steps"] = hardware.recommended_gradient_accumulation
    return fitted


def _within(rows: int | Literal["auto"], most: int) -> int | Literal["auto"]:
    return "auto" if rows == "auto" else min(rows, most)


def _adapter(settings: RealmSettings, name: str, preset: PresetSettings) -> AdapterSettings | None:
    if name == NO_ADAPTER:
        return None
    parts = settings.adapters[name].model_dump()
    return AdapterSettings.model_validate({**parts, **_only(AdapterSettings, preset.overrides)})


def _only(model: type[Hyperparameters] | type[AdapterSettings], table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key in model.model_fields}


def _way_out(settings: RealmSettings, spec: RunSpec) -> str:
    """Hardware profiles on which the same spec breaks nothing."""
    fits = [
        name
        for name, hardware in settings.hardware.items()
        if not list(violations(spec.model_copy(update={"hardware": hardware, "hardware_name": name})))
    ]
    return f"Change the preset, or its hardware. It fits: {', '.join(fits)}." if fits else "Change the preset."
