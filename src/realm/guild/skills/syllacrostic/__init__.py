"""SY: syllacrostics, levels 1 to 50."""

from __future__ import annotations

from .skill import SyllacrosticSkill

__all__ = ["SyllacrosticSkill"]
