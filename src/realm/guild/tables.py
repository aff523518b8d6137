"""The Guild's tables and the records that stand for their rows. Written by the ledger alone; holds no query."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Column, ColumnElement, Float, Index, Integer, Row, String, Table, Text, and_

from realm.db import metadata
from realm.guild.progression import Counted, Examination
from realm.guild.strain import Advice
from realm.records import CampaignKey


def _key_columns(*, primary: bool = False) -> list[Column[Any]]:
    return [Column(name, String(80), nullable=False, primary_key=primary) for name in ("hero", "campaign")]


campaign_table = Table(
    "campaign",
    metadata,
    *_key_columns(primary=True),
    Column("created", Float, nullable=False),
    Column("state", String(20), nullable=False),
    Column("seed", Integer, nullable=False),
    Column("starting_checkpoint", String(200), nullable=False),
    Column("skills", Text, nullable=False),
    Column("settings", Text, nullable=False),
)
skill_level_table = Table(
    "skill_level",
    metadata,
    *_key_columns(primary=True),
    Column("skill", String(40), primary_key=True),
    Column("level", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("step_at_last_level", Integer, nullable=False),
    Column("tokens_at_last_level", Integer, nullable=False),
)
examination_table = Table(
    "examination",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    *_key_columns(),
    Column("skill", String(40), nullable=False),
    Column("level", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    Column("role", String(10), nullable=False),
    Column("n", Integer, nullable=False),
    Column("correct", Integer, nullable=False),
    Column("mean_value", Float, nullable=False),
    Column("primitives", Text, nullable=False),
    Column("training_n", Integer, nullable=False),
    Column("training_correct", Integer, nullable=False),
    Column("seed", String(80), nullable=False),
    Column("marks", Text, nullable=False, default="", server_default=""),
    Column("template_hash", String(80), nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("val_loss", Float),
    Column("time", Float, nullable=False),
    Index("ix_examination_once", "hero", "campaign", "skill", "level", "step", unique=True),
    Index("ix_examination_step", "hero", "campaign", "step"),
)
level_transition_table = Table(
    "level_transition",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    *_key_columns(),
    Column("skill", String(40), nullable=False),
    Column("level", Integer, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("step", Integer, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("val_loss", Float),
    Column("time", Float, nullable=False),
    Index("ix_level_transition_skill", "hero", "campaign", "skill", "step"),
)
level_tokens_table = Table(
    "level_tokens",
    metadata,
    *_key_columns(primary=True),
    Column("step", Integer, primary_key=True),
    Column("skill", String(40), primary_key=True),
    Column("level", Integer, primary_key=True),
    Column("tokens", Integer, nullable=False),
    Index("ix_level_tokens_cost", "hero", "campaign", "skill", "level", "step", "tokens"),  # sums read the index alone
)
practice_table = Table(
    "practice",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    *_key_columns(),
    Column("quest", String(200), nullable=False),
    Column("step", Integer, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("mix", Text, nullable=False),
    Column("advice", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("time", Float, nullable=False),
    Index("ix_practice_campaign", "hero", "campaign", "id"),
)

level_cap_table = Table(
    "level_cap",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    *_key_columns(),
    Column("step", Integer, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("levels", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("time", Float, nullable=False),
    Index("ix_level_cap_campaign", "hero", "campaign", "step"),
)
personal_best_table = Table(
    "personal_best",
    metadata,
    *_key_columns(primary=True),
    Column("kind", String(20), primary_key=True),
    Column("skill", String(40), primary_key=True),
    Column("level", Integer, nullable=False),
    Column("value", Float, nullable=False),
    Column("n", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("time", Float, nullable=False),
)

CampaignState = Literal["active", "paused", "maxed_out", "archived"]


@dataclass(frozen=True, slots=True)
class Campaign:
    """One attempt of one hero. `settings` is the configuration that it began with."""

    key: CampaignKey
    created: float
    state: CampaignState
    seed: int
    starting_checkpoint: str
    skills: tuple[str, ...]
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LevelCap:
    """Where a campaign was maxed out: skill -> its level cap, and the verdicts that say why."""

    key: CampaignKey
    step: int
    tokens: int
    levels: Mapping[str, int]
    evidence: Sequence[Mapping[str, Any]]
    time: float


@dataclass(frozen=True, slots=True)
class Transition:
    """A level gained or lost, when, and what it had cost until then."""

    skill: str
    level: int
    kind: Literal["gained", "lost"]
    step: int
    tokens: int
    val_loss: float | None
    time: float


@dataclass(frozen=True, slots=True)
class Best:
    """One personal best: `value` is a share of right answers on `n` problems, or a level."""

    skill: str
    level: int
    value: float
    n: int
    step: int
    tokens: int
    time: float


@dataclass(frozen=True, slots=True)
class Bests:
    """The highest level of each skill, and the best examination of a frontier level."""

    levels: Mapping[str, int]
    examination: Examination | None


@dataclass(frozen=True, slots=True)
class PrimitiveAccuracy(Counted):
    """How well one primitive goes, with what that rests on."""

    name: str
    correct: int
    n: int


_SHRINK = 3
"""Problems of the pooled error rate that each primitive's own is mixed with, so that a handful does not shout."""


def error_rates(found: Sequence[PrimitiveAccuracy]) -> dict[str, float]:
    """Primitive -> share answered wrong, drawn towards that of all primitives pooled where few were asked."""
    asked = sum(p.n for p in found)
    if not asked:
        return {}
    pooled = 1 - sum(p.correct for p in found) / asked
    return {p.name: (p.n - p.correct + _SHRINK * pooled) / (p.n + _SHRINK) for p in found}


@dataclass(frozen=True, slots=True)
class Practice:
    """A practice quest as it was planned."""

    quest: str
    step: int
    rows: int
    mix: Mapping[str, float]
    advice: Mapping[str, Advice]
    reason: str
    time: float


def of(table: Table, key: CampaignKey, skill: str | None = None) -> ColumnElement[bool]:
    """The rows of one campaign, or of one skill in it."""
    where = and_(table.c.hero == key.hero, table.c.campaign == key.campaign)
    return where if skill is None else and_(where, table.c.skill == skill)


def as_campaign(row: Row[Any]) -> Campaign:
    return Campaign(
        CampaignKey(row.hero, row.campaign),
        row.created,
        row.state,
        row.seed,
        row.starting_checkpoint,
        tuple(json.loads(row.skills)),
        json.loads(row.settings),
    )


def as_level_cap(row: Row[Any]) -> LevelCap:
    key = CampaignKey(row.hero, row.campaign)
    return LevelCap(key, row.step, row.tokens, json.loads(row.levels), json.loads(row.evidence), row.time)


_PLAIN = (
    "skill",
    "level",
    "step",
    "role",
    "n",
    "correct",
    "mean_value",
    "training_n",
    "training_correct",
    "seed",
    "marks",
    "template_hash",
    "tokens",
    "val_loss",
    "time",
)


def as_row(e: Examination) -> dict[str, Any]:
    plain = {name: getattr(e, name) for name in _PLAIN}
    return {"hero": e.key.hero, "campaign": e.key.campaign, "primitives": json.dumps(dict(e.primitives)), **plain}


LIGHT = tuple(examination_table.c[name] for name in ("hero", "campaign", *_PLAIN))
"""All columns but the primitives, whose JSON is most of what reading an examination costs."""


def as_light(row: Row[Any]) -> Examination:
    """An examination without its primitives."""
    return Examination(key=CampaignKey(row.hero, row.campaign), **{name: getattr(row, name) for name in _PLAIN})


def as_examination(row: Row[Any]) -> Examination:
    plain = {name: getattr(row, name) for name in _PLAIN}
    primitives = {name: (correct, n) for name, (correct, n) in json.loads(row.primitives).items()}
    return Examination(key=CampaignKey(row.hero, row.campaign), primitives=primitives, **plain)


_COUNTED = ("skill", "level", "step", "role", "n", "correct", "tokens", "val_loss", "time")
COUNTED = tuple(examination_table.c[name] for name in _COUNTED)
"""The columns that levels are counted from: reading only these makes counting 100,000 rows anew four times faster."""


def as_counted(key: CampaignKey, row: Sequence[Any]) -> Examination:
    skill, level, step, role, n, correct, tokens, val_loss, when = row
    return Examination(
        key=key,
        skill=skill,
        level=level,
        step=step,
        role=role,
        n=n,
        correct=correct,
        tokens=tokens,
        val_loss=val_loss,
        time=when,
    )
