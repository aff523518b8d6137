"""A hero's network without its weights, for counting. Loads none: a configuration is all it reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from realm.config.estimate import model_folders
from realm.heroes import weights

Making = Callable[[], Any]


def architecture(base_model: str, *, models: Path | None, revision: str | None = None) -> Making | None:
    """What makes the network, with first weights wherever it is called (on tensors without storage: nowhere).

    The configuration is built in, in a folder, in a package, in the hub's cache, or asked of the hub; None where it is
    not to be had or no causal language model. Raises MissingExtra as loading would.
    """
    if base_model == weights.HATCHLING:
        return _hatchling
    config = _config(base_model, models, revision)
    return None if config is None else lambda: _made(config)


def _hatchling() -> Any:
    from realm.heroes.hatchling import model, tokenizer  # noqa: PLC0415 - torch stays behind the door

    return model.build(tokenizer.load(), seed="0")


def _config(base_model: str, models: Path | None, revision: str | None) -> Any:
    from transformers import AutoConfig  # noqa: PLC0415 - torch stays behind the door
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING  # noqa: PLC0415

    where: dict[str, Any] = {"pretrained_model_name_or_path": base_model, "revision": revision}
    if base_model in weights.SMOL_ALIASES:
        found = weights.find(base_model, models_folder=models)
        where = {"pretrained_model_name_or_path": found.folder, "gguf_file": found.gguf_file}
    for folder in model_folders(base_model, models):
        if (folder / "config.json").is_file():
            where = {"pretrained_model_name_or_path": folder}
            break
    try:
        config = AutoConfig.from_pretrained(trust_remote_code=False, **where)
    except (OSError, ValueError, KeyError):
        return None
    return config if type(config) in MODEL_FOR_CAUSAL_LM_MAPPING else None


def _made(config: Any) -> Any:
    import torch  # noqa: PLC0415 - torch stays behind the door
    from transformers import AutoModelForCausalLM  # noqa: PLC0415

    return AutoModelForCausalLM.from_config(config, dtype=torch.float32, trust_remote_code=False)
