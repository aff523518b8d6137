"""`metadata.json`: what a finished training of a preset says about itself, section by section."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from realm.config.run_spec import RunSpec


def metadata(
    spec: RunSpec, *, dataset: str, rows: int, seconds: float, created: datetime | None = None
) -> dict[str, Any]:
    """The sections expert, model, training, hardware and metadata. `seconds` is wall time, `rows` the trained rows."""
    asked, hardware = spec.hyperparameters, spec.hardware
    return {
        "expert": {
            "name": spec.profile.display_name or spec.hero,
            "role": spec.profile.role,
            "group": spec.profile.group,
            "specialization": spec.profile.specialization,
        },
        "model": {
            "base": spec.profile.base_model,
            "lora_rank": spec.adapter.r if spec.adapter else None,
            "lora_alpha": spec.adapter.lora_alpha if spec.adapter else None,
        },
        "training": {
            "dataset": dataset,
            "num_samples": rows,
            "num_epochs": asked.num_train_epochs,
            "batch_size": asked.per_device_train_batch_size,
            "gradient_accumulation": asked.gradient_accumulation_steps,
            "learning_rate": asked.learning_rate,
            "sequence_length": asked.max_length,
            "duration_seconds": round(seconds, 1),
            "duration_minutes": round(seconds / 60, 2),
        },
        "hardware": {
            "name": hardware.name if hardware else "",
            "device": hardware.device if hardware else "",
            "fp16": False,
            "bf16": asked.bf16,
        },
        "metadata": {"created": (created or datetime.now()).isoformat(), "git_commit": spec.git_commit},
    }
