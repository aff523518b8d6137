"""What the vault knows of assets: where each lies, whether the copy there is whole, which names a person gave.

Checkpoints themselves are in the checkpoints' ledger; here are their places, and base models, datasets and exports.
Opens no file.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sqlalchemy import BigInteger, Column, Connection, Float, Index, String, Table, Text, delete, select, update

from realm.db import Database, metadata
from realm.errors import UsageError
from realm.events import Events, VersionNamed

Kind = Literal["checkpoint", "base_model", "dataset", "export"]
KINDS: tuple[Kind, ...] = ("checkpoint", "base_model", "dataset", "export")
Verification = Literal["verified", "unverified", "damaged", "missing"]
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_CHUNK = 500  # ids in one question: SQLite's default limit of variables was once 999

asset_table = Table(
    "asset",
    metadata,
    Column("id", String(250), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("name", String(200), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("origin", String(200), nullable=False),
    Column("created", Float, nullable=False),
    Index("ix_asset_kind", "kind", "name"),
    Index("ix_asset_origin", "origin"),
)
asset_location_table = Table(
    "asset_location",
    metadata,
    Column("asset", String(250), primary_key=True),
    Column("zone", String(20), primary_key=True),
    Column("path", Text, nullable=False),
    Column("state", String(12), nullable=False),
    Column("checked", Float, nullable=False),
    Column("reason", Text, nullable=False),
)
version_table = Table(
    "version",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("checkpoint", String(200), nullable=False),
    Column("note", Text, nullable=False),
    Column("time", Float, nullable=False),
    Index("ix_version_checkpoint", "checkpoint"),
)
_a, _l, _v = asset_table.c, asset_location_table.c, version_table.c


@dataclass(frozen=True, slots=True)
class Asset:
    """Something worth keeping that is no checkpoint."""

    id: str
    """`base_model:NAME`, `dataset:NAME` or `export:NAME`."""
    kind: Kind
    name: str
    size_bytes: int
    sha256: str
    """Of the file, or of the names and sha256 of all files of a folder."""
    origin: str = ""
    """Id of the checkpoint that it was made of."""
    created: float = 0.0


@dataclass(frozen=True, slots=True)
class Location:
    """One place where an asset lies. `checked` is when its bytes were last compared, in Unix seconds."""

    asset: str
    zone: str
    """hot, warm, cold, or `elsewhere` for a folder outside of them."""
    path: str
    state: Verification
    checked: float
    reason: str = ""

    @property
    def whole(self) -> bool:
        return self.state == "verified"


@dataclass(frozen=True, slots=True)
class Version:
    """A name that a person gave a checkpoint."""

    name: str
    checkpoint: str
    note: str
    time: float


class Catalogue:
    """Reads and writes `asset`, `asset_location` and `version`."""

    def __init__(self, db: Database, events: Events, clock: Callable[[], float] = time.time) -> None:
        self._db = db
        self._events = events
        self._clock = clock

    # -- assets --------------------------------------------------------------------------------------------
    def put(self, asset: Asset, location: Location) -> None:
        """Enter an asset that was found or made, and where it lies."""
        with self._db.write() as connection:
            connection.execute(delete(asset_table).where(_a.id == asset.id))
            connection.execute(asset_table.insert(), asdict(asset))
            put_location(connection, location)

    def find(self, asset: str) -> Asset | None:
        with self._db.read() as connection:
            row = connection.execute(select(asset_table).where(_a.id == asset)).mappings().first()
        return Asset(**row) if row else None

    def assets(self, kind: Kind | None = None, *, text: str = "", limit: int = 100, offset: int = 0) -> Sequence[Asset]:
        """Assets by kind and name; `text` is a part of the name."""
        query = select(asset_table).order_by(_a.kind, _a.name, _a.id).limit(limit).offset(offset)
        query = query if kind is None else query.where(_a.kind == kind)
        query = query.where(_a.name.contains(text, autoescape=True)) if text else query
        with self._db.read() as connection:
            return [Asset(**row) for row in connection.execute(query).mappings()]

    def made_of(self, checkpoint: str) -> Sequence[Asset]:
        """What was made of a checkpoint."""
        with self._db.read() as connection:
            rows = connection.execute(select(asset_table).where(_a.origin == checkpoint).order_by(_a.id)).mappings()
            return [Asset(**row) for row in rows]

    def origins(self) -> Mapping[str, str]:
        """The checkpoints that something was made of which is still there, and what it is, in words."""
        query = (
            select(_a.origin, _a.name)
            .join(asset_location_table, _l.asset == _a.id)
            .where(_a.origin != "", _l.state != "missing")
            .order_by(_a.id)
        )
        with self._db.read() as connection:
            return {origin: f"exported as {name}" for origin, name in connection.execute(query)}

    # -- places --------------------------------------------------------------------------------------------
    def locations(self, assets: Iterable[str]) -> dict[str, list[Location]]:
        """Where each of some assets lies, the hot zone first."""
        asked, found = list(assets), defaultdict(list)
        with self._db.read() as connection:
            for start in range(0, len(asked), _CHUNK):
                query = select(asset_location_table).where(_l.asset.in_(asked[start : start + _CHUNK]))
                for row in connection.execute(query).mappings():
                    found[row["asset"]].append(Location(**row))
        return {asset: sorted(places, key=_order) for asset, places in found.items()}

    def all_locations(self) -> dict[str, list[Location]]:
        """The places of every checkpoint and asset."""
        found: dict[str, list[Location]] = defaultdict(list)
        with self._db.read() as connection:
            for row in connection.execute(select(asset_location_table)).mappings():
                found[row["asset"]].append(Location(**row))
        return {asset: sorted(places, key=_order) for asset, places in found.items()}

    def mark(self, asset: str, zone: str, state: Verification, reason: str = "") -> None:
        """Note what a look at a copy has shown."""
        with self._db.write() as connection:
            connection.execute(
                update(asset_location_table)
                .where(_l.asset == asset, _l.zone == zone)
                .values(state=state, reason=reason, checked=self._clock())
            )

    # -- names ---------------------------------------------------------------------------------------------
    def name(self, version: str, checkpoint: str, note: str, *, hero: str = "", campaign: str = "") -> Version:
        """Give a checkpoint a name. Raises UsageError when another one has it."""
        if not _VERSION.fullmatch(version) or version.isdigit() or version in {"latest", "champion"}:
            raise UsageError(
                f"{version!r} cannot be a version's name.", hint="Use letters, digits, '.', '-' and '_', at most 80."
            )
        made = Version(version, checkpoint, note, self._clock())
        with self._db.write() as connection:
            other = connection.scalar(select(_v.checkpoint).where(_v.name == version))
            if other is not None and other != checkpoint:
                raise UsageError(
                    f"'{version}' is the name of {other}.", hint=f"Take it back first: realm vault unname {version}"
                )
            connection.execute(delete(version_table).where(_v.name == version))
            connection.execute(version_table.insert(), asdict(made))
            fact = VersionNamed(hero=hero, campaign=campaign, version=version, checkpoint=checkpoint, note=note)
            self._events.append_in(connection, fact)
        return made

    def unname(self, version: str) -> None:
        """Take a name back. Raises UsageError when there is none."""
        with self._db.write() as connection:
            if not connection.execute(delete(version_table).where(_v.name == version)).rowcount:
                raise UsageError(f"There is no version '{version}'.", hint="See them: realm vault versions")

    def versions(self, checkpoint: str | None = None) -> Sequence[Version]:
        """The names that were given, newest first."""
        query = select(version_table).order_by(_v.time.desc(), _v.name)
        query = query if checkpoint is None else query.where(_v.checkpoint == checkpoint)
        with self._db.read() as connection:
            return [Version(**row) for row in connection.execute(query).mappings()]

    def named(self, version: str) -> Version | None:
        with self._db.read() as connection:
            row = connection.execute(select(version_table).where(_v.name == version)).mappings().first()
        return Version(**row) if row else None


def put_location(connection: Connection, location: Location) -> None:
    """Enter a place within somebody's transaction."""
    remove_location(connection, location.asset, location.zone)
    connection.execute(asset_location_table.insert(), asdict(location))


def remove_location(connection: Connection, asset: str, zone: str) -> None:
    connection.execute(delete(asset_location_table).where(_l.asset == asset, _l.zone == zone))


def whole_elsewhere(connection: Connection, asset: str, zone: str) -> Location | None:
    """A verified copy in another zone, the warmest one."""
    query = select(asset_location_table).where(_l.asset == asset, _l.zone != zone, _l.state == "verified")
    found: list[Any] = [Location(**row) for row in connection.execute(query).mappings()]
    return min(found, key=_order, default=None)


def _order(location: Location) -> tuple[int, str]:
    places = ("hot", "warm", "cold")
    return places.index(location.zone) if location.zone in places else len(places), location.zone
