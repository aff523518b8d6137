"""What a training would be, without doing it: the merged spec, the memory it needs, and the lists to choose from.

Imports no torch. `realm train` calls `preset_run` for the spec that it trains.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import typer

from realm.cli.config import settings_file
from realm.cli.context import print_json
from realm.config.estimate import GB, MemoryEstimate, cheaper, estimate, geometry_of
from realm.config.layers import Loaded, load_with_sources
from realm.config.preset_file import PresetRun, load_preset
from realm.config.run_spec import RunSpec
from realm.config.teacher import parse

PRECISION = {True: "bfloat16", False: "float32", "auto": "bfloat16 where the processor multiplies in it"}


def preset_run(preset: str, overrides: Sequence[str] = (), config_file: Path | None = None) -> PresetRun:
    """The spec of a preset with command-line overrides, the settings it was made of, and notices for the reader.

    Raises UsageError for an unknown preset and ConfigError with every mistake: see `config.preset_file`.
    """
    return load_preset(preset, overrides, workspace_settings=settings_file(), config_file=config_file)


def dry_run(
    preset: str, overrides: Sequence[str] = (), config_file: Path | None = None, *, as_json: bool = False
) -> None:
    """Print the merged spec with the memory estimate. Raises ConfigError when the preset breaks a limit."""
    spec, _, notices = preset_run(preset, overrides, config_file)
    file = settings_file()
    geometry = geometry_of(spec.profile, file.parent / "models" if file else None)
    memory = estimate(spec, geometry) if geometry else None
    if as_json:
        told = {"spec": spec.model_dump(mode="json"), "hash": spec.hash, "memory": memory.as_json() if memory else None}
        print_json(told)
        return
    for line in (*_spec_lines(spec), *_memory_lines(spec, memory), *notices):
        typer.echo(line)
    if geometry and memory and spec.hardware and memory.total > spec.hardware.available_memory_gb * GB:
        change = cheaper(spec, geometry, spec.hardware.available_memory_gb * GB)
        advice = f"Would fit: {change}" if change else "Choose a smaller model."
        typer.echo(f"  likely too much for {spec.hardware_name}. {advice}")


def list_presets(config_file: Path | None = None, *, as_json: bool = False) -> None:
    """Every preset with its parts."""
    presets = _load((), config_file).settings.presets
    rows = [{"name": name, **preset.model_dump(mode="json")} for name, preset in presets.items()]
    _print(rows, ("name", "hero", "hardware", "dataset", "hyperparameters", "adapter"), as_json)


def list_heroes(config_file: Path | None = None, *, as_json: bool = False) -> None:
    """Every hero (the fifth seed calls some of them experts)."""
    heroes = _load((), config_file).settings.heroes
    rows = [{"name": name, **hero.model_dump(mode="json", exclude_none=True)} for name, hero in heroes.items()]
    for row in rows:
        row["remark"] = f"later: {row['reason']}" if row["status"] == "later" else ""
    _print(rows, ("name", "role", "group", "base_model", "adapter", "specialization", "remark"), as_json)


def list_datasets(config_file: Path | None = None, *, as_json: bool = False) -> None:
    """Every dataset, and which of its splits are there."""
    from realm.config.output import dataset_file  # noqa: PLC0415 - only this list looks for the files

    rows = []
    for name, dataset in _load((), config_file).settings.datasets.items():
        there = [split for split in ("train", "val", "test") if dataset_file(dataset, split).is_file()]
        told = dataset.model_dump(mode="json")
        rows.append({"name": name, **told, "splits": there, "here": "+".join(there) or "not on this machine"})
    _print(rows, ("name", "path", "quality_threshold", "here", "description"), as_json)


def list_hardware(config_file: Path | None = None, *, as_json: bool = False) -> None:
    """Every hardware profile with its limits; the one that suits this machine is marked."""
    from realm.config.hardware import detect, suggest  # noqa: PLC0415 - only this list looks at the machine

    profiles = _load((), config_file).settings.hardware
    suits = suggest(detect(), profiles)
    rows = []
    for name, profile in profiles.items():
        able = (("fp16", profile.supports_fp16), ("bf16", profile.supports_bf16))
        precision = [kind for kind, works in able if works]
        told = profile.model_dump(mode="json", exclude_none=True)
        rows.append({"name": name, **{k: v for k, v in told.items() if k != "name"}, "title": profile.name})
        rows[-1] |= {"precision": "+".join(["fp32", *precision]), "here": "this machine" if name == suits else ""}
        rows[-1] |= {"remark": _hardware_remark(profile.status, profile.reason, profile.notes, profile.cost_per_hour)}
    columns = ("name", "device", "available_memory_gb", "max_batch_size", "max_sequence_length", "max_lora_rank")
    _print(rows, (*columns, "precision", "remark", "here"), as_json)


def _load(overrides: Sequence[str], config_file: Path | None) -> Loaded:
    return load_with_sources(settings_file(), overrides, config_file=config_file)


def _spec_lines(spec: RunSpec) -> Iterable[str]:
    used = spec.hyperparameters
    processes = spec.hardware.processes * spec.hardware.nodes if spec.hardware else 1
    batch: int | str = used.batch_rows * used.gradient_accumulation_steps * processes
    batch = "as many as fit" if used.per_device_train_batch_size == "auto" else batch
    yield f"{spec.preset}  ({spec.hash[:12]})"
    yield f"  hero      {spec.hero}: {spec.profile.base_model}, campaign {spec.campaign}"
    yield f"  hardware  {f'{spec.hardware_name}: {spec.hardware.name}' if spec.hardware else 'no profile, no limits'}"
    yield f"  dataset   {f'{spec.dataset_name}: {spec.dataset.path}' if spec.dataset else 'none named; give a file'}"
    if spec.dataset and (spec.dataset.description or spec.dataset.notes):
        about = (spec.dataset.description, spec.dataset.notes, ", ".join(spec.dataset.domains))
        yield f"            {'; '.join(filter(None, about))}"
    yield f"  adapter   {_adapter_words(spec)}"
    if used.method == "distill":
        yield f"  teacher   {parse(used.teacher).words()}"
    yield (
        f"  training  {used.method}, {used.optim}, learning rate {used.learning_rate:g} {used.lr_scheduler_type}, "
        f"warmup {used.warmup_steps}, {used.num_train_epochs:g} epoch(s)"
    )
    yield f"            {used.max_length} tokens a row, {batch} rows a step, {PRECISION[used.bf16]}"
    if spec.hardware and spec.hardware.cost_per_hour:
        yield f"  cost      {spec.hardware.cost_per_hour:.2f} USD an hour"


def _adapter_words(spec: RunSpec) -> str:
    if spec.adapter is None:
        return "none: all weights are trained"
    return f"{spec.adapter_name}: rank {spec.adapter.r} on {', '.join(spec.adapter.target_modules)}"


def _memory_lines(spec: RunSpec, memory: MemoryEstimate | None) -> Iterable[str]:
    if memory is None:
        yield "  memory    unknown: neither the model's config.json nor its size (parameters_billion) is at hand"
        return
    room = f" of {spec.hardware.available_memory_gb:g} GB" if spec.hardware else ""
    yield f"  memory    about {memory.total / GB:.1f} GB{room} (an estimate from {memory.source})"
    parts = ("weights", "gradients", "optimizer", "activations", "runtime")
    yield "            " + ", ".join(f"{part} {getattr(memory, part) / GB:.2f}" for part in parts)


def _hardware_remark(status: str, reason: str, notes: str, cost: float | None) -> str:
    said = [f"unsupported: {reason}" if status == "unsupported" else "", notes, f"{cost:.2f} USD/h" if cost else ""]
    return "; ".join(filter(None, said))


def _print(rows: list[dict[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    """A table of some columns, or all there is as JSON."""
    if as_json:
        print_json(rows)
        return
    texts = [[str(row.get(column) or "-") for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *texts, strict=True)]
    for line in (columns, *texts):
        typer.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
