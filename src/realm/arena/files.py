"""A warm model on disk, in the layout of the transformers Trainer, and back. Knows no manifest: the vault seals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch.optim import Optimizer
from transformers.trainer_callback import TrainerState
from transformers.utils import logging

from realm.arena.optim import kind
from realm.arena.optim.averaging import WeightAverage
from realm.arena.random_state import random_state, restore_random_state
from realm.errors import CheckpointError
from realm.heroes import adapters
from realm.heroes.hero import LoadedHero

OPTIMIZER, SCHEDULER, RANDOM = "optimizer.pt", "scheduler.pt", "rng_state.pth"
OWN_WEIGHTS = "own_weights.safetensors"
"""The weights in training, where the model written is their running mean."""
QUEST_STATE = "quest_state.safetensors"
"""What the method remembers of the quest in training."""
TRAINER_STATE = "trainer_state.json"
KIND = "realm_kind"
"""Beside the state: of which optimizer it is. Others would take it for theirs in silence."""


def write(
    folder: Path,
    *,
    hero: LoadedHero,
    optimizer: Any,
    scheduler: Any,
    average: WeightAverage,
    step: int,
    quest_state: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Everything that going on needs, but for the progress, which the manifest holds."""
    folder.mkdir(parents=True, exist_ok=True)
    if quest_state:
        save_file(dict(quest_state), folder / QUEST_STATE)
    if average:
        save_file(average.state_dict(), folder / OWN_WEIGHTS)
    logging.disable_progress_bar()  # a bar for each save would fill a service's log
    with average.applied():
        _write_weights(folder, hero)
    hero.tokenizer.save_pretrained(folder)
    torch.save({**optimizer.state_dict(), KIND: kind(optimizer)}, folder / OPTIMIZER)
    torch.save(scheduler.state_dict(), folder / SCHEDULER)
    torch.save(random_state(), folder / RANDOM)
    TrainerState(global_step=step, max_steps=step).save_to_json(str(folder / TRAINER_STATE))


def _write_weights(folder: Path, hero: LoadedHero) -> None:
    if hero.base is None:
        hero.model.save_pretrained(folder)
    else:
        adapters.write(hero.model, folder, hero.base)


def restore(folder: Path, *, model: Any, optimizer: Optimizer, average: WeightAverage) -> None:
    """Weights, their mean, optimizer and random state of a checkpoint. Settings stay those of the optimizer given.

    Raises CheckpointError when a part is missing or does not fit the model.
    """
    _load_weights(folder, model)
    own = folder / OWN_WEIGHTS
    average.load_state_dict(load_file(own) if own.is_file() else None)
    state = _read(folder / OPTIMIZER)
    options = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    if (saved := state.pop(KIND, kind(optimizer))) != kind(optimizer):
        raise _unfit(folder, f"it is that of {saved}, not of {kind(optimizer)}")
    try:
        optimizer.load_state_dict(state)
    except ValueError as error:
        raise _unfit(folder, str(error)) from error
    for group, chosen in zip(optimizer.param_groups, options, strict=True):
        group.update(chosen)
    restore_random_state(_read(folder / RANDOM))


def quest_state(folder: Path) -> dict[str, torch.Tensor] | None:
    """What the method remembered of the quest that was in training; None when there was nothing."""
    file = folder / QUEST_STATE
    return load_file(file) if file.is_file() else None


def _unfit(folder: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"The optimizer in {folder} does not fit this model: {why}.",
        hint="Was `optim` changed within a campaign, or the device? Set it back, or start a new campaign.",
    )


def _load_weights(folder: Path, model: Any) -> None:
    if isinstance(model, PeftModel):
        adapters.load_weights(folder, model)
        return
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        raise CheckpointError(f"{folder} holds no .safetensors weights.", hint="Use an older checkpoint.")
    weights: dict[str, torch.Tensor] = {}
    for file in files:
        weights |= load_file(file)
    result = model.load_state_dict(weights, strict=False)
    missing = set(result.missing_keys) - set(model._tied_weights_keys or ())
    if missing or result.unexpected_keys:
        raise CheckpointError(
            f"The weights in {folder} are not of this model; first difference: "
            f"{sorted([*missing, *result.unexpected_keys])[0]}.",
            hint="A campaign keeps its base model; start a new campaign for another one.",
        )


def _read(file: Path) -> Any:
    if not file.is_file():
        raise CheckpointError(f"{file} is missing.", hint="Use an older checkpoint.")
    return torch.load(file, weights_only=True)
