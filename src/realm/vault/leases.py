"""Who reads a checkpoint now, so that nobody removes it meanwhile. Knows no folder.

A lease ends by itself, so a reader that was killed holds nothing for long. Whoever removes takes a lease too, in the
same transaction that sees no reader: a reader that comes a moment later is told, and none loses a file in its hand.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from sqlalchemy import Column, Connection, Float, Index, String, Table, delete, select, update

from realm.db import Database, metadata
from realm.errors import CheckpointError

READING_SECONDS = 3600.0
"""Loading or copying the biggest checkpoint should be done by then; who needs longer renews."""
REMOVING_SECONDS = 300.0
Purpose = Literal["reading", "removal"]

lease_table = Table(
    "checkpoint_lease",
    metadata,
    Column("token", String(40), primary_key=True),
    Column("checkpoint", String(200), nullable=False),
    Column("purpose", String(10), nullable=False),
    Column("holder", String(80), nullable=False),
    Column("until", Float, nullable=False),
    Index("ix_checkpoint_lease", "checkpoint", "until"),
)
_t = lease_table.c


class Leases:
    """Reads and writes `checkpoint_lease`."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.time) -> None:
        self._db = db
        self._clock = clock

    @contextmanager
    def reading(self, checkpoint: str, holder: str, seconds: float = READING_SECONDS) -> Iterator[str]:
        """Keep a checkpoint where it is while the block runs. Raises CheckpointError when it is just being removed."""
        token = self.take(checkpoint, holder, seconds)
        try:
            yield token
        finally:
            self.release(token)

    def take(self, checkpoint: str, holder: str, seconds: float = READING_SECONDS) -> str:
        """A lease that ends after `seconds` unless it is renewed. Returns its token."""
        with self._db.write() as connection:
            if self._standing(connection, checkpoint, "removal"):
                raise CheckpointError(
                    f"{checkpoint} is just being removed or moved.", hint="See where it lies: realm vault ls --all"
                )
            return self._insert(connection, checkpoint, "reading", holder, seconds)

    def renew(self, token: str, seconds: float = READING_SECONDS) -> bool:
        """Whether the lease still stood and now ends later."""
        now = self._clock()
        with self._db.write() as connection:
            changed = connection.execute(
                update(lease_table).where(_t.token == token, _t.until > now).values(until=now + seconds)
            )
            return bool(changed.rowcount)

    def release(self, token: str) -> None:
        with self._db.write() as connection:
            connection.execute(delete(lease_table).where(_t.token == token))

    @contextmanager
    def removing(self, checkpoint: str) -> Iterator[bool]:
        """Whether nobody reads the checkpoint; nobody can begin to while the block runs."""
        with self._db.write() as connection:
            free = not self._standing(connection, checkpoint, "reading")
            token = self._insert(connection, checkpoint, "removal", "vault", REMOVING_SECONDS) if free else ""
        try:
            yield free
        finally:
            if token:
                self.release(token)

    def readers(self) -> dict[str, str]:
        """The checkpoints that are being read, and by whom."""
        query = select(_t.checkpoint, _t.holder).where(_t.purpose == "reading", _t.until > self._clock())
        with self._db.read() as connection:
            return {checkpoint: holder for checkpoint, holder in connection.execute(query.order_by(_t.until))}

    def _standing(self, connection: Connection, checkpoint: str, purpose: Purpose) -> bool:
        query = select(_t.token).where(_t.checkpoint == checkpoint, _t.purpose == purpose, _t.until > self._clock())
        return connection.execute(query.limit(1)).first() is not None

    def _insert(self, connection: Connection, checkpoint: str, purpose: Purpose, holder: str, seconds: float) -> str:
        token, now = secrets.token_hex(16), self._clock()
        connection.execute(delete(lease_table).where(_t.until <= now))
        connection.execute(
            lease_table.insert(),
            {"token": token, "checkpoint": checkpoint, "purpose": purpose, "holder": holder, "until": now + seconds},
        )
        return token
