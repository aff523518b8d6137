"""Where a preset's finished model goes and what its `metadata.json` tells. Writes nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from realm.config.run_spec import RunSpec
from realm.config.schema import DatasetSettings, OutputSettings
from realm.workspace import safe_name


def dataset_file(dataset: DatasetSettings, split: str) -> Path:
    """The file of a split (`train`, `val` or `test`); a dataset whose path is a file is its own training split."""
    path = Path(dataset.path).expanduser()
    names = {"train": dataset.train_split, "val": dataset.val_split, "test": dataset.test_split}
    return path if path.suffix == ".jsonl" and split == "train" else path / names[split]


def good_enough(dataset: DatasetSettings, row: dict[str, Any]) -> bool:
    """Whether a row passes the dataset's threshold; a row that tells no quality passes."""
    quality = row.get("quality", row.get("quality_score"))
    return not isinstance(quality, int | float) or quality >= dataset.quality_threshold


def model_folder(spec: RunSpec, output: OutputSettings, models: Path, when: datetime) -> Path:
    """The folder of the finished model. `models` is the workspace's folder, used when the settings name none."""
    name = output.name_template.format(
        name=spec.hero, role=spec.profile.role, base_short=base_short(spec.profile.base_model),
        date=when.strftime(output.date_format),
    )  # fmt: skip
    return (Path(output.models_dir).expanduser() if output.models_dir else models) / safe_name(name)


def base_short(base_model: str) -> str:
    """A model's name for a folder: `Qwen/Qwen2.5-Coder-1.5B` is `qwen25-coder-15b`."""
    return re.sub(r"[^a-z0-9-]", "", base_model.rstrip("/").rpartition("/")[2].lower())


def run_metadata(
    spec: RunSpec,
    output: OutputSettings,
    *,
    samples: int,
    seconds: float,
    created: datetime,
    dataset: str = "",
    evaluation: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What `metadata.json` of a finished training tells; the settings leave out what is not wanted."""
    wanted = output.metadata
    named = dataset or (spec.dataset.path if spec.dataset else spec.quest)
    training: dict[str, Any] = {"dataset": str(Path(named).expanduser()) if named else ""}
    training |= {"num_samples": samples} if wanted.include_dataset_stats else {}
    training |= _hyperparameters(spec) if wanted.include_hyperparameters else {}
    if wanted.include_training_duration:
        training |= {"duration_seconds": round(seconds, 1), "duration_minutes": round(seconds / 60, 2)}
    about = {"created": created.isoformat(), "realm": spec.versions.get("realm", "")}
    about |= {"git_commit": spec.git_commit or ""} if wanted.include_git_commit else {}
    told: dict[str, Any] = {"expert": _expert(spec), "model": _model(spec), "training": training}
    if wanted.include_hardware_info and spec.hardware:
        told["hardware"] = {
            "name": spec.hardware.name, "device": spec.hardware.device, "fp16": False, "bf16": spec.hyperparameters.bf16
        }  # fmt: skip
    if wanted.include_evaluation and evaluation:
        told["evaluation"] = dict(evaluation)
    return {**told, "metadata": about}


def _expert(spec: RunSpec) -> dict[str, Any]:
    profile = spec.profile
    return {
        "name": profile.display_name or spec.hero,
        "role": profile.role,
        "group": profile.group,
        "specialization": profile.specialization,
    }


def _model(spec: RunSpec) -> dict[str, Any]:
    adapter = {"lora_rank": spec.adapter.r, "lora_alpha": spec.adapter.lora_alpha} if spec.adapter else {}
    return {"base": spec.profile.base_model, **adapter}


def _hyperparameters(spec: RunSpec) -> dict[str, Any]:
    used = spec.hyperparameters
    return {
        "num_epochs": used.num_train_epochs,
        "batch_size": used.per_device_train_batch_size,
        "gradient_accumulation": used.gradient_accumulation_steps,
        "learning_rate": used.learning_rate,
        "sequence_length": used.max_length,
    }
