"""Realm keeps small language models learning, raised like heroes in a game."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from realm.presets.trainer import ConfigTrainer

__version__ = "0.1.0"
__all__ = ["ConfigTrainer", "__version__"]


def __getattr__(name: str) -> Any:
    """`from realm import ConfigTrainer` loads what it needs at that moment, and nothing before."""
    if name == "ConfigTrainer":
        from realm.presets.trainer import ConfigTrainer  # noqa: PLC0415 - `realm --help` must stay light

        return ConfigTrainer
    raise AttributeError(f"module 'realm' has no attribute '{name}'")
