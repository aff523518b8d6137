"""A hero: a profile's model and tokenizer, loaded and ready. Knows no campaign and no quest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from realm.heroes import bases, weights
from realm.heroes.bases import Base
from realm.heroes.families import Family, TransformersFamily, checkpoint_weights, families
from realm.heroes.weights import Weights


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


@dataclass(frozen=True, slots=True)
class LoadedHero:
    """A model and its tokenizer, with the family that knows how to use them."""

    model: Any
    tokenizer: Any
    family: Family
    name: str
    base: Base | None = None
    """What the adapter on the model belongs to; None where all weights are the hero's own."""

    @property
    def hidden_matrices(self) -> list[str]:
        """Names of the parameters that Muon may train. None with an adapter: its factors are matrices, but an update
        that is orthogonal in each is not so in their product, which is what the model sees."""
        return [] if self.base else self.family.hidden_matrices(self.model)


def load(
    profile: str | Profile,
    *,
    models: Path | None = None,
    checkpoint: Path | None = None,
    seed: int | str = 0,
    name: str | None = None,
    quantize: str = "none",
) -> LoadedHero:
    """Load a hero by name or profile: from `checkpoint` if given, be it a model or an adapter, else its base weights.

    `models` is the workspace's folder of base models. `seed` names the first weights of the hatchling;
    other heroes do not use it. By name alone the family is `transformers`. Raises WeightsMissing, MissingExtra,
    HeroError, or for an adapter what `load_base` raises, each with the next step.
    """
    if checkpoint is not None and bases.is_adapter(checkpoint):
        from realm.heroes import adapters  # noqa: PLC0415 - torch stays behind the door

        hero = load_base(profile, checkpoint, models=models, name=name)
        return replace(hero, model=adapters.put_on(hero.model, checkpoint))
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
    return LoadedHero(_model(family, found, tokenizer, str(seed), quantize), tokenizer, family, name or base_model)


def load_base(
    profile: str | Profile, folder: Path, *, models: Path | None = None, name: str | None = None, quantize: str = "none"
) -> LoadedHero:
    """The model that the adapter in `folder` belongs to, without it, and the adapter's own tokenizer.

    Raises UsageError when the hero is built on another model, or other weights lie where the base was.
    """
    base = bases.read(folder)
    if not isinstance(profile, str):
        bases.require_hero(base, profile.base_model, folder)
    found = weights.find(base.base_model, models_folder=models, revision=base.revision)
    family = families.get(TransformersFamily.id if isinstance(profile, str) else profile.family)
    tokenizer = family.load_tokenizer(weights.Weights(folder))
    model = _model(family, found, tokenizer, base.seed, quantize)
    bases.require_same(base, bases.fingerprint(found, model), folder)
    return LoadedHero(model, tokenizer, family, name or base.hero_model, base)


def _model(family: Family, found: Weights, tokenizer: Any, seed: str, quantize: str) -> Any:
    if quantize == "none":
        return family.load_model(found, tokenizer, seed=seed)
    return family.load_quantized(found, quantize)
