"""A checkpoint written for use elsewhere, and asked whether it still answers the same. Knows no ledger and no campaign.

The folder appears whole or not at all: everything is written and checked in a hidden sibling, and renamed at the end.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from realm.errors import HeroError, UsageError
from realm.heroes import adapters, bases, gguf, model_card, ollama, weights
from realm.heroes.hero import LoadedHero, Profile, load
from realm.heroes.parity import Parity, answers, compare
from realm.heroes.weights import Weights

Format = Literal["hf", "merged", "gguf"]
FORMATS: tuple[str, ...] = get_args(Format)
METADATA, CARD, MODELFILE, GGUF = "metadata.json", "README.md", "Modelfile", "model.gguf"


@dataclass(frozen=True, slots=True)
class Source:
    """What is exported, and how it is asked."""

    folder: Path
    """A checkpoint of which every byte was verified."""
    files: Sequence[str]
    """Those of its files that a user needs."""
    profile: Profile
    models: Path
    prompts: Sequence[str]
    max_new_tokens: int
    context_tokens: int
    told: Mapping[str, Any]
    """What `metadata.json` and the card say of it."""


@dataclass(frozen=True, slots=True)
class Exported:
    folder: Path
    parity: Parity
    notes: tuple[str, ...]
    """What a person should know, such as why there is no Modelfile."""


def export(
    source: Source, form: Format, target: Path, *, converter: Sequence[str] = (), outtype: str = "f16"
) -> Exported:
    """Write `source` to the new folder `target`. `converter` is the command that writes GGUF.

    Raises UsageError when the folder exists or the format does not suit, HeroError when the answers differ.
    """
    if target.exists():
        raise UsageError(f"{target} exists already; nothing is overwritten.", hint="Choose another: --to DIR")
    adapted = bases.is_adapter(source.folder)
    if form == "merged" and not adapted:
        raise UsageError(
            f"{source.told['checkpoint']} holds a whole model; there is no adapter to merge.",
            hint="Export it as it is: --format hf",
        )
    hero = load(source.profile, models=source.models, checkpoint=source.folder)
    before = answers(hero, source.prompts, max_new_tokens=source.max_new_tokens)
    with _whole_or_not_at_all(target) as staging:
        write = _writer(form, source, hero, converter, outtype)
        write(staging)
        again = _reload(form, source, hero, staging)
        after = answers(again, source.prompts, max_new_tokens=source.max_new_tokens)
        parity = compare(source.prompts, before, after, max_new_tokens=source.max_new_tokens)
        parity.require()
        notes = _modelfile(staging, hero, source, form, adapted and form == "hf")
        told = {**source.told, "format": form, "adapter": adapted and form == "hf", "parity": parity.as_json()}
        _write_json(staging / METADATA, told)
        (staging / CARD).write_text(model_card.card(told), encoding="utf-8")
    return Exported(target, parity, notes)


def _writer(
    form: Format, source: Source, hero: LoadedHero, converter: Sequence[str], outtype: str
) -> Callable[[Path], None]:
    if form == "hf":
        return lambda folder: _copy(source, folder)
    if form == "merged":
        return lambda folder: _merge(hero, folder)
    return lambda folder: _convert(source, hero, folder, converter, outtype)


def _copy(source: Source, folder: Path) -> None:
    for name in source.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.folder / name, folder / name)


def _merge(hero: LoadedHero, folder: Path) -> None:
    """The hero's adapter is added to its base; the hero that was handed in is used up."""
    adapters.merged(hero.model).save_pretrained(folder)
    hero.tokenizer.save_pretrained(folder)


def _convert(source: Source, hero: LoadedHero, folder: Path, converter: Sequence[str], outtype: str) -> None:
    whole = folder / ".whole"
    whole.mkdir()
    if hero.base is None:
        _copy(source, whole)
    else:
        _merge(hero, whole)
    gguf.convert(list(converter), whole, folder / GGUF, outtype=outtype)
    shutil.rmtree(whole)


def _reload(form: Format, source: Source, hero: LoadedHero, folder: Path) -> LoadedHero:
    """What stands in the folder now, as its user will load it."""
    if form != "gguf":
        return load(source.profile, models=source.models, checkpoint=folder)
    weights.require_extra("gguf", "smol", "Reading GGUF back")
    model = hero.family.load_model(Weights(folder, gguf_file=GGUF), hero.tokenizer, seed="")
    return replace(hero, model=model, base=None)


def _modelfile(folder: Path, hero: LoadedHero, source: Source, form: Format, adapter: bool) -> tuple[str, ...]:
    """Write the Modelfile, or say why there is none."""
    if adapter:
        return (f"No {MODELFILE}: Ollama needs the base and the adapter as one. Export it with --format merged.",)
    weights_path = f"./{GGUF}" if form == "gguf" else "."
    try:
        text = ollama.modelfile(hero.tokenizer, weights_path, context_tokens=source.context_tokens)
    except HeroError as error:
        return (f"No {MODELFILE}: {error.message} {error.hint}",)
    (folder / MODELFILE).write_text(text, encoding="utf-8")
    return ()


def _write_json(file: Path, value: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@contextmanager
def _whole_or_not_at_all(target: Path) -> Iterator[Path]:
    staging = target.with_name(f".{target.name}.partial")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir(parents=True)
        yield staging
        staging.rename(target)
    except BaseException as error:
        shutil.rmtree(staging, ignore_errors=True)
        if isinstance(error, OSError):
            raise UsageError(
                f"{target} cannot be written: {error.strerror or error}.", hint="Choose another folder: --to DIR"
            ) from error
        raise
