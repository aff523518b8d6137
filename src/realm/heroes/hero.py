"""A hero: a profile's model and tokenizer, loaded and ready. Knows no campaign and no quest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from realm.errors import HeroError
from realm.heroes import weights
from realm.heroes.families import Family, TransformersFamily, checkpoint_weights, families


class Profile(Protocol):
    """What a hero's profile must tell; the rest of it is not this module's business."""

    @property
    def base_model(self) -> str: ...
    @property
    def revision(self) -> str | None: ...
    @property
    def family(self) -> str:
        """Name of a registered model family."""

    @property
    def chat_template(self) -> str | None:
        """A Jinja template in place of the tokenizer's own; empty or None keeps that."""

    @property
    def status(self) -> str:
        """`available`, or `later` for a hero that this version only lists."""

    @property
    def reason(self) -> str: ...


@dataclass(frozen=True, slots=True)
class LoadedHero:
    """A model and its tokenizer, with the family that knows how to use them."""

    model: Any
    tokenizer: Any
    family: Family
    name: str


def load(
    profile: str | Profile,
    *,
    models: Path | None = None,
    checkpoint: Path | None = None,
    seed: int | str = 0,
    name: str | None = None,
) -> LoadedHero:
    """Load a hero by name or profile: from `checkpoint` if given, else its base weights.

    `models` is the workspace's folder of base models. `seed` names the first weights of the hatchling;
    other heroes do not use it. By name alone the family is `transformers`. Raises WeightsMissing, MissingExtra or
    HeroError, each with the next step.
    """
    if not isinstance(profile, str) and profile.status == "later":
        raise HeroError(f"{name or profile.base_model} comes later: {profile.reason}.", hint="Others: realm hero list")
    base_model = profile if isinstance(profile, str) else profile.base_model
    revision = None if isinstance(profile, str) else profile.revision
    found = (
        checkpoint_weights(checkpoint)
        if checkpoint
        else weights.find(base_model, models_folder=models, revision=revision)
    )
    family = families.get(TransformersFamily.id if isinstance(profile, str) else profile.family)
    tokenizer = family.load_tokenizer(found)
    if checkpoint is None and not isinstance(profile, str) and profile.chat_template:  # a checkpoint keeps its own
        tokenizer.chat_template = profile.chat_template
    return LoadedHero(family.load_model(found, tokenizer, seed=str(seed)), tokenizer, family, name or base_model)
