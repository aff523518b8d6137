from __future__ import annotations

import pytest

from realm.db import Database
from realm.vault.disk import EVERY_SECONDS, DiskLog
from realm.vault.forecast import DAY_SECONDS, Sample, forecast

HOUR = 3600.0


def falling(bytes_per_day: float, *, hours: int = 48, start: int = 10**9) -> list[Sample]:
    return [Sample(hour * HOUR, round(start - bytes_per_day * hour / 24)) for hour in range(hours)]


def test_a_steady_loss_of_room_ends_where_the_line_says() -> None:
    found = forecast(falling(100_000_000))
    assert found is not None and found.bytes_per_day == pytest.approx(100_000_000, rel=1e-6)
    assert found.days_left == pytest.approx(found.free_bytes / 100_000_000)
    assert "is full in" in found.words


def test_room_to_leave_comes_off_first() -> None:
    found = forecast(falling(100_000_000), min_free_bytes=10**9)
    assert found is not None and found.days_left == 0


def test_room_that_grows_never_ends() -> None:
    found = forecast(falling(-5_000_000))
    assert found is not None and found.days_left is None and "does not fill up" in found.words


def test_too_little_is_known_from_a_moment() -> None:
    found = forecast([Sample(0, 100), Sample(60, 50)])
    assert found is not None and found.bytes_per_day is None and "too little" in found.words
    assert forecast([]) is None


def test_what_is_long_ago_does_not_count() -> None:
    old = [Sample(-30 * DAY_SECONDS + n * HOUR, 5 * 10**9) for n in range(24)]
    found = forecast([*old, *falling(24_000_000)])
    assert found is not None and found.bytes_per_day == pytest.approx(24_000_000, rel=1e-6)


def test_the_log_notes_now_and_then_and_forgets(db: Database) -> None:
    now = [0.0]
    log = DiskLog(db, lambda: now[0])
    for at in (0.0, 1.0, EVERY_SECONDS, EVERY_SECONDS + 1, 40 * DAY_SECONDS):
        now[0] = at
        log.note(100)
    assert [each.time for each in log.samples()] == [40 * DAY_SECONDS]
    assert log.forecast(90).free_bytes == 90
