"""Training runs on a model that stays loaded. Importing this package imports no torch."""

from realm.arena.control import Hooks

__all__ = ["Hooks"]
