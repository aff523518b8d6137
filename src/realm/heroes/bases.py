"""Which base an adapter belongs to, told by name and by the sha256 of the base's weights. Loads no model."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from realm.errors import CheckpointError, UsageError
from realm.heroes.weights import Weights

NAME = "base.json"
KEPT = "base-"
_HASHING_THREADS = 4  # hashing leaves the interpreter's lock


@dataclass(frozen=True, slots=True)
class Base:
    """The weights that an adapter was trained on. They lie elsewhere; an adapter is nothing without them."""

    base_model: str
    """How they are found: as in a hero's profile, or a folder below `models/` that was kept for them."""
    sha256: str
    """Of the weights' file; of several files or of a model that is built, see `fingerprint`."""
    origin: str = ""
    """The hero's base model, where `base_model` is a folder that was kept: weights that had learned already."""
    revision: str | None = None
    seed: str = ""
    """Names the weights of a base that is built."""

    @property
    def hero_model(self) -> str:
        """The `base_model` of the heroes that this adapter may serve."""
        return self.origin or self.base_model

    def as_json(self) -> dict[str, str]:
        """What is known of it, by name."""
        return {key: value for key, value in asdict(self).items() if value}


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter alone, and no model."""
    return (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file()


def write(folder: Path, base: Base) -> None:
    (folder / NAME).write_text(json.dumps(base.as_json(), indent=1) + "\n", encoding="utf-8")


def read(folder: Path) -> Base:
    """The base of the adapter in `folder`. Raises CheckpointError when it does not tell."""
    try:
        return Base(**json.loads((folder / NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{folder} holds an adapter that does not tell its base: {NAME} is missing or unreadable.",
            hint="Adapters of other programs: merge them into their base there, and use the merged model.",
        ) from error


def fingerprint(found: Weights, model: Any = None) -> str:
    """sha256 of base weights: of the one file, else of the names and sha256 of all files, or of all tensors.

    `model` is looked at only where nothing lies on disk: a hero that is built from a seed.
    """
    if found.folder is None:
        return _digest(
            f"{name} {tuple(tensor.shape)} {hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()}"
            for name, tensor in sorted(model.state_dict().items())
        )
    files = [found.folder / found.gguf_file] if found.gguf_file else sorted(found.folder.glob("*.safetensors"))
    with ThreadPoolExecutor(_HASHING_THREADS) as pool:
        hashes = list(pool.map(_file_sha256, files))
    named = (f"{file.name} {sha256}" for file, sha256 in zip(files, hashes, strict=True))
    return hashes[0] if len(files) == 1 else _digest(named)


def require_same(base: Base, found: str, folder: Path) -> None:
    """Raises UsageError when the weights that were found are not those that the adapter in `folder` was trained on."""
    if found != base.sha256:
        raise UsageError(
            f"The adapter in {folder} is for other weights: it was trained on '{base.base_model}' with sha256 "
            f"{base.sha256[:12]}..., and what is found under that name now has {found[:12]}...",
            hint=f"Put the weights with sha256 {base.sha256[:12]}... back, or begin a new campaign on the new ones.",
        )


def require_hero(base: Base, base_model: str, folder: Path) -> None:
    """Raises UsageError when an adapter belongs to another model than a hero is built on."""
    if base.hero_model != base_model:
        raise UsageError(
            f"The adapter in {folder} was trained on '{base.hero_model}'; this hero is built on '{base_model}'.",
            hint=f"Use it with a hero whose base_model is '{base.hero_model}', or begin a new campaign.",
        )


def keep(model: Any, tokenizer: Any, models: Path, origin: str) -> Base:
    """Write weights that had learned already below `models/`, where the adapters that grow on them find them.

    Named after their sha256, so that the same weights are kept once. The folder appears whole.
    """
    temporary = models / f".{KEPT}partial"
    shutil.rmtree(temporary, ignore_errors=True)
    model.save_pretrained(temporary)
    tokenizer.save_pretrained(temporary)
    sha256 = fingerprint(Weights(temporary))
    folder = models / f"{KEPT}{sha256[:12]}"
    if folder.is_dir():
        shutil.rmtree(temporary)
    else:
        temporary.rename(folder)
    return Base(base_model=folder.name, sha256=sha256, origin=origin)


def _file_sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _digest(lines: Iterator[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
