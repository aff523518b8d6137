"""Facts: what happened, in order, never changed. Knows no room; rooms append, whoever stands above reads.

Each class below is one kind of fact; its docstring and fields are its documentation (docs/storage.md repeats
them, and a test compares). A fact's `kind` on disk and wire is its class name in snake_case.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import Column, Connection, Float, Index, Integer, String, Table, Text, func, select, union_all

from realm.db import Database, metadata
from realm.records import CampaignKey

fact_table = Table(
    "fact",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("time", Float, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("hero", String(80), nullable=False, default=""),
    Column("campaign", String(80), nullable=False, default=""),
    Column("body", Text, nullable=False),
    Index("ix_fact_kind", "kind", "id"),
    Index("ix_fact_campaign", "hero", "campaign", "id"),
    Index("ix_fact_campaign_kind", "hero", "campaign", "kind", "id"),
    sqlite_autoincrement=True,  # ids are never used twice: a page that resumes from an id misses nothing
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """The base of all facts."""

    hero: str = ""
    campaign: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignStarted(Fact):
    """A campaign was created or taken up for the first time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignActivated(Fact):
    """A person put a campaign in play; `previous` names the one before."""

    previous: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignChanged(Fact):
    """A person paused, archived or continued a campaign."""

    before: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignMaxedOut(Fact):
    """No skill in focus goes further. `levels` maps each skill to its level cap, `reason` says why in words."""

    step: int
    tokens: int
    levels: dict[str, int]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestReceived(Fact):
    """A file settled in the inbox and was taken. `sha256` is its identity."""

    quest: str
    name: str
    sha256: str
    size_bytes: int
    source: str  # "person", "practice" or "sparring"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestQueued(Fact):
    """A quest passed validation and waits."""

    quest: str
    name: str
    priority: str
    rows: int
    set_aside: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestRejected(Fact):
    """A quest cannot be trained; `reason` says why in one sentence, the report lies beside the file."""

    quest: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestStarted(Fact):
    """A quest was claimed for training."""

    quest: str
    name: str
    run: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestCompleted(Fact):
    """A quest was trained to its end and its checkpoint is sealed."""

    quest: str
    name: str
    run: str
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestFailed(Fact):
    """A quest's training failed; it will be tried again if `retries_left` is above 0."""

    quest: str
    name: str
    reason: str
    retries_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestSkipped(Fact):
    """A person skipped the quest in training; what was learned is kept."""

    quest: str
    name: str
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestExpired(Fact):
    """A waiting quest is out of date and will not be trained; `reason` says why, its file is kept."""

    quest: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestRemoved(Fact):
    """A person removed a quest from the queue."""

    quest: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PracticePlanned(Fact):
    """The idle hero made its own data. `mix` maps `skill/level` to a share, `reason` says why in words."""

    quest: str
    mix: dict[str, float]
    reason: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SparringHeld(Fact):
    """The hero answered fresh training-side problems; of `wrong` answers `examples` rows were made for `quest`."""

    checkpoint: str
    skill: str
    level: int
    asked: int
    wrong: int
    examples: int
    quest: str  # name of the quest file, empty when there was nothing to write


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Fact):
    """Training began (or went on) at `step`."""

    run: str
    quest: str
    method: str
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherFixed(Fact):
    """Who a run learns from to its end. It scores every token (`tokens`), or its text is learned (`sequences`)."""

    run: str
    teacher: str
    learned: str  # "tokens" or "sequences"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPaused(Fact):
    """Training paused on request."""

    run: str
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLightened(Fact):
    """Memory ran out; the same batches are computed in more parts from here on."""

    run: str
    step: int
    before: int
    """Tokens that were computed at once at most."""
    tokens: int
    """Tokens that are computed at once at most from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed(Fact):
    """Training goes on after a pause."""

    run: str
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Fact):
    """A run ended well. `outcome` is completed, stopped or skipped."""

    run: str
    quest: str
    outcome: str
    step: int
    steps: int
    tokens: int
    seconds: float
    loss_first: float
    loss_last: float
    effort: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailed(Fact):
    """A run had to stop; nothing was saved after the last good checkpoint."""

    run: str
    quest: str
    step: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaved(Fact):
    """A checkpoint was sealed and registered."""

    checkpoint: str
    step: int
    size_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointQuarantined(Fact):
    """A checkpoint failed verification and was moved aside."""

    checkpoint: str
    step: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointDropped(Fact):
    """Retention removed a checkpoint."""

    checkpoint: str
    step: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointMoved(Fact):
    """A checkpoint left the zone `zone`; a verified copy of it lies in `to`."""

    checkpoint: str
    step: int
    zone: str
    to: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointFetched(Fact):
    """A checkpoint came into the workspace from `source`: a zone, a backup or another machine."""

    checkpoint: str
    step: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointPromoted(Fact):
    """A person made a checkpoint champion, whatever the examinations say; `reason` says why."""

    checkpoint: str
    step: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportEnded(Fact):
    """A checkpoint was written for other programs into `folder`, or was not: `problem` says why."""

    checkpoint: str
    folder: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionNamed(Fact):
    """A person gave a checkpoint a name, with a note; it stays until the name is taken back."""

    version: str
    checkpoint: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupMade(Fact):
    """Something was copied and verified before it was changed for good; `reason` says before what."""

    backup: str
    reason: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRestored(Fact):
    """What a backup holds was put back."""

    backup: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignReset(Fact):
    """A person let a campaign begin anew; what it had is in the backup."""

    backup: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionChanged(Fact):
    """A checkpoint became the best by examination."""

    checkpoint: str
    step: int
    accuracy: float
    previous: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictGiven(Fact):
    """A run was weighed: `quality` 0..1 in a `word`, what is recommended, and the experience that it earned."""

    run: str
    step: int
    quality: float
    word: str  # "blessed", "partial", "unproven" or "cursed"
    recommendation: str  # "promote", "keep" or "roll_back"
    experience: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictOverridden(Fact):
    """A person decided otherwise than the verdict about a run; `action` is promote or roll_back."""

    run: str
    action: str
    checkpoint: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRolledBack(Fact):
    """The campaign goes on from an older checkpoint; those after it were set aside."""

    checkpoint: str
    step: int
    set_aside: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminationTaken(Fact):
    """The hero answered held-out problems. `low` and `high` bound the 95 % Wilson interval."""

    skill: str
    level: int
    step: int
    n: int
    correct: int
    accuracy: float
    low: float
    high: float
    training_accuracy: float | None  # on fresh training-side problems: the gap to `accuracy` is memorisation
    role: str  # "frontier" or "panel"


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelGained(Fact):
    """A skill level was mastered."""

    skill: str
    level: int
    step: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelLost(Fact):
    """A mastered level stayed lost and is no longer counted."""

    skill: str
    level: int
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CanariesDrifted(Fact):
    """A set of canaries fell `points` percentage points below its best checkpoint; told when that begins or changes."""

    module: str  # a canary module, or "core": the core modules together
    severity: str  # "warning" or "critical"
    step: int
    n: int
    correct: int
    best_step: int
    best_correct: int
    points: float
    lost: int  # right at the best checkpoint, wrong now
    gained: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CanariesRecovered(Fact):
    """A set of canaries that had drifted is back within bounds."""

    module: str
    step: int
    n: int
    correct: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepsReached(Fact):
    """The campaign has so many optimizer steps: 1, 100 and every thousand, which is a level of the hero."""

    step: int
    hero_level: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StrainZoneEntered(Fact):
    """The mean strain of ten steps came into this zone for the first time since the hero woke."""

    skill: str
    zone: str
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AchievementAwarded(Fact):
    """A milestone was reached; told once per campaign. `fact` is the id of the fact that decided it."""

    achievement: str
    name: str
    description: str
    fact: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TitleEarned(Fact):
    """A title's conditions hold for the first time in the campaign. `skill` is empty for the hero's own titles."""

    title: str
    skill: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStarted(Fact):
    """A process of the realm answers its health check."""

    service: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCrashed(Fact):
    """A process of the realm ended by itself; it is started again after `wait_seconds`."""

    service: str
    exit_code: int
    restarts: int
    wait_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceGaveUp(Fact):
    """A process crashed too often and is left alone; `hint` says where to look."""

    service: str
    restarts: int
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStopped(Fact):
    """A process of the realm was stopped in order."""

    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockerRaised(Fact):
    """Something keeps the hero from going on: what was tried, why it failed, how to mend it."""

    blocker: str
    trying: str
    why: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockerCleared(Fact):
    """A blocker is gone."""

    blocker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRaised(Fact):
    """A watched quantity left its bounds: what happened, why it matters, what to do."""

    alert: str
    severity: str
    what: str
    why: str
    todo: str


def _kind(fact: type[Fact]) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in fact.__name__).lstrip("_")


KINDS: dict[str, type[Fact]] = {_kind(c): c for c in Fact.__subclasses__()}
_NAMES = {c: k for k, c in KINDS.items()}


@dataclass(frozen=True, slots=True)
class Recorded:
    """A fact with its place in the order. `time` is Unix seconds."""

    id: int
    time: float
    kind: str
    fact: Fact

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "time": self.time, "kind": self.kind, **asdict(self.fact)}


class Events:
    """The append-only list of facts."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.time) -> None:
        self._db = db
        self._clock = clock

    def append(self, *facts: Fact) -> int:
        """Record facts durably, in order, in one transaction. Returns the id of the last one."""
        with self._db.write() as connection:
            return self.append_in(connection, *facts)

    def append_in(self, connection: Connection, *facts: Fact) -> int:
        """The same inside a transaction that the caller holds, so that a row and its fact are one."""
        last = 0
        for fact in facts:
            body = asdict(fact)
            hero, campaign = body.pop("hero"), body.pop("campaign")
            row = {
                "time": self._clock(),
                "kind": _NAMES[type(fact)],
                "hero": hero,
                "campaign": campaign,
                "body": json.dumps(body, ensure_ascii=False),
            }
            key = connection.execute(fact_table.insert(), row).inserted_primary_key
            assert key is not None
            last = int(key[0])
        return last

    def last_id(self) -> int:
        with self._db.read() as connection:
            return connection.scalar(select(func.max(fact_table.c.id))) or 0

    def since(
        self,
        after: int = 0,
        *,
        limit: int = 1000,
        kinds: Sequence[str] | None = None,
        hero: str | None = None,
        campaign: str | None = None,
    ) -> list[Recorded]:
        """The facts after an id, oldest first."""
        query = select(fact_table).where(fact_table.c.id > after).order_by(fact_table.c.id).limit(limit)
        return self._read(_narrow(query, kinds, hero, campaign))

    def newest(
        self,
        limit: int = 50,
        *,
        kinds: Sequence[str] | None = None,
        hero: str | None = None,
        campaign: str | None = None,
    ) -> list[Recorded]:
        """The last facts, newest first.

        Of several kinds the last of each are found by index and merged: asked for at once, a million facts are sorted.
        """
        if not kinds:
            return [] if kinds is not None else self._read(_last(limit, None, hero, campaign))
        parts = [_last(limit, [kind], hero, campaign).subquery() for kind in dict.fromkeys(kinds)]
        merged = union_all(*(select(part) for part in parts)).subquery()
        return self._read(select(merged).order_by(merged.c.id.desc()).limit(limit))

    def replay(self, after: int = 0, **narrow: Any) -> Iterator[Recorded]:
        """All facts after an id, oldest first, a page at a time."""
        while page := self.since(after, **narrow):
            yield from page
            after = page[-1].id

    def _read(self, query: Any) -> list[Recorded]:
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        return [_recorded(row) for row in rows if row.kind in KINDS]


def standing_blockers(events: Events, key: CampaignKey | None = None, limit: int = 200) -> list[BlockerRaised]:
    """The blockers raised and not cleared since, newest first, each by its newest words.

    A blocker is one campaign's own, or nobody's; with `key` only those of that campaign and nobody's are named.
    """
    settled: set[tuple[str, str, str]] = set()
    standing: list[BlockerRaised] = []
    for recorded in events.newest(limit, kinds=("blocker_raised", "blocker_cleared")):
        fact = recorded.fact
        if not isinstance(fact, BlockerRaised | BlockerCleared):
            continue
        name = fact.hero, fact.campaign, fact.blocker
        theirs = key is not None and name[:2] not in {("", ""), (key.hero, key.campaign)}
        if isinstance(fact, BlockerRaised) and name not in settled and not theirs:
            standing.append(fact)
        settled.add(name)
    return standing


def _last(limit: int, kinds: Sequence[str] | None, hero: str | None, campaign: str | None) -> Any:
    return _narrow(select(fact_table).order_by(fact_table.c.id.desc()).limit(limit), kinds, hero, campaign)


def _narrow(query: Any, kinds: Sequence[str] | None, hero: str | None, campaign: str | None) -> Any:
    if kinds is not None:
        query = query.where(fact_table.c.kind.in_(kinds))
    if hero is not None:
        query = query.where(fact_table.c.hero == hero)
    if campaign is not None:
        query = query.where(fact_table.c.campaign == campaign)
    return query


def _recorded(row: Any) -> Recorded:
    cls = KINDS[row.kind]
    known = {f.name for f in fields(cls)}
    body = {k: v for k, v in json.loads(row.body).items() if k in known}
    return Recorded(row.id, row.time, row.kind, cls(hero=row.hero, campaign=row.campaign, **body))
