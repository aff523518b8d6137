"""How much room the workspace's disk had over time: what the forecast stands on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from sqlalchemy import BigInteger, Column, Float, Table, delete, func, select

from realm.db import Database, metadata
from realm.vault.forecast import LOOK_BACK_SECONDS, Forecast, Sample, forecast

EVERY_SECONDS = 300.0
KEPT_SECONDS = 4 * LOOK_BACK_SECONDS

disk_sample_table = Table(
    "disk_sample",
    metadata,
    Column("time", Float, primary_key=True),
    Column("free_bytes", BigInteger, nullable=False),
)
_t = disk_sample_table.c


class DiskLog:
    """Reads and writes `disk_sample`."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.time) -> None:
        self._db = db
        self._clock = clock

    def note(self, free_bytes: int) -> None:
        """Remember how much room there is, at most every five minutes."""
        now = self._clock()
        with self._db.read() as connection:
            last = connection.scalar(select(func.max(_t.time)))
        if last is not None and 0 <= now - last < EVERY_SECONDS:
            return
        with self._db.write() as connection:
            connection.execute(delete(disk_sample_table).where((_t.time < now - KEPT_SECONDS) | (_t.time == now)))
            connection.execute(disk_sample_table.insert(), {"time": now, "free_bytes": free_bytes})

    def samples(self) -> Sequence[Sample]:
        """Oldest first."""
        with self._db.read() as connection:
            return [Sample(*row) for row in connection.execute(select(_t.time, _t.free_bytes).order_by(_t.time))]

    def forecast(self, free_bytes: int, *, min_free_bytes: int = 0) -> Forecast:
        """With the room that there is now."""
        found = forecast([*self.samples(), Sample(self._clock(), free_bytes)], min_free_bytes=min_free_bytes)
        assert found is not None
        return found
