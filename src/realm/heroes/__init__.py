"""Model families and the heroes that stand on them. Importing this package imports no torch."""

from realm.heroes.hero import LoadedHero, load

__all__ = ["LoadedHero", "load"]
