"""The rows of one campaign in every table that names one: read, removed and put back, for backups and resets alone.

Each table has one owner that writes it from day to day; a backup must hold them all, also those of rooms that came
later, so they are found by their columns. Facts stay: what happened is never changed. Knows no file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, MetaData, Table, and_, delete, or_, select

from realm.db import Database
from realm.records import CampaignKey

STAY = frozenset({"fact", "campaign", "quest", "alembic_version"})
"""Facts are history; a campaign's own row says that it exists; quest files belong to the queue."""
QUEUE = ("quest", "quest_completion")
NAMED_BY_ID = {"asset_location": "asset", "version": "checkpoint", "checkpoint_lease": "checkpoint"}
"""Tables that name a campaign in the id of a checkpoint."""
_BATCH = 1000

TableRow = tuple[str, Mapping[str, Any]]


def read(db: Database, keys: Iterable[CampaignKey], *, queue: bool = False) -> Iterator[TableRow]:
    """Every row of some campaigns, table by table; with `queue` all rows about quest files too."""
    wanted = list(keys)
    with db.read() as connection:
        for table, where in _tables(connection, wanted, queue=queue):
            for row in connection.execute(select(table).where(where)).mappings():
                yield table.name, dict(row)


def remove(db: Database, keys: Iterable[CampaignKey], *, queue: bool = False) -> dict[str, int]:
    """Remove what `read` gives, in one transaction. Returns how many rows of each table."""
    gone: dict[str, int] = {}
    with db.write() as connection:
        for table, where in _tables(connection, list(keys), queue=queue):
            gone[table.name] = connection.execute(delete(table).where(where)).rowcount
    return {name: count for name, count in gone.items() if count}


def put_back(db: Database, keys: Iterable[CampaignKey], rows: Iterable[TableRow], *, queue: bool = False) -> None:
    """Let the tables hold exactly these rows of some campaigns, in one transaction.

    Numbers that the database gave a row are given anew, for others may have them by now.
    """
    with db.write() as connection:
        known: dict[str, Table] = {}
        for table, where in _tables(connection, list(keys), queue=queue):
            connection.execute(delete(table).where(where))
            known[table.name] = table
        waiting: dict[str, list[dict[str, Any]]] = {}
        for name, row in rows:
            if name in known:
                waiting.setdefault(name, []).append(_without_number(known[name], row))
                if len(waiting[name]) >= _BATCH:
                    connection.execute(known[name].insert(), waiting.pop(name))
        for name, left in waiting.items():
            connection.execute(known[name].insert(), left)


def _tables(connection: Connection, keys: list[CampaignKey], *, queue: bool) -> list[tuple[Table, ColumnElement[bool]]]:
    metadata = MetaData()
    metadata.reflect(connection)
    found: list[tuple[Table, ColumnElement[bool]]] = []
    for table in metadata.sorted_tables:
        columns = table.c
        if queue and table.name in QUEUE:
            found.append((table, _everything(table)))
        elif table.name in NAMED_BY_ID:
            named = columns[NAMED_BY_ID[table.name]]
            found.append((table, or_(*(named.startswith(f"{key}@", autoescape=True) for key in keys))))
        elif table.name not in STAY and {"hero", "campaign"} <= set(columns.keys()):
            found.append(
                (table, or_(*(and_(columns.hero == key.hero, columns.campaign == key.campaign) for key in keys)))
            )
    return found


def _everything(table: Table) -> ColumnElement[bool]:
    first = next(iter(table.c))
    return or_(first.is_(None), first.is_not(None))


def _without_number(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without the number that the database counts itself."""
    keys = list(table.primary_key.columns)
    counted = len(keys) == 1 and isinstance(keys[0].type, Integer) and keys[0].name == "id"
    return {name: value for name, value in row.items() if not (counted and name == "id")}
