"""A preset's parts put together into the spec of one run, within the limits of its hardware. Pure; reads no file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from realm.config import teacher
from realm.config.layers import hero_name, resolve_hyperparameters
from realm.config.run_spec import RunSpec, installed_versions
from realm.config.schema import (
    AdapterSettings,
    HardwareProfile,
    HeroProfile,
    Hyperparameters,
    PresetSettings,
    RealmSettings,
    at_most,
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
    spec = merged(settings, name)
    if problems := [f"{name}: {words}" for _, words in mistakes_of(settings, spec)]:
        raise ConfigError(problems, hint=way_out(settings, spec))
    versions = installed_versions() if versions is None else versions
    return spec.model_copy(update={"versions": dict(versions), "git_commit": commit})


def violations(spec: RunSpec) -> Iterator[str]:
    """Every limit of the hardware and of the hero that a spec breaks, in words."""
    for _, words in limits_broken(spec):
        yield f"{spec.preset}: {words}"


def mistakes_of(settings: RealmSettings, spec: RunSpec) -> Iterator[tuple[str, str]]:
    """Limits that a spec breaks, and a teacher that cannot be: the preset's key, and words."""
    yield from limits_broken(spec)
    if wrong := teacher.problem(settings, spec.hyperparameters):
        yield "teacher", wrong


def limits_broken(spec: RunSpec) -> Iterator[tuple[str, str]]:
    """Every limit that a spec breaks: the preset's key that asks for too much, and words."""
    asked, reach = spec.hyperparameters, spec.profile.context_window
    if spec.profile.status == "later":
        yield "hero", f"{spec.hero} comes later: {spec.profile.reason or 'no reason is given'}."
    if asked.max_length > reach:
        yield "max_length", f"sequence length {asked.max_length} is more than {spec.hero} reads: {reach}."
    if spec.hardware is None:
        return
    limits, where = spec.hardware, f"{spec.hardware_name} ({spec.hardware.name})"
    if limits.status == "unsupported":
        yield "hardware", f"{where} is unsupported: {limits.reason or 'no reason is given'}"
    rank = spec.adapter.r if spec.adapter else 0
    for key, what, value, limit in (
        ("per_device_train_batch_size", "batch size", asked.batch_rows, limits.max_batch_size),
        ("max_length", "sequence length", asked.max_length, limits.max_sequence_length),
        ("r", "adapter rank", rank, limits.max_lora_rank),
    ):
        if value > limit:
            yield key, f"{what} {value} is more than {where} carries: {limit}."
    if asked.bf16 is True and not limits.supports_bf16:
        yield "bf16", f"{where} has no bfloat16 (bf16 = true)."
    if asked.gradient_checkpointing and spec.adapter and not limits.supports_gradient_checkpointing:
        yield "gradient_checkpointing", f"{where} has no gradient checkpointing with an adapter."


def merged(settings: RealmSettings, name: str) -> RunSpec:
    """A preset's parts put together, whatever limit they break. Raises UsageError for an unknown preset."""
    if name not in settings.presets:
        raise unknown("preset", name, settings.presets)
    preset = settings.presets[name]
    hero = hero_name(settings, preset.hero)
    profile = settings.heroes[hero]
    hardware = settings.hardware[preset.hardware] if preset.hardware else None
    adapter_name = preset.adapter or profile.adapter
    # a preset that is the only one to say how many checkpoints stay says it for its own campaign
    asked = _hyperparameters(settings, hero, preset, hardware)
    retention = at_most(settings.retention, asked.save_total_limit) if asked.save_total_limit else settings.retention
    return RunSpec(
        preset=name,
        hero=hero,
        profile=profile.model_copy(update={"data_profile": preset.data_profile or profile.data_profile}),
        campaign=preset.campaign or name,
        seed=settings.campaign.seed,
        hyperparameters=asked,
        adapter_name=adapter_name,
        adapter=_adapter(settings, adapter_name, preset),
        hardware_name=preset.hardware,
        hardware=hardware,
        examine=tuple(profile.skill_priorities) if preset.examine is None else preset.examine,
        dataset_name=preset.dataset,
        dataset=settings.datasets[preset.dataset] if preset.dataset else None,
        retention=retention,
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


def way_out(settings: RealmSettings, spec: RunSpec) -> str:
    """Hardware profiles on which the same spec breaks nothing."""
    fits = [
        name
        for name, hardware in settings.hardware.items()
        if not list(violations(spec.model_copy(update={"hardware": hardware, "hardware_name": name})))
    ]
    return f"Change the preset, or its hardware. It fits: {', '.join(fits)}." if fits else "Change the preset."
