from __future__ import annotations

import logging
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realm.db import Database, metadata, open_database
from realm.errors import UsageError
from realm.records import CampaignKey
from realm.watchtower.metrics import SERIES, Metrics, MetricsWriter, Throughput, Totals, metric_table

from .watchtower_support import KEY, step, write


@pytest.fixture
def metrics(db: Database) -> Metrics:
    with db.write() as connection:
        metadata.create_all(connection)
    return Metrics(db)


def test_written_is_read(db: Database, metrics: Metrics) -> None:
    write(db, step(1), step(2, val_loss=0.25, strain=0.1, effort=3.0))
    assert metrics.latest(KEY) == step(2, val_loss=0.25, strain=0.1, effort=3.0)
    assert metrics.after(KEY, 0) == metrics.recent(KEY) == [step(1), metrics.latest(KEY)]
    assert metrics.after(KEY, 1, limit=5) == [metrics.latest(KEY)]
    assert metrics.totals(KEY) == Totals(steps=2, tokens=20, input_tokens=40, seconds=1.0)
    assert metrics.series(KEY, "val_loss") == [(2, 0.25, 0.25, 0.25)]


def test_nothing_yet(metrics: Metrics) -> None:
    assert metrics.latest(KEY) is None
    assert metrics.series(KEY, "loss") == []
    assert metrics.totals(KEY) == Totals()
    assert metrics.throughput(KEY) == Throughput()
    assert metrics.truncate(KEY, 0) == 0


def test_redone_steps_replace(db: Database, metrics: Metrics) -> None:
    write(db, *(step(n) for n in range(1, 101)))
    write(db, *(step(n, loss=5.0) for n in range(51, 101)), run="r2")
    assert metrics.totals(KEY).steps == 100
    assert [value for _, value, _, _ in metrics.series(KEY, "loss")][-50:] == [5.0] * 50


def test_truncated_on_resume(db: Database, metrics: Metrics) -> None:
    write(db, *(step(n) for n in range(1, 201)))
    assert metrics.truncate(KEY, 130) == 70
    assert metrics.totals(KEY).steps == 130
    latest = metrics.latest(KEY)
    assert latest is not None and latest.step == 130
    assert metrics.truncate(KEY, 0) == 130


def test_the_lowest_of_a_series(db: Database, metrics: Metrics) -> None:
    assert metrics.lowest(KEY, "val_loss") is None
    write(db, *(step(n, val_loss=abs(n - 100) / 100 + 0.25 if n % 10 == 0 else None) for n in range(1, 201)))
    assert metrics.lowest(KEY, "val_loss") == pytest.approx(0.25)
    metrics.truncate(KEY, 80)
    assert metrics.lowest(KEY, "val_loss") == pytest.approx(0.45)


def test_campaigns_are_apart(db: Database, metrics: Metrics) -> None:
    write(db, step(1))
    with MetricsWriter(db, CampaignKey("smol", "first-light"), "r") as writer:
        writer.add(step(1, loss=9.0))
    assert metrics.series(KEY, "loss") == [(1, 0.5, 0.5, 0.5)]


def test_a_spike_is_never_smoothed_away(db: Database, metrics: Metrics) -> None:
    write(db, *(step(n, loss=50.0 if n == 777 else 1.0) for n in range(1, 2001)))
    series = metrics.series(KEY, "loss", points=10)
    assert len(series) == 10
    assert max(high for *_, high in series) == 50.0
    assert series[-1][0] == 2000


def test_a_part_of_the_series(db: Database, metrics: Metrics) -> None:
    write(db, *(step(n) for n in range(1, 101)))
    assert [s for s, *_ in metrics.series(KEY, "tokens", since_step=90, until_step=95)] == [90, 91, 92, 93, 94, 95]


def test_unknown_series_names_the_nearest(metrics: Metrics) -> None:
    with pytest.raises(UsageError, match="no series named 'los'") as caught:
        metrics.series(KEY, "los")
    assert "loss" in caught.value.hint


def test_about_one_write_a_second(db: Database, metrics: Metrics) -> None:
    now = 0.0
    writer = MetricsWriter(db, KEY, "r", clock=lambda: now)
    written = []
    for number in range(1, 101):
        now = number * 0.05
        writer.add(step(number))
        written.append(metrics.totals(KEY).steps)
    assert len(set(written)) == 6
    writer.close()
    assert metrics.totals(KEY).steps == 100


def test_a_database_that_refuses_does_not_stop_the_training(
    db: Database, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    with db.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER refuse BEFORE INSERT ON metric BEGIN SELECT RAISE(ABORT, 'not now'); END"
        )
    writer = MetricsWriter(db, KEY, "r", every_seconds=0)
    with caplog.at_level(logging.ERROR):
        writer.add(step(1))
        writer.add(step(2))
    assert writer.waiting == 2
    assert "could not be written" in caplog.text
    with db.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER refuse")
    writer.close()
    assert (writer.waiting, metrics.totals(KEY).steps) == (0, 2)


def test_nan_is_kept_as_nan(db: Database, metrics: Metrics) -> None:
    write(db, step(1, loss=math.nan, grad_norm=math.inf))
    latest = metrics.latest(KEY)
    assert latest is not None and math.isnan(latest.loss) and latest.grad_norm == math.inf
    assert metrics.series(KEY, "loss") == []


def test_throughput_is_of_now(db: Database, metrics: Metrics) -> None:
    write(db, *(step(n, time=1000 + n * 0.5) for n in range(1, 101)))
    assert metrics.throughput(KEY, seconds=10, now=1050.0) == Throughput(steps=2.0, tokens=20.0, input_tokens=40.0)
    assert metrics.throughput(KEY, seconds=10, now=2000.0) == Throughput()
    assert metrics.throughput(KEY, seconds=10, now=1002.0).steps == 2.0  # training has only just begun


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    losses=st.lists(st.floats(-100, 100), min_size=1, max_size=400),
    points=st.integers(1, 50),
    redo=st.integers(0, 400),
    summed=st.booleans(),
)
def test_spans_and_single_rows_tell_the_same(
    losses: list[float],
    points: int,
    redo: int,
    summed: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    db = open_database(tmp_path_factory.mktemp("metrics") / "realm.db")
    with db.write() as connection:
        metadata.create_all(connection)
    write(db, *(step(n, loss=0.0) for n in range(1, redo + 1)))
    write(db, *(step(n, loss=loss) for n, loss in enumerate(losses, 1)))
    metrics = Metrics(db, summed_above_steps=0 if summed else 10**9)
    metrics.truncate(KEY, len(losses))
    series = metrics.series(KEY, "loss", points=points)
    assert len(series) <= points + 1
    assert [s for s, *_ in series] == sorted({s for s, *_ in series})
    assert series[-1][0] == len(losses)
    assert min(low for *_, low, _ in series) == min(losses)
    assert max(high for *_, high in series) == max(losses)
    assert all(low - 1e-9 <= mean <= high + 1e-9 for _, mean, low, high in series)
    assert metrics.totals(KEY).steps == len(losses)
    db.close()


def test_every_series_is_a_column() -> None:
    assert set(SERIES) <= {c.name for c in metric_table.columns}
