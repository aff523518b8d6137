"""The catalogue of primitives: atomic, testable operations that problems name. Knows no skill."""

from __future__ import annotations

from .catalogue import CATALOGUE, Primitive

__all__ = ["CATALOGUE", "Primitive"]
