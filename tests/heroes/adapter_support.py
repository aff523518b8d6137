"""A tiny base in a folder, a hero on it, and adapters that have learned something."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from realm.config.schema import AdapterSettings, HeroProfile
from realm.heroes import adapters
from realm.heroes.hatchling import model as hatchling
from realm.heroes.hatchling import tokenizer as hatchling_tokenizer
from realm.heroes.hero import LoadedHero

SHAPE = hatchling.Shape(
    hidden_size=32, layers=2, heads=2, key_value_heads=2, head_dim=16, mlp_size=64, init_std=0.2
)  # the head stays as it is: with small weights no adapter could make it say anything firmly
PROMPTS = [f"{i} + {i * 3 % 7} =" for i in range(20)]


def write_base(folder: Path, seed: str = "base", shape: hatchling.Shape = SHAPE) -> Path:
    """A model in the layout of the field."""
    tokenizer = hatchling_tokenizer.load()
    hatchling.build(tokenizer, seed=seed, shape=shape).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def profile(folder: Path, **settings: Any) -> HeroProfile:
    return HeroProfile(base_model=str(folder), **settings)


def small_adapter(**changes: Any) -> AdapterSettings:
    return AdapterSettings(**{"r": 4, "lora_alpha": 8, "lora_dropout": 0.0, **changes})


def taught(hero: LoadedHero, seed: int = 0) -> LoadedHero:
    """The hero with an adapter that changes its answers, as if it had trained."""
    draws = torch.Generator().manual_seed(seed)
    for name, parameter in hero.model.named_parameters():
        if "lora_B" in name:
            parameter.data = torch.randn(parameter.shape, generator=draws) * 0.1
    return hero


def write(hero: LoadedHero, folder: Path) -> Path:
    """The adapter as a checkpoint holds it."""
    folder.mkdir()
    assert hero.base is not None
    adapters.write(hero.model, folder, hero.base)
    hero.tokenizer.save_pretrained(folder)
    return folder


def answers(hero: LoadedHero) -> list[str]:
    return hero.family.answer(hero.model, hero.tokenizer, PROMPTS, max_new_tokens=12)
