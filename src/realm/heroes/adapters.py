"""Low-rank adapters by peft: put on a model, written alone, read, merged, taken off. Knows no campaign and no vault."""

from __future__ import annotations

import warnings
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file

from realm.config.schema import AdapterSettings
from realm.errors import CheckpointError, UsageError
from realm.heroes import bases
from realm.heroes.bases import Base
from realm.heroes.families import AdapterPart, Family

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
ALL_OF: dict[str, AdapterPart] = {"attention": "attention", "all": "all", "all-linear": "all"}
"""Words that stand for modules by what they do, whatever a model calls them."""
_LASTING = ("r", "lora_alpha", "bias", "use_rslora", "use_dora")
"""What may not change while an adapter grows: the same weights would be another model."""


def configuration(settings: AdapterSettings, family: Family, model: Any) -> LoraConfig:
    """peft's configuration for this model. Raises UsageError for modules that the model does not have."""
    return LoraConfig(
        r=settings.r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        bias=settings.bias,
        use_rslora=settings.use_rslora,
        use_dora=settings.use_dora,
        target_modules=_targets(settings, family, model),
        task_type="CAUSAL_LM",
    )


def attach(model: Any, config: LoraConfig, *, seed: str) -> Any:
    """The model with a new adapter on it, which changes nothing yet; all other weights are frozen.

    The same seed gives the same first weights; the caller's random state is untouched.
    """
    config.base_model_name_or_path = None  # peft warns where a name differs from the model's own
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int.from_bytes(blake2b(f"adapter/{seed}".encode(), digest_size=8).digest()) >> 1)
        model.name_or_path = ""
        with warnings.catch_warnings():
            # peft 0.21 asks transformers 5.23 by the older name; may go when it asks for is_activation_checkpointing
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            return get_peft_model(model, config)


def write(model: Any, folder: Path, base: Base) -> None:
    """The adapter alone, in peft's layout, with its lineage to the base."""
    save_file(_weights(model), folder / WEIGHTS, metadata={"format": "pt"})
    config = model.peft_config["default"]
    before = config.base_model_name_or_path, config.revision, config.inference_mode
    config.base_model_name_or_path, config.revision, config.inference_mode = base.base_model, base.revision, True
    try:
        config.save_pretrained(folder)
    finally:
        config.base_model_name_or_path, config.revision, config.inference_mode = before
    bases.write(folder, base)


def read_configuration(folder: Path) -> LoraConfig:
    """The adapter's own configuration. Raises CheckpointError when it cannot be read."""
    try:
        return LoraConfig.from_pretrained(str(folder))
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{folder / CONFIG} cannot be read: {error}", hint="Use an older checkpoint: realm vault ls"
        ) from error


def load_weights(folder: Path, model: Any) -> None:
    """Give the adapter on `model` the weights in `folder`. Raises CheckpointError unless they are the same parts."""
    if not (folder / WEIGHTS).is_file():
        raise CheckpointError(f"{folder / WEIGHTS} is missing.", hint="Use an older checkpoint: realm vault ls")
    given, wanted = load_file(folder / WEIGHTS), _weights(model)
    unlike = sorted(given.keys() ^ wanted.keys()) or [n for n in given if given[n].shape != wanted[n].shape]
    if unlike:
        raise CheckpointError(
            f"The adapter in {folder} does not fit this model; first difference: {unlike[0]}.",
            hint="A campaign keeps its base model and its adapter; start a new campaign for another one.",
        )
    set_peft_model_state_dict(model, given)


def put_on(model: Any, folder: Path, config: LoraConfig | None = None) -> Any:
    """The model with the adapter in `folder` on it; it trains when `config` is the one of a training."""
    adapted = attach(model, config or read_configuration(folder), seed="")
    load_weights(folder, adapted)
    return adapted


def differences(saved: LoraConfig, asked: LoraConfig) -> list[str]:
    """Names of what an adapter in training must keep and does not; its dropout may change."""
    unlike = [name for name in _LASTING if getattr(saved, name) != getattr(asked, name)]
    moved = set(saved.target_modules or ()) != set(asked.target_modules or ())
    return [*unlike, *(["target_modules"] if moved else [])]


def require_unchanged(saved: LoraConfig, asked: LoraConfig, folder: Path) -> None:
    """Raises UsageError when settings changed that an adapter in training must keep."""
    if unlike := differences(saved, asked):
        told = ", ".join(f"{name} is {_told(saved, name)}, asked for is {_told(asked, name)}" for name in unlike)
        raise UsageError(
            f"The adapter in {folder} has another shape: {told}.",
            hint="Set it back, or go on in a new campaign: realm campaign create NAME --from latest",
        )


def merged(model: Any) -> Any:
    """The base model with the adapter added to its weights: W + scale * B A. The adapted model is used up."""
    return model.merge_and_unload(safe_merge=True)


def unmerged(model: Any, folder: Path) -> Any:
    """The base again, of a model into which the adapter in `folder` was merged: its part is subtracted.

    Equal to the base within the rounding of float32. Raises UsageError for DoRA, whose merge cannot be undone: it
    rescales each column by a norm that only the base tells.
    """
    config = read_configuration(folder)
    if config.use_dora:
        raise UsageError(
            "A DoRA adapter cannot be subtracted from a merged model: it rescaled the weights by norms of the base.",
            hint=f"The base itself is '{bases.read(folder).base_model}'.",
        )
    adapted = put_on(model, folder, config)
    for layer in adapted.modules():
        if isinstance(layer, LoraLayer):
            layer.merged_adapters = ["default"]
    adapted.unmerge_adapter()
    return adapted.unload()


def _targets(settings: AdapterSettings, family: Family, model: Any) -> list[str]:
    asked = settings.target_modules
    if len(asked) == 1 and asked[0] in ALL_OF:
        return family.adapter_targets(model, ALL_OF[asked[0]])
    known = family.adapter_targets(model, "all")
    if missing := [name for name in asked if name not in known]:
        raise UsageError(
            f"{type(model).__name__} has no module {', '.join(missing)} that an adapter could sit on.",
            hint=f"Its modules: {', '.join(known)}. Or by what they do: target_modules = ['attention'], or ['all'].",
        )
    return list(asked)


def _weights(model: Any) -> dict[str, torch.Tensor]:
    """The adapter's tensors; nothing is asked of any hub, as peft would to learn about embeddings."""
    found = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: tensor.contiguous() for name, tensor in found.items()}


def _told(config: LoraConfig, name: str) -> str:
    value = getattr(config, name)
    return ", ".join(sorted(value)) if isinstance(value, set | list) else str(value)
