"""What earlier runs found out about memory, in one small file of the workspace. Knows no model and no torch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from realm.config.schema import Hyperparameters

KEPT_PEAKS = 8
"""Measured peaks that are kept for each model and device, the newest ones."""


class Remembered:
    """Rows and tokens that fit, and peaks that were measured. A file that cannot be read counts as an empty one.

    It is a cache: whoever deletes it has the next run look again. Without a path nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def number(self, what: str, key: str) -> int | None:
        """The rows or tokens that were found for a key."""
        found = self._read().get(what, {}).get(key)
        return found if isinstance(found, int) and found > 0 else None

    def keep(self, what: str, key: str, number: int) -> None:
        """Note a number."""
        told = self._read()
        self._write({**told, what: {**told.get(what, {}), key: number}})

    def peaks(self, model: str, device: str) -> list[dict[str, Any]]:
        """Measured peaks of a model on a device, oldest first: `settings` and `bytes`."""
        found = self._read().get("peaks", {}).get(f"{model} on {device}", [])
        return [one for one in found if isinstance(one, dict) and {"settings", "bytes"} <= one.keys()]

    def keep_peak(self, model: str, device: str, settings: Mapping[str, Any], peak: int) -> None:
        """Note a peak; of the same settings the highest one stays."""
        told, key = self._read(), f"{model} on {device}"
        alike = [one["bytes"] for one in self.peaks(model, device) if one["settings"] == settings]
        others = [one for one in self.peaks(model, device) if one["settings"] != settings]
        mine = {"settings": dict(settings), "bytes": max([peak, *alike])}
        self._write({**told, "peaks": {**told.get("peaks", {}), key: [*others, mine][-KEPT_PEAKS:]}})

    def _read(self) -> dict[str, Any]:
        try:
            told = json.loads(self._path.read_text(encoding="utf-8")) if self._path else {}
        except (OSError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}

    def _write(self, told: Mapping[str, Any]) -> None:
        if self._path is None:
            return
        whole = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        whole.write_text(json.dumps(told, indent=1, ensure_ascii=False), encoding="utf-8")
        whole.replace(self._path)


MEMORY_SETTINGS = (
    "method", "optim", "optim_rank", "per_device_train_batch_size", "max_length", "packing", "bf16",
    "gradient_checkpointing", "ema_decay",
)  # fmt: skip
"""The hyperparameters that decide how much memory a run takes."""


def memory_settings(settings: Hyperparameters, adapter: str) -> dict[str, Any]:
    """What a peak is noted under; `adapter` says rank and targets, or is empty."""
    return {name: getattr(settings, name) for name in MEMORY_SETTINGS} | {"adapter": adapter}


def shape_key(model: str, settings: Hyperparameters, adapter: str, device: str) -> str:
    """What a number of rows or tokens is noted under: whatever the rows themselves do not change."""
    told = memory_settings(settings, adapter)
    kept = {name: value for name, value in told.items() if name not in {"per_device_train_batch_size", "ema_decay"}}
    return f"{model} on {device}: " + ", ".join(f"{name}={value}" for name, value in kept.items())
