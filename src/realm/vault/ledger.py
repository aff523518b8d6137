"""The table of checkpoints, one row per (hero, campaign, step), and which one is champion. Opens no folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    Integer,
    RowMapping,
    Select,
    String,
    Table,
    Text,
    case,
    func,
    select,
    update,
)

from realm.db import Database, metadata
from realm.errors import CheckpointError
from realm.events import (
    ChampionChanged,
    CheckpointDropped,
    CheckpointFetched,
    CheckpointMoved,
    CheckpointPromoted,
    CheckpointQuarantined,
    CheckpointSaved,
    Events,
)
from realm.records import CampaignKey, CheckpointRecord
from realm.vault.catalogue import (
    Location,
    asset_location_table,
    put_location,
    remove_location,
    whole_elsewhere,
)
from realm.vault.champion import Standing, best, rank
from realm.vault.manifest import Manifest

State = Literal["present", "stored", "dropped", "quarantined"]

checkpoint_table = Table(
    "checkpoint",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("hero", String(80), nullable=False),
    Column("campaign", String(80), nullable=False),
    Column("step", Integer, nullable=False),
    Column("path", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("parent", String(200), nullable=False),
    Column("run", String(80), nullable=False),
    Column("metrics", Text, nullable=False),
    Column("levels", Text, nullable=False),
    Column("mastered", Integer, nullable=False),
    Column("accuracy", Float),
    Column("problems", Integer, nullable=False, default=0),
    Column("examination", Text, nullable=False, default="{}"),
    Column("state", String(12), nullable=False, default="present"),
    Column("reason", Text, nullable=False, default=""),
    Column("champion", Boolean, nullable=False, default=False),
    Index("ix_checkpoint_step", "hero", "campaign", "step", unique=True),
    Index("ix_checkpoint_state", "hero", "campaign", "state", "step"),
    Index("ix_checkpoint_created", "created"),
)
_c = checkpoint_table.c
# One champion per campaign is not left to the program alone.
Index(
    "ix_checkpoint_champion", _c.hero, _c.campaign, unique=True, sqlite_where=_c.champion, postgresql_where=_c.champion
)


class CheckpointLedger:
    """What is known about checkpoints. Every change and its fact are one transaction."""

    def __init__(self, db: Database, events: Events, clock: Callable[[], float] = time.time) -> None:
        self._db = db
        self._events = events
        self._clock = clock

    @property
    def db(self) -> Database:
        return self._db

    # -- reading -------------------------------------------------------------------------------------------
    def get(self, checkpoint: str) -> CheckpointRecord:
        """The checkpoint of that id. Raises CheckpointError when there is none."""
        with self._db.read() as connection:
            return _record(_row(connection, checkpoint))

    def find(self, checkpoint: str) -> CheckpointRecord | None:
        """The checkpoint of that id, or None."""
        return self._first(select(checkpoint_table).where(_c.id == checkpoint))

    def newest(self, key: CampaignKey) -> CheckpointRecord | None:
        """The present checkpoint with the highest step."""
        return self._first(_present(key).order_by(_c.step.desc()))

    def champion(self, key: CampaignKey) -> CheckpointRecord | None:
        """The best present checkpoint by examination."""
        return self._first(_present(key).where(_c.champion))

    def list(
        self, key: CampaignKey, *, state: State | None = None, limit: int = 100, before_step: int | None = None
    ) -> Sequence[CheckpointRecord]:
        """Checkpoints of a campaign, highest step first; the next page begins before the last step of this one."""
        query = _of(key).order_by(_c.step.desc()).limit(limit)
        if state is not None:
            query = query.where(_c.state == state)
        if before_step is not None:
            query = query.where(_c.step < before_step)
        with self._db.read() as connection:
            return [_record(row) for row in connection.execute(query).mappings()]

    def present(self, key: CampaignKey) -> Sequence[CheckpointRecord]:
        """All checkpoints that are on disk, lowest step first."""
        with self._db.read() as connection:
            return [_record(row) for row in connection.execute(_present(key).order_by(_c.step)).mappings()]

    def held(self) -> Sequence[tuple[CheckpointRecord, dict[str, tuple[int, int]]]]:
        """Every checkpoint that lies in some zone, with right answers and problems of its examinations by skill."""
        query = select(checkpoint_table).where(_c.state.in_(("present", "stored"))).order_by(_c.created)
        with self._db.read() as connection:
            return [(_record(row), _skills(row)) for row in connection.execute(query).mappings()]

    def campaigns(self, hero: str) -> Sequence[str]:
        """The campaigns of a hero that have a checkpoint on disk, by name."""
        query = select(_c.campaign).distinct().where(_c.hero == hero, _c.state == "present")
        with self._db.read() as connection:
            return sorted(connection.scalars(query))

    def page(
        self,
        *,
        hero: str = "",
        campaign: str = "",
        states: Sequence[str] = (),
        text: str = "",
        limit: int = 100,
        offset: int = 0,
    ) -> tuple[int, Sequence[CheckpointRecord]]:
        """How many checkpoints there are, and a page of them, newest first. `text` is a part of the id."""
        wanted: list[ColumnElement[bool]] = []
        wanted += [_c.hero == hero] if hero else []
        wanted += [_c.campaign == campaign] if campaign else []
        wanted += [_c.state.in_(states)] if states else []
        wanted += [_c.id.contains(text, autoescape=True)] if text else []
        query = select(checkpoint_table).where(*wanted).order_by(_c.created.desc(), _c.id).limit(limit).offset(offset)
        with self._db.read() as connection:
            total = connection.scalar(select(func.count()).select_from(checkpoint_table).where(*wanted))
            return int(total or 0), [_record(row) for row in connection.execute(query).mappings()]

    def examined_ones(
        self, *, hero: str = "", campaign: str = "", limit: int = 100, offset: int = 0
    ) -> Sequence[tuple[CheckpointRecord, dict[str, tuple[int, int]], int]]:
        """Examined checkpoints, newest first, with right answers and problems by skill, and problems in all."""
        wanted: list[ColumnElement[bool]] = [_c.accuracy.is_not(None)]
        wanted += [_c.hero == hero] if hero else []
        wanted += [_c.campaign == campaign] if campaign else []
        query = select(checkpoint_table).where(*wanted).order_by(_c.created.desc(), _c.id).limit(limit).offset(offset)
        with self._db.read() as connection:
            return [(_record(row), _skills(row), int(row["problems"])) for row in connection.execute(query).mappings()]

    def children(self, checkpoint: str) -> Sequence[CheckpointRecord]:
        """The checkpoints that training made of one."""
        with self._db.read() as connection:
            rows = connection.execute(select(checkpoint_table).where(_c.parent == checkpoint).order_by(_c.created))
            return [_record(row) for row in rows.mappings()]

    def zone_totals(self) -> dict[str, tuple[int, int, int]]:
        """By zone: copies of checkpoints, their bytes, and how many are not known to be whole."""
        places, bad = asset_location_table.c, case((asset_location_table.c.state == "verified", 0), else_=1)
        query = (
            select(places.zone, func.count(), func.sum(_c.size_bytes), func.sum(bad))
            .join(checkpoint_table, _c.id == places.asset)
            .where(_c.state.in_(("present", "stored")))
            .group_by(places.zone)
        )
        with self._db.read() as connection:
            return {zone: (int(n), int(size), int(bad)) for zone, n, size, bad in connection.execute(query)}

    def totals(self) -> dict[str, tuple[int, int]]:
        """Count and bytes of the checkpoints by state."""
        query = select(_c.state, func.count(), func.coalesce(func.sum(_c.size_bytes), 0)).group_by(_c.state)
        with self._db.read() as connection:
            return {state: (int(count), int(size)) for state, count, size in connection.execute(query)}

    def steps(self, key: CampaignKey) -> Sequence[int]:
        """The steps of all checkpoints of a campaign that were not quarantined, dropped ones too."""
        query = select(_c.step).where(_c.hero == key.hero, _c.campaign == key.campaign, _c.state != "quarantined")
        with self._db.read() as connection:
            return [int(step) for step in connection.scalars(query.order_by(_c.step))]

    def reason(self, checkpoint: str) -> str:
        """Why a checkpoint was dropped or quarantined; empty while it is present."""
        with self._db.read() as connection:
            return str(_row(connection, checkpoint)["reason"])

    def examination(self, checkpoint: str) -> dict[str, Any]:
        """The detail that was handed in with the checkpoint's examination."""
        with self._db.read() as connection:
            return dict(json.loads(_row(connection, checkpoint)["examination"]))

    def size_bytes(self, key: CampaignKey | None = None) -> int:
        """Bytes of the present checkpoints of one campaign, or of all."""
        query = select(func.coalesce(func.sum(_c.size_bytes), 0)).where(_c.state == "present")
        if key is not None:
            query = query.where(_c.hero == key.hero, _c.campaign == key.campaign)
        with self._db.read() as connection:
            return int(connection.scalar(query) or 0)

    def keys(self) -> Sequence[CampaignKey]:
        """The campaigns that ever had a checkpoint."""
        query = select(_c.hero, _c.campaign).distinct().order_by(_c.hero, _c.campaign)
        with self._db.read() as connection:
            return [CampaignKey(hero, campaign) for hero, campaign in connection.execute(query)]

    # -- writing -------------------------------------------------------------------------------------------
    def register(self, manifest: Manifest, path: Path, *, seconds: float = 0.0) -> CheckpointRecord:
        """Enter a sealed checkpoint. A step that is saved again replaces its row and loses its examination."""
        row = _new_row(manifest, path)
        fact = CheckpointSaved(
            hero=manifest.key.hero,
            campaign=manifest.key.campaign,
            checkpoint=manifest.id,
            step=manifest.step,
            size_bytes=manifest.size_bytes,
            seconds=round(seconds, 3),
        )
        with self._db.write() as connection:
            connection.execute(checkpoint_table.delete().where(_c.id == manifest.id))
            connection.execute(checkpoint_table.insert(), row)
            put_location(connection, Location(manifest.id, "hot", str(path), "verified", manifest.created))
            self._events.append_in(connection, fact)
            self._crown(connection, manifest.key)
            return _record(_row(connection, manifest.id))

    def examined(self, checkpoint: str, accuracy: float, detail: Mapping[str, Any]) -> CheckpointRecord:
        """Note the pooled accuracy of a checkpoint's examinations and find the champion anew.

        `detail` is kept as it is. Its `n` (problems asked) weighs the accuracy; its `levels` (skill -> mastered
        level after the examination), where given, take the place of the levels at save. `skills` (skill -> right
        answers and problems) tells retention which is the best at each. Its `held_back`, where it is not empty, says
        why the checkpoint must not be champion.
        """
        with self._db.write() as connection:
            row = _row(connection, checkpoint)
            levels = detail.get("levels", json.loads(row["levels"]))
            _update(
                connection,
                checkpoint,
                accuracy=accuracy,
                problems=int(detail.get("n", 0)),
                examination=json.dumps(dict(detail)),
                levels=json.dumps(levels),
                mastered=sum(levels.values()),
            )
            self._crown(connection, CampaignKey(row["hero"], row["campaign"]))
            return _record(_row(connection, checkpoint))

    def crown(self, checkpoint: str) -> CheckpointRecord:
        """Make an examined checkpoint champion because a person says so; a better one may take its place later.

        Others that are better by examination and not held back already are held back for that reason.
        """
        with self._db.write() as connection:
            row = _row(connection, checkpoint)
            key = CampaignKey(row["hero"], row["campaign"])
            self._admit_only(connection, key, row)
            self._crown(connection, key)
            return _record(_row(connection, checkpoint))

    def _admit_only(self, connection: Connection, key: CampaignKey, row: RowMapping) -> None:
        """Let one checkpoint lead, and of the present ones none that the rule puts before it."""
        chosen = Standing(row["id"], row["step"], row["mastered"], row["accuracy"] or 0.0, row["problems"])
        for other in connection.execute(_present(key).where(_c.accuracy.is_not(None))).mappings().all():
            detail = json.loads(other["examination"])
            standing = Standing(other["id"], other["step"], other["mastered"], other["accuracy"], other["problems"])
            if other["id"] == chosen.id:
                detail["held_back"] = ""
            elif not detail.get("held_back") and rank(standing) > rank(chosen):
                detail["held_back"] = f"a person chose {chosen.id}"
            _update(connection, other["id"], examination=json.dumps(detail))

    def moved(self, checkpoint: str, path: Path) -> None:
        """The folder is found elsewhere, e.g. because the workspace was moved."""
        with self._db.write() as connection:
            _update(connection, checkpoint, path=str(path))

    def dropped(self, checkpoint: str, reason: str) -> None:
        """The folder is gone and shall be. A checkpoint of which a whole copy lies in another zone is stored there."""
        self.left(checkpoint, "hot", reason)

    def left(self, checkpoint: str, zone: str, reason: str) -> None:
        """A copy is gone from a zone and shall be."""
        with self._db.write() as connection:
            before = _row(connection, checkpoint)
            remove_location(connection, checkpoint, zone)
            other = whole_elsewhere(connection, checkpoint, zone)
            names = {"hero": before["hero"], "campaign": before["campaign"], "checkpoint": checkpoint}
            if zone != "hot" and before["state"] == "present":
                return  # a spare copy
            if other is not None:
                self._leave(connection, checkpoint, "stored", reason, row_path=Path(other.path))
                moved = CheckpointMoved(**names, step=before["step"], zone=zone, to=other.zone, reason=reason)
                self._events.append_in(connection, moved)
            elif before["state"] in {"present", "stored"}:
                self._leave(connection, checkpoint, "dropped", reason, row_path=None)
                self._events.append_in(connection, CheckpointDropped(**names, step=before["step"], reason=reason))
            self._crown(connection, CampaignKey(before["hero"], before["campaign"]))

    def found(self, manifest: Manifest, zone: str, path: str) -> None:
        """A sealed copy was found in a zone. One that nobody knows is entered; its bytes were not compared yet."""
        with self._db.write() as connection:
            if connection.scalar(select(_c.id).where(_c.id == manifest.id)) is None:
                row = _new_row(manifest, Path(path)) | {"state": "stored"}
                connection.execute(checkpoint_table.insert(), row)
            put_location(connection, Location(manifest.id, zone, path, "unverified", self._clock()))

    def promoted(self, checkpoint: str, reason: str) -> CheckpointRecord:
        """Like `crown`, and tells who asks later why. Raises CheckpointError for one that cannot lead."""
        record = self.get(checkpoint)
        if record.state != "present" or record.accuracy is None:
            why = "was never examined" if record.state == "present" else f"is {record.state}"
            raise CheckpointError(
                f"{checkpoint} {why}, so it cannot be champion.", hint="See which were examined: realm vault ls"
            )
        crowned = self.crown(checkpoint)
        self._events.append(
            CheckpointPromoted(
                hero=record.hero, campaign=record.campaign, checkpoint=checkpoint, step=record.step, reason=reason
            )
        )
        return crowned

    def copied(self, checkpoint: str, zone: str, path: str) -> Location:
        """A copy lies in a zone, and every byte of it was compared."""
        place = Location(checkpoint, zone, path, "verified", self._clock())
        with self._db.write() as connection:
            row = _row(connection, checkpoint)
            put_location(connection, place)
            if row["state"] == "dropped":
                _update(connection, checkpoint, state="stored", reason="", path=path)
        return place

    def arrived(self, checkpoint: str, folder: Path, *, source: str) -> None:
        """A whole copy lies in the workspace again."""
        with self._db.write() as connection:
            row = _row(connection, checkpoint)
            put_location(connection, Location(checkpoint, "hot", str(folder), "verified", self._clock()))
            _update(connection, checkpoint, state="present", reason="", path=str(folder))
            fact = CheckpointFetched(
                hero=row["hero"], campaign=row["campaign"], checkpoint=checkpoint, step=row["step"], source=source
            )
            self._events.append_in(connection, fact)
            self._crown(connection, CampaignKey(row["hero"], row["campaign"]))

    def quarantined(self, checkpoint: str, reason: str, path: Path) -> None:
        """The folder must not be trusted and lies at `path` now."""
        with self._db.write() as connection:
            row = self._leave(connection, checkpoint, "quarantined", reason, row_path=path)
            remove_location(connection, checkpoint, "hot")
            self._events.append_in(
                connection,
                CheckpointQuarantined(
                    hero=row["hero"], campaign=row["campaign"], checkpoint=checkpoint, step=row["step"], reason=reason
                ),
            )
            self._crown(connection, CampaignKey(row["hero"], row["campaign"]))

    def _leave(
        self, connection: Connection, checkpoint: str, state: State, reason: str, *, row_path: Path | None
    ) -> RowMapping:
        row = _row(connection, checkpoint)
        path = row["path"] if row_path is None else str(row_path)
        _update(connection, checkpoint, state=state, reason=reason, path=path, champion=False)
        return row

    def _crown(self, connection: Connection, key: CampaignKey) -> None:
        """Put the champion flag where the rule says, and tell when it moved to another checkpoint."""
        query = select(_c.id, _c.step, _c.mastered, _c.accuracy, _c.problems, _c.examination).where(
            _c.hero == key.hero, _c.campaign == key.campaign, _c.state == "present", _c.accuracy.is_not(None)
        )
        rows = connection.execute(query)
        champion = best(Standing(*row[:5]) for row in rows if not json.loads(row[5]).get("held_back"))
        flagged = (
            connection.scalar(select(_c.id).where(_c.hero == key.hero, _c.campaign == key.campaign, _c.champion)) or ""
        )
        if flagged and (champion is None or champion.id != flagged):
            _update(connection, flagged, champion=False)
        if champion is None or champion.id == flagged:
            return
        _update(connection, champion.id, champion=True)
        self._events.append_in(
            connection,
            ChampionChanged(
                hero=key.hero,
                campaign=key.campaign,
                checkpoint=champion.id,
                step=champion.step,
                accuracy=champion.accuracy,
                previous=flagged,
            ),
        )

    def _first(self, query: Select[Any]) -> CheckpointRecord | None:
        with self._db.read() as connection:
            row = connection.execute(query.limit(1)).mappings().first()
        return _record(row) if row else None


def _of(key: CampaignKey) -> Select[Any]:
    return select(checkpoint_table).where(_c.hero == key.hero, _c.campaign == key.campaign)


def _present(key: CampaignKey) -> Select[Any]:
    return _of(key).where(_c.state == "present")


def _update(connection: Connection, checkpoint: str, **values: Any) -> None:
    connection.execute(update(checkpoint_table).where(_c.id == checkpoint).values(**values))


def _row(connection: Connection, checkpoint: str) -> RowMapping:
    row = connection.execute(select(checkpoint_table).where(_c.id == checkpoint)).mappings().first()
    if row is None:
        raise CheckpointError(f"There is no checkpoint '{checkpoint}'.", hint="See what there is: realm vault ls")
    return row


def _new_row(manifest: Manifest, path: Path) -> dict[str, Any]:
    return {
        "id": manifest.id,
        "hero": manifest.key.hero,
        "campaign": manifest.key.campaign,
        "step": manifest.step,
        "path": str(path),
        "created": manifest.created,
        "size_bytes": manifest.size_bytes,
        "parent": manifest.lineage.parent,
        "run": manifest.lineage.run,
        "metrics": json.dumps(manifest.metrics),
        "levels": json.dumps(manifest.levels),
        "mastered": sum(manifest.levels.values()),
    }


def _skills(row: RowMapping) -> dict[str, tuple[int, int]]:
    told = json.loads(row["examination"]).get("skills", {})
    return {skill: (int(correct), int(n)) for skill, (correct, n) in told.items()}


def _record(row: RowMapping) -> CheckpointRecord:
    return CheckpointRecord(
        id=row["id"],
        hero=row["hero"],
        campaign=row["campaign"],
        step=row["step"],
        path=row["path"],
        created=row["created"],
        size_bytes=row["size_bytes"],
        parent=row["parent"],
        run=row["run"],
        metrics=json.loads(row["metrics"]),
        levels=json.loads(row["levels"]),
        accuracy=row["accuracy"],
        state=row["state"],
        champion=bool(row["champion"]),
    )
