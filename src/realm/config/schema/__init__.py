"""Every setting, its type, its default and its meaning (the string under each field). Reads no file.

The reference page and `realm config schema` are generated from here.
"""

from __future__ import annotations

from typing import Literal

from realm.config.schema.base import COLOUR, SKILL_PORTS, Settings, Strategy, Table
from realm.config.schema.guild import (
    CampaignSettings,
    CurriculumSettings,
    GuardSettings,
    LevelCapSettings,
    PassiveSettings,
    StrainSettings,
)
from realm.config.schema.heroes import HeroProfile, IdleGeneration, PenaltySettings, SparringSettings
from realm.config.schema.oracle import OracleSettings
from realm.config.schema.places import (
    PageSettings,
    QuestSettings,
    RetentionSettings,
    ServiceSettings,
    StorageSettings,
    ZoneSettings,
    at_most,
)
from realm.config.schema.presets import (
    AdapterSettings,
    DatasetSettings,
    HardwareProfile,
    MetadataSettings,
    OutputSettings,
    PresetSettings,
)
from realm.config.schema.temple import TempleSettings
from realm.config.schema.training import REWARDED, Hyperparameters

__all__ = [
    "COLOUR",
    "REWARDED",
    "SKILL_PORTS",
    "AdapterSettings",
    "CampaignSettings",
    "CurriculumSettings",
    "DatasetSettings",
    "FileSettings",
    "GuardSettings",
    "HardwareProfile",
    "HeroProfile",
    "Hyperparameters",
    "IdleGeneration",
    "LevelCapSettings",
    "MetadataSettings",
    "OracleSettings",
    "OutputSettings",
    "PageSettings",
    "PassiveSettings",
    "PenaltySettings",
    "PresetSettings",
    "QuestSettings",
    "RealmSettings",
    "RetentionSettings",
    "ServiceSettings",
    "Settings",
    "SparringSettings",
    "StorageSettings",
    "StrainSettings",
    "Strategy",
    "Table",
    "TempleSettings",
    "ZoneSettings",
    "at_most",
]


class FileSettings(Settings):
    """Remarks of a settings file about itself."""

    schema_version: Literal[1] = 1
    """Version of the keys; there is one."""
    updated: str = ""
    """Date of the last change, for readers of the file."""


class RealmSettings(Settings):
    """All settings of a realm: a table for each subject, and the catalogue's tables by name."""

    campaign: CampaignSettings = CampaignSettings()
    """Who plays."""
    training: Table = {}
    """Hyperparameters for every training of this realm; layered over the hero's own."""
    curriculum: CurriculumSettings = CurriculumSettings()
    """Practice and mastery."""
    guards: GuardSettings = GuardSettings()
    """Guards of generated practice."""
    passives: PassiveSettings = PassiveSettings()
    """Canaries."""
    quests: QuestSettings = QuestSettings()
    """Quest files."""
    level_cap: LevelCapSettings = LevelCapSettings()
    """When a campaign is maxed out."""
    retention: RetentionSettings = RetentionSettings()
    """Which checkpoints stay."""
    storage: StorageSettings = StorageSettings()
    """Where checkpoints lie."""
    strain: StrainSettings = StrainSettings()
    """Zones of strain."""
    temple: TempleSettings = TempleSettings()
    """Verdicts and the champion's gate."""
    services: ServiceSettings = ServiceSettings()
    """Addresses."""
    page: PageSettings = PageSettings()
    """The page."""
    oracle: OracleSettings = OracleSettings()
    """Models served for chat."""
    output: OutputSettings = OutputSettings()
    """Finished models."""
    metadata: FileSettings = FileSettings()
    """About the file."""
    heroes: dict[str, HeroProfile] = {}
    """Heroes by name (synonym: experts)."""
    hardware: dict[str, HardwareProfile] = {}
    """Hardware profiles by name."""
    adapters: dict[str, AdapterSettings] = {}
    """Adapters by name (synonym: lora)."""
    hyperparameters: dict[str, Table] = {}
    """Sets of hyperparameters for presets, by name."""
    datasets: dict[str, DatasetSettings] = {}
    """Datasets by name."""
    presets: dict[str, PresetSettings] = {}
    """Presets by name."""
