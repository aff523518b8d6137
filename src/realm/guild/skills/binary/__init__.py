"""BIN: binary arithmetic in circled digits, levels 1 to 30."""

from __future__ import annotations

from .skill import BinarySkill, vocabulary

__all__ = ["BinarySkill", "vocabulary"]
