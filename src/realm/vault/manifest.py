"""What `realm.json` says about a checkpoint, and how it is read. Knows no other file of the checkpoint.

The manifest carries its own digest (`seal`), so that a changed step or hash is found even where it is still JSON.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from realm.config.run_spec import installed_versions, program_commit
from realm.errors import CheckpointError
from realm.records import CampaignKey, Progress

NAME = "realm.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class ManifestFacts:
    """What whoever saves tells about a checkpoint; the files' sizes and hashes are found while sealing."""

    hero: str
    campaign: str
    progress: Progress
    run: str = ""
    parent: str = ""
    """Id of the checkpoint that training went on from; empty for first weights."""
    quests: tuple[str, ...] = ()
    """sha256 of each quest trained since the parent."""
    configuration: Mapping[str, Any] = field(default_factory=dict)
    """The resolved configuration of the run."""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    levels: Mapping[str, int] = field(default_factory=dict)
    """Mastered level of each skill at save."""
    base: Mapping[str, str] = field(default_factory=dict)
    """What an adapter was trained on: `base_model`, `sha256`, ...; empty where the weights are whole."""
    created: float = field(default_factory=time.time)
    """Unix seconds."""

    @property
    def key(self) -> CampaignKey:
        return CampaignKey(self.hero, self.campaign)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Lineage(_Part):
    """Where a checkpoint comes from."""

    hero: str
    campaign: str
    run: str
    parent: str
    quests: tuple[str, ...]
    base: dict[str, str] = {}


class FileEntry(_Part):
    """What a file of the checkpoint must be."""

    size_bytes: int
    sha256: str


class Manifest(_Part):
    """The content of `realm.json`."""

    version: int = VERSION
    lineage: Lineage
    progress: Progress
    configuration: dict[str, Any]
    configuration_sha256: str
    metrics: dict[str, Any]
    levels: dict[str, int]
    files: dict[str, FileEntry]
    versions: dict[str, str]
    git_commit: str
    created: float

    @field_validator("files")
    @classmethod
    def _inside(cls, named: dict[str, FileEntry]) -> dict[str, FileEntry]:
        """A manifest of another machine must not name files outside of its own folder."""
        for name in named:
            parts = name.split("/")
            if any(part in {"", ".", ".."} for part in parts) or set(name) & set("\\\0\n\r") or name == NAME:
                raise ValueError(f"{name!r} is no file inside a checkpoint")
        return named

    @property
    def key(self) -> CampaignKey:
        return CampaignKey(self.lineage.hero, self.lineage.campaign)

    @property
    def step(self) -> int:
        return self.progress.step

    @property
    def id(self) -> str:
        return checkpoint_id(self.key, self.step)

    @property
    def size_bytes(self) -> int:
        return sum(entry.size_bytes for entry in self.files.values())


def checkpoint_id(key: CampaignKey, step: int) -> str:
    """`hero:campaign@step`: the name of a checkpoint everywhere."""
    return f"{key}@{step}"


def assemble(facts: ManifestFacts, files: Mapping[str, FileEntry]) -> Manifest:
    """The manifest of a checkpoint. Raises CheckpointError when a number in it is not finite."""
    if broken := sorted(set(_not_finite(facts.metrics, "metrics"))):
        raise CheckpointError(
            f"{', '.join(broken)} is not a finite number; such a checkpoint is not sealed.",
            hint="The last good checkpoint is unharmed: training goes on from it.",
        )
    configuration = dict(facts.configuration)
    versions, commit = _program()
    return Manifest(
        lineage=Lineage(
            hero=facts.hero,
            campaign=facts.campaign,
            run=facts.run,
            parent=facts.parent,
            quests=facts.quests,
            base=dict(facts.base),
        ),
        progress=facts.progress,
        configuration=configuration,
        configuration_sha256=_digest(configuration),
        metrics=dict(facts.metrics),
        levels=dict(facts.levels),
        files=dict(files),
        versions=versions,
        git_commit=commit,
        created=facts.created,
    )


def encode(manifest: Manifest) -> bytes:
    """The bytes of `realm.json`."""
    body = manifest.model_dump(mode="json")
    return json.dumps({**body, "seal": _digest(body)}, ensure_ascii=False, indent=1, allow_nan=False).encode()


def decode(content: bytes) -> Manifest:
    """A manifest from the bytes of `realm.json`. Raises CheckpointError that says what is wrong with it."""
    body = _parse(content)
    if body.get("version") != VERSION:
        raise CheckpointError(
            f"{NAME} has version {body.get('version')!r}; this program reads version {VERSION}.",
            hint="Use the version of realm that wrote the checkpoint, or a newer one.",
        )
    seal = body.pop("seal", None)
    if seal != _digest(body):
        raise CheckpointError(f"{NAME} was changed after it was sealed.", hint=_HINT)
    try:
        return Manifest.model_validate(body)
    except ValidationError as error:
        where = ", ".join(".".join(map(str, e["loc"])) for e in error.errors())
        raise CheckpointError(f"{NAME} does not hold what it should: {where}.", hint=_HINT) from error


def read(folder: Path) -> Manifest:
    """The manifest of a checkpoint folder; its other files are not looked at. Raises CheckpointError."""
    path = folder / NAME
    if path.is_symlink():
        raise CheckpointError(f"{path} is a link; a sealed checkpoint holds none.", hint=_HINT)
    try:
        return decode(path.read_bytes())
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder} has no {NAME}: it was never sealed.", hint=_HINT) from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.", hint=_HINT) from error


_HINT = "Do not use this checkpoint; see which ones are whole: realm vault verify"


def _parse(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{NAME} is not JSON: it was cut off or overwritten.", hint=_HINT) from error
    if not isinstance(body, dict):
        raise CheckpointError(f"{NAME} does not hold an object.", hint=_HINT)
    return body


def _digest(body: Any) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _not_finite(value: Any, where: str) -> Iterator[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield where
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from _not_finite(part, f"{where}.{name}")
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _not_finite(part, where)


@functools.cache
def _program() -> tuple[dict[str, str], str]:
    """Versions and git commit of what writes the checkpoint: the same for the life of a process, 10 ms to find."""
    return installed_versions(), program_commit() or ""
