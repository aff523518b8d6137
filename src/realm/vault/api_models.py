"""What the vault's API says and takes: one model for each answer. Knows no route."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from realm.records import CheckpointRecord
from realm.vault.catalogue import Asset, Location, Version

MAX_LEASE_SECONDS = 3600


def _no_text(value: object) -> object:
    """JSON's 3.0 is a whole number; its true and "3" are none."""
    if isinstance(value, bool | str):
        raise ValueError("must be a whole number")
    return value


Seconds = Annotated[int, Field(ge=1, le=MAX_LEASE_SECONDS, strict=False), BeforeValidator(_no_text)]


class Refusal(BaseModel):
    """What was wrong with a request, in words."""

    message: str
    type: str
    hint: str
    param: str | None


class Refused(BaseModel):
    """The one shape of an error."""

    error: Refusal


class Checkpoint(BaseModel):
    """A checkpoint as the ledger knows it. Sizes are bytes, times Unix seconds, accuracy 0..1."""

    id: str
    hero: str
    campaign: str
    step: int
    created: float
    size_bytes: int
    parent: str
    run: str
    state: str
    champion: bool
    accuracy: float | None
    levels: dict[str, int]
    metrics: dict[str, Any]


class Place(BaseModel):
    """Where a copy lies, and what the last comparison of its bytes has shown."""

    zone: str
    path: str
    state: str
    checked: float
    reason: str
    url: str
    """From where the manifest can be downloaded, below this service's address; empty where it cannot."""


class Name(BaseModel):
    """A name that a person gave."""

    name: str
    checkpoint: str
    note: str
    time: float


class CheckpointDetail(Checkpoint):
    """A checkpoint with its places, its names, and why it is no longer there."""

    locations: list[Place]
    versions: list[Name]
    reason: str
    examination: dict[str, Any]


class CheckpointPage(BaseModel):
    """A page of checkpoints, newest first; `total` counts all pages."""

    total: int
    offset: int
    checkpoints: list[Checkpoint]


class CampaignSummary(BaseModel):
    """What a campaign has in the vault."""

    hero: str
    campaign: str
    checkpoints: int
    size_bytes: int
    newest: str | None
    champion: str | None


class Summary(BaseModel):
    """Every campaign that has a checkpoint in the workspace."""

    campaigns: list[CampaignSummary]


class Count(BaseModel):
    """How many, and how big together."""

    count: int
    size_bytes: int


class DiskForecast(BaseModel):
    """Room on the workspace's disk and how long it lasts at the present rate; null where that is not known."""

    free_bytes: int
    bytes_per_day: float | None
    days_left: float | None
    words: str


class Stats(BaseModel):
    """The vault in figures."""

    states: dict[str, Count]
    zones: list[str]
    versions: int
    being_read: int
    disk: DiskForecast


class ZoneInfo(BaseModel):
    """A zone: what lies there, and its limit (0: none)."""

    name: str
    checkpoints: int
    size_bytes: int
    max_bytes: int
    damaged: int


class Zones(BaseModel):
    """The zones that there are, the workspace first."""

    zones: list[ZoneInfo]


class Located(BaseModel):
    """Where an asset lies."""

    id: str
    locations: list[Place]


class AssetInfo(BaseModel):
    """An asset of the catalogue; a checkpoint's kind is `checkpoint`."""

    id: str
    kind: str
    name: str
    size_bytes: int
    sha256: str
    """Of the file or files; of a checkpoint empty: its manifest has each file's."""
    origin: str
    created: float


class AssetDetail(AssetInfo):
    """An asset and its places."""

    locations: list[Place]


class Assets(BaseModel):
    """A page of assets."""

    assets: list[AssetInfo]


class Found(BaseModel):
    """What a search has found, at most `limit` of each."""

    checkpoints: list[Checkpoint]
    assets: list[AssetInfo]
    versions: list[Name]


class Evaluation(BaseModel):
    """What the examinations of one checkpoint have shown; `skills` maps to right answers and problems."""

    checkpoint: str
    step: int
    accuracy: float
    problems: int
    skills: dict[str, tuple[int, int]]
    levels: dict[str, int]


class Evaluations(BaseModel):
    """Examined checkpoints, newest first."""

    evaluations: list[Evaluation]


class PlannedCopy(BaseModel):
    """What retention would do with one copy."""

    checkpoint: str
    zone: str
    action: str
    to: str
    reason: str
    size_bytes: int


class RetentionPlan(BaseModel):
    """What retention would do now. Nothing is done by asking."""

    decisions: list[PlannedCopy]
    short_bytes: dict[str, int]


class AncestorInfo(BaseModel):
    """One checkpoint on the way back."""

    id: str
    step: int
    state: str
    run: str
    quests: list[str]
    configuration_sha256: str


class LineageInfo(BaseModel):
    """Where a checkpoint comes from and what came of it."""

    back: list[AncestorInfo]
    began_with: str
    children: list[str]
    exports: list[tuple[str, str]]
    versions: list[str]
    served_as: list[str]
    begun: str


class Body(BaseModel):
    """What a request may hold: the named fields and nothing else."""

    model_config = ConfigDict(extra="forbid", strict=True)


class LeaseAsked(Body):
    """Keep a checkpoint where it is for a while."""

    checkpoint: Annotated[str, Field(min_length=1, max_length=200)]
    holder: Annotated[str, Field(min_length=1, max_length=80)]
    seconds: Seconds = 600


class Renewal(Body):
    """How much longer a lease shall stand, from now on."""

    seconds: Seconds = 600


class Lease(BaseModel):
    """A lease that stands."""

    token: str
    seconds: int


class Released(BaseModel):
    """A lease that has ended."""

    released: bool


def checkpoint(record: CheckpointRecord) -> Checkpoint:
    """A record as the API shows it: its path is this machine's own matter."""
    return Checkpoint(**_shown(record))


def _shown(record: CheckpointRecord) -> dict[str, Any]:
    return {
        "id": record.id, "hero": record.hero, "campaign": record.campaign, "step": record.step,
        "created": record.created, "size_bytes": record.size_bytes, "parent": record.parent, "run": record.run,
        "state": record.state, "champion": record.champion, "accuracy": record.accuracy,
        "levels": dict(record.levels), "metrics": {k: v for k, v in record.metrics.items() if k != "strain"},
    }  # fmt: skip


def detail(
    record: CheckpointRecord, places: list[Place], versions: list[Name], reason: str, examination: dict[str, Any]
) -> CheckpointDetail:
    return CheckpointDetail(
        **_shown(record), locations=places, versions=versions, reason=reason, examination=examination
    )


def place(location: Location, url: str = "") -> Place:
    return Place(
        zone=location.zone, path=location.path, state=location.state, checked=location.checked,
        reason=location.reason, url=url,
    )  # fmt: skip


def name(version: Version) -> Name:
    return Name(name=version.name, checkpoint=version.checkpoint, note=version.note, time=version.time)


def asset(found: Asset) -> AssetInfo:
    return AssetInfo(
        id=found.id, kind=found.kind, name=found.name, size_bytes=found.size_bytes, sha256=found.sha256,
        origin=found.origin, created=found.created,
    )  # fmt: skip


def checkpoint_asset(record: CheckpointRecord) -> AssetInfo:
    return AssetInfo(
        id=record.id, kind="checkpoint", name=record.id, size_bytes=record.size_bytes, sha256="", origin=record.parent,
        created=record.created,
    )  # fmt: skip
