"""A hero as its campaign trains it: all its weights, or an adapter on a base that stays as it is. Knows no trainer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from realm.config.schema import AdapterSettings
from realm.errors import UsageError
from realm.heroes import bases, weights
from realm.heroes.hero import LoadedHero, Profile, load, load_base


def load_to_train(
    profile: Profile,
    adapter: AdapterSettings | None,
    *,
    models: Path,
    checkpoint: Path | None = None,
    start: Path | None = None,
    seed: int | str = 0,
    name: str | None = None,
) -> LoadedHero:
    """The hero at `checkpoint`, or at its first step: on its base weights, or on those of a New Game+ in `start`.

    `adapter` None trains all weights. What `start` holds becomes what is asked for: an adapter of the same shape goes
    on, any other is merged into its base first. Raises UsageError when `checkpoint` is of another kind, another shape
    or another base, and what `load` raises.
    """
    if checkpoint is not None:
        return _going_on(profile, adapter, checkpoint, models, name)
    if adapter is None:
        return _all_weights(load(profile, models=models, checkpoint=start, seed=seed, name=name))
    if start is not None:
        return _on_start(profile, adapter, start, models, str(seed), name)
    found = weights.find(profile.base_model, models_folder=models, revision=profile.revision)
    hero = load(profile, models=models, seed=seed, name=name, quantize=adapter.quantize)
    base = bases.Base(
        base_model=profile.base_model,
        sha256=bases.fingerprint(found, hero.model),
        revision=profile.revision,
        seed="" if found.folder else str(seed),
    )
    return _with_new_adapter(replace(hero, base=base), adapter, str(seed))


def _going_on(
    profile: Profile, adapter: AdapterSettings | None, folder: Path, models: Path, name: str | None
) -> LoadedHero:
    is_adapter = bases.is_adapter(folder)
    if is_adapter != (adapter is not None):
        was, asked = ("an adapter", "all weights") if is_adapter else ("all weights", "an adapter")
        raise UsageError(
            f"This campaign has trained {was} so far, and its settings ask for {asked}.",
            hint="Set the hero's adapter back, or go on in a new campaign: realm campaign create NAME --from latest",
        )
    if adapter is None:
        return load(profile, models=models, checkpoint=folder, name=name)
    from realm.heroes import adapters  # noqa: PLC0415 - torch stays behind the door

    hero = load_base(profile, folder, models=models, name=name, quantize=adapter.quantize)
    config = adapters.configuration(adapter, hero.family, hero.model)
    adapters.require_unchanged(adapters.read_configuration(folder), config, folder)
    return replace(hero, model=adapters.put_on(hero.model, folder, config))


def _on_start(
    profile: Profile, adapter: AdapterSettings, start: Path, models: Path, seed: str, name: str | None
) -> LoadedHero:
    """A New Game+: the adapter of `start` goes on if it has the shape asked for; all else becomes a base."""
    from realm.heroes import adapters  # noqa: PLC0415 - torch stays behind the door

    if bases.is_adapter(start):
        saved = adapters.read_configuration(start)
        hero = load_base(profile, start, models=models, name=name)
        if not adapters.differences(saved, adapters.configuration(adapter, hero.family, hero.model)):
            return _going_on(profile, adapter, start, models, name)
        hero = _all_weights(replace(hero, model=adapters.put_on(hero.model, start, saved)))
    else:
        hero = load(profile, models=models, checkpoint=start, name=name)
    base = bases.keep(hero.model, hero.tokenizer, models, profile.base_model)
    if adapter.quantize != "none":
        found = weights.find(base.base_model, models_folder=models)
        hero = replace(hero, model=hero.family.load_quantized(found, adapter.quantize))
    return _with_new_adapter(replace(hero, base=base), adapter, seed)


def _with_new_adapter(hero: LoadedHero, adapter: AdapterSettings, seed: str) -> LoadedHero:
    from realm.heroes import adapters  # noqa: PLC0415 - torch stays behind the door

    config = adapters.configuration(adapter, hero.family, hero.model)
    return replace(hero, model=adapters.attach(hero.model, config, seed=seed))


def _all_weights(hero: LoadedHero) -> LoadedHero:
    """An adapter added to its base, where there is one: from here on all weights may train."""
    if hero.base is None:
        return hero
    from realm.heroes import adapters  # noqa: PLC0415 - torch stays behind the door

    model = adapters.merged(hero.model)
    model.requires_grad_(True)
    return replace(hero, model=model, base=None)
