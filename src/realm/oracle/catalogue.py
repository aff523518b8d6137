"""Models as the service knows them: an unchanging set of weights under a name. How names are resolved is handed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from realm.errors import UsageError

if TYPE_CHECKING:
    from realm.heroes.hero import LoadedHero


@dataclass(frozen=True, slots=True)
class Model:
    """Weights that never change, and how to get them. Two with the same id are the same."""

    id: str
    """`hero:campaign@step`, or `hero:base`."""
    load: Callable[[], LoadedHero] = field(compare=False)
    size_bytes: int = field(default=0, compare=False)
    """What its weights will take in memory, as far as that is known before."""


@dataclass(frozen=True, slots=True)
class Card:
    """A name that may be asked for."""

    name: str
    id: str
    """The model that it stands for now."""
    created: float = 0.0
    about: str = ""


class Catalogue(Protocol):
    """Which names there are. Called in worker threads."""

    def find(self, name: str) -> Model:
        """What the name stands for now. Raises what `unknown_model` makes, and CheckpointError."""

    def cards(self) -> Sequence[Card]:
        """All names, the most wanted first."""


def unknown_model(name: str, why: str = "") -> UsageError:
    """The error for a name that stands for no model."""
    shown = name if name.isprintable() else ascii(name)
    shown = shown if len(shown) <= 80 else f"{shown[:80]}..."
    return UsageError(
        f"There is no model '{shown}'{f': {why}' if why else '.'}",
        hint="See the names: GET /v1/models, or realm oracle models",
        param="model",
    )
