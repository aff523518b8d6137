"""A hero: a profile's model and tokenizer, loaded and ready. Knows no campaign and no quest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from realm.errors import HeroError
from realm.heroes import bases, penalties, weights
from realm.heroes.bases import Base
from realm.heroes.data_profiles import PLAIN, DataProfile, data_profiles
from realm.heroes.data_profiles.rows import Prompt
from realm.heroes.families import Family, TransformersFamily, checkpoint_weights, families
from realm.heroes.penalties import Penalty, TokenPenalty
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

    @property
    def data_profile(self) -> str:
        """Name of a registered data profile."""

    @property
    def penalties(self) -> Sequence[Penalty]:
        """Texts that its answers are kept from."""

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
    base: Base | None = None
    """What the adapter on the model belongs to; None where all weights are the hero's own."""
    data_profile: DataProfile = PLAIN
    penalties: tuple[TokenPenalty, ...] = ()

    @property
    def hidden_matrices(self) -> list[str]:
        """Names of the parameters that Muon may train. None with an adapter: its factors are matrices, but an update
        that is orthogonal in each is not so in their product, which is what the model sees."""
        return [] if self.base else self.family.hidden_matrices(self.model)

    def answer_tokens(self, prompt: Prompt, answer: str) -> int:
        """Tokens of a plain answer as this hero says it, its end included."""
        said = self.data_profile.answer(answer, self.data_profile.ask(prompt))
        return len(self.tokenizer(said, add_special_tokens=False)["input_ids"]) + 1

    def answer(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int,
        batch_size: int | None = None,
        before_batch: Callable[[], object] = lambda: None,
    ) -> list[str]:
        """Plain greedy answers in the order asked; the questions are put and the answers read by its data profile."""
        asked = [self.data_profile.ask(prompt) for prompt in prompts]
        held_back = {"penalties": self.penalties} if self.penalties else {}
        said = self.family.answer(
            self.model,
            self.tokenizer,
            asked,
            max_new_tokens=max_new_tokens,
            batch_size=batch_size,
            before_batch=before_batch,
            **held_back,
        )
        return [self.data_profile.read(answer, prompt) for answer, prompt in zip(said, asked, strict=True)]

    def sample(self, prompts: Sequence[Prompt], *, count: int, **how: Any) -> list[list[str]]:
        """`count` plain sampled answers to each prompt, without penalties: they would not be the hero's own draws.

        `how` is what the family's `sample` takes.
        """
        asked = [self.data_profile.ask(prompt) for prompt in prompts]
        drawn = self.family.sample(self.model, self.tokenizer, asked, count=count, **how)
        return [
            [self.data_profile.read(answer, prompt) for answer in answers]
            for answers, prompt in zip(drawn, asked, strict=True)
        ]

    @property
    def form_hash(self) -> str:
        """A short name for the form in which it is asked: chat template, data profile, penalties."""
        form = [str(self.tokenizer.chat_template)]
        form += [self.data_profile.id] if self.data_profile is not PLAIN else []
        form += [repr(self.penalties)] if self.penalties else []
        return sha256("\0".join(form).encode()).hexdigest()[:16]


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
    if not isinstance(profile, str) and profile.status == "later":
        raise HeroError(f"{name or profile.base_model} comes later: {profile.reason}.", hint="Others: realm hero list")
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
    model = _model(family, found, tokenizer, str(seed), quantize)
    return LoadedHero(model, tokenizer, family, name or base_model, **_form(profile, tokenizer))


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
    return LoadedHero(model, tokenizer, family, name or base.hero_model, base, **_form(profile, tokenizer))


def _model(family: Family, found: Weights, tokenizer: Any, seed: str, quantize: str) -> Any:
    if quantize == "none":
        return family.load_model(found, tokenizer, seed=seed)
    return family.load_quantized(found, quantize)


def _form(profile: str | Profile, tokenizer: Any) -> dict[str, Any]:
    """How the hero is asked and answers, where a profile says it."""
    if isinstance(profile, str):
        return {}
    held_back = penalties.compiled(profile.penalties, tokenizer)
    return {"data_profile": data_profiles.get(profile.data_profile), "penalties": held_back}
