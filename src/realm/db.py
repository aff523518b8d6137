"""One database: SQLite in WAL mode, or PostgreSQL by URL. Knows connections and migrations, no table.

Each table belongs to one module, which declares it on `metadata` and is the only one that writes it.
Rules and their measurements: docs/storage.md.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from realm.errors import DiskFull, RealmError

metadata = MetaData()
BUSY_TIMEOUT_SECONDS = 30
MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """Two doors: `read()` cannot write, `write()` takes the write lock at once.

    A deferred transaction that turns from reading to writing fails as "locked" under load however long it
    waits, so writers begin IMMEDIATE. Only one process checkpoints the WAL (`checkpoints=True`).
    """

    def __init__(self, url: str, *, checkpoints: bool = False) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._writer = self._engine(writes=True, checkpoints=checkpoints)
        self._reader = self._engine(writes=False, checkpoints=checkpoints) if self.is_sqlite else self._writer

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write; durable once the block ends. Raises DiskFull."""
        with _in_words(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of the database, without a lock on writers."""
        with _in_words(), self._reader.begin() as connection:
            yield connection

    def upgrade(self) -> None:
        """Bring the tables to this version of the program. Safe to call at each start."""
        from alembic import command  # noqa: PLC0415 - alembic costs 100 ms that read-only commands need not pay
        from alembic.config import Config  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def close(self) -> None:
        self._writer.dispose()
        self._reader.dispose()

    def _engine(self, *, writes: bool, checkpoints: bool) -> Engine:
        if not self.is_sqlite:
            return create_engine(self.url, pool_pre_ping=True)
        engine = create_engine(self.url, isolation_level=None, connect_args={"timeout": BUSY_TIMEOUT_SECONDS})
        pragmas = ["journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "mmap_size=0"]
        pragmas.append(f"wal_autocheckpoint={1000 if checkpoints and writes else 0}")
        if not writes:
            pragmas.append("query_only=ON")

        @event.listens_for(engine, "connect")
        def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}").close()

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

        return engine


@contextmanager
def _in_words() -> Iterator[None]:
    """Say the database's troubles in a person's words."""
    try:
        yield
    except OperationalError as error:
        text = str(error.orig)
        if "disk is full" in text or "disk I/O" in text:
            raise DiskFull(
                "The disk is full: the database could not be written. Nothing half-written was kept.",
                hint="Free some room (old checkpoints: realm vault retain), then start again.",
            ) from error
        if "locked" in text:
            raise RealmError(
                f"The database stayed locked for {BUSY_TIMEOUT_SECONDS} seconds.",
                hint="Close programs that hold realm.db open for writing.",
            ) from error
        raise


def open_database(path: Path, *, checkpoints: bool = False) -> Database:
    """The SQLite database of a workspace."""
    return Database(f"sqlite:///{path}", checkpoints=checkpoints)
