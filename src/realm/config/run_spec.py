"""The resolved configuration of one run: what is needed to do it again. Decides nothing, reads no weights."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Iterator, Mapping
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import Field, ValidationError

from realm.config.layers import hero_name, hyperparameters_for, resolve_hero
from realm.config.schema import (
    AdapterSettings,
    DatasetSettings,
    HardwareProfile,
    HeroProfile,
    Hyperparameters,
    RealmSettings,
    RetentionSettings,
    Settings,
)
from realm.errors import ConfigError
from realm.records import CampaignKey

VERSIONED_PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "tokenizers", "safetensors")
NOT_CONFIGURATION = {"quest", "versions", "git_commit"}


class RunSpec(Settings):
    """One run, resolved. Frozen; `to_json` and `from_json` are inverse."""

    preset: str = ""
    """Preset it was made from, if any."""
    hero: str
    """Name of the hero."""
    profile: HeroProfile
    """The hero's profile."""
    campaign: str
    """Name of the campaign."""
    seed: int = 0
    """Seed of the hero's first weights."""
    hyperparameters: Hyperparameters
    """How it trains."""
    adapter_name: str = "none"
    """Name of the adapter."""
    adapter: AdapterSettings | None = None
    """The adapter; None trains all weights."""
    hardware_name: str = ""
    """Name of the hardware profile."""
    hardware: HardwareProfile | None = None
    """Limits of the machine; None sets none."""
    dataset_name: str = ""
    """Name of the dataset."""
    dataset: DatasetSettings | None = None
    """What a preset trains on."""
    examine: tuple[str, ...] = ()
    """Skills that a preset's training is examined in."""
    quest: str = ""
    """Id of the quest that a campaign's run trains on."""
    retention: RetentionSettings = RetentionSettings()
    """Which checkpoints stay."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Versions of the program, of Python and of the training packages that are installed."""
    git_commit: str | None = None
    """Commit of the program, when it runs out of a checkout."""

    @property
    def key(self) -> CampaignKey:
        """Hero and campaign: the key of every ledger."""
        return CampaignKey(self.hero, self.campaign)

    @property
    def hash(self) -> str:
        """sha256 of the configuration: equal for two runs that are set up alike, whatever quest they train on."""
        configuration = self.model_dump(mode="json", exclude=NOT_CONFIGURATION)
        return sha256(json.dumps(configuration, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> str:
        return self.model_dump_json(indent=2)

    @classmethod
    def from_json(cls, text: str) -> RunSpec:
        """Raises ConfigError when the text is no spec of this version."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, one['loc'])) or 'spec'}: {one['msg']}" for one in error.errors()]
            raise ConfigError(problems, hint="The spec is of another version of Realm, or was edited.") from error


def campaign_spec(
    settings: RealmSettings, *, quest: str = "", versions: Mapping[str, str] | None = None, commit: str | None = None
) -> RunSpec:
    """The spec of a run of the campaign in play. `versions` None means those that are installed.

    Raises UsageError when the hero is unknown.
    """
    name = hero_name(settings, settings.campaign.hero)
    profile = resolve_hero(settings, name)
    return RunSpec(
        hero=name,
        profile=profile,
        campaign=settings.campaign.name,
        seed=settings.campaign.seed,
        hyperparameters=hyperparameters_for(settings, name),
        adapter_name=profile.adapter,
        adapter=None if profile.adapter == "none" else settings.adapters[profile.adapter],
        quest=quest,
        retention=settings.retention,
        versions=dict(installed_versions() if versions is None else versions),
        git_commit=commit,
    )


def installed_versions() -> dict[str, str]:
    """Versions by package, read from the installed packages' metadata: nothing is imported."""
    return {"python": platform.python_version(), **dict(_versions())}


def program_commit() -> str | None:
    """The commit of the checkout that the program runs out of, or None."""
    source = Path(__file__).resolve().parent
    if not any((folder / ".git").exists() for folder in source.parents[:3]):
        return None
    try:
        found = subprocess.run(
            ["git", "-C", str(source), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()


def _versions() -> Iterator[tuple[str, str]]:
    for package in ("realm", *VERSIONED_PACKAGES):
        try:
            yield package, version(package)
        except PackageNotFoundError:
            continue
