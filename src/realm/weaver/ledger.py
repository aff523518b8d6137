"""The table of services: what runs, since when, on which port. Written by the supervisor only."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Column, Float, Integer, String, Table, select

from realm.db import Database, metadata

service_table = Table(
    "service",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("state", String(20), nullable=False),
    Column("pid", Integer, nullable=True),
    Column("port", Integer, nullable=True),
    Column("restarts", Integer, nullable=False),
    Column("since", Float, nullable=False),
)


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """A service as last written. `since` is Unix seconds."""

    name: str
    state: str
    pid: int | None
    port: int | None
    restarts: int
    since: float


class ServiceLedger:
    """Reads and writes the table."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.time) -> None:
        self._db = db
        self._clock = clock

    def write(self, name: str, state: str, *, pid: int | None, port: int | None, restarts: int) -> None:
        row = {"state": state, "pid": pid, "port": port, "restarts": restarts, "since": self._clock()}
        with self._db.write() as connection:
            updated = connection.execute(service_table.update().where(service_table.c.name == name).values(**row))
            if updated.rowcount == 0:
                connection.execute(service_table.insert().values(name=name, **row))

    def all(self) -> list[ServiceRow]:
        with self._db.read() as connection:
            return [ServiceRow(**row._mapping) for row in connection.execute(select(service_table))]
