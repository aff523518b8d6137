"""The series of a training: one row per optimizer step, and spans of steps so that a million rows draw at once.

A step that is trained again after a kill replaces its row. Knows no chart and no Prometheus.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from types import TracebackType
from typing import Any, Literal, get_args

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    RowMapping,
    String,
    Table,
    Text,
    bindparam,
    func,
    select,
)

from realm.db import Database, metadata
from realm.errors import UsageError
from realm.records import CampaignKey, StepMetrics
from realm.registry import unknown
from realm.watchtower.trackers import Trackers

log = logging.getLogger(__name__)

Series = Literal[
    "loss", "val_loss", "grad_norm", "learning_rate", "tokens", "input_tokens", "step_seconds", "strain", "effort"
]
SERIES: tuple[Series, ...] = get_args(Series)
SPAN_STEPS = 64
"""Steps summed up in one row of `metric_span`: 1,000,000 steps become 15,625 rows, read in tens of milliseconds."""
SUMMED_ABOVE_STEPS = 40_000
"""Up to so many steps single rows are read as fast as spans."""
_KEPT_ROWS = 100_000  # while the database refuses: a day of one step a second

metric_table = Table(
    "metric",
    metadata,
    Column("hero", String(80), primary_key=True),
    Column("campaign", String(80), primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("run", String(80), nullable=False),
    Column("time", Float, nullable=False),
    Column("loss", Float),  # SQLite keeps NaN as NULL
    Column("val_loss", Float),
    Column("grad_norm", Float),
    Column("learning_rate", Float, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("input_tokens", Integer, nullable=False),
    Column("step_seconds", Float, nullable=False),
    Column("strain", Float),
    Column("effort", Float),
    Column("quest_step", Integer, nullable=False),
    Column("quest_steps", Integer, nullable=False),
    Column("measures", Text),
    sqlite_with_rowid=False,  # rows lie in the order of their key: a range of steps is one read
)
_m = metric_table.c


def _span_columns() -> Iterator[Column[Any]]:
    for name in SERIES:
        yield Column(f"{name}_n", Integer, nullable=False)
        yield Column(f"{name}_sum", Float)
        yield Column(f"{name}_low", Float)
        yield Column(f"{name}_high", Float)


span_table = Table(
    "metric_span",
    metadata,
    Column("hero", String(80), primary_key=True),
    Column("campaign", String(80), primary_key=True),
    Column("span", Integer, primary_key=True, autoincrement=False),
    Column("last_step", Integer, nullable=False),
    *_span_columns(),
    sqlite_with_rowid=False,
)
_s = span_table.c


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a campaign."""

    steps: int = 0
    tokens: int = 0
    input_tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Throughput:
    """Work per second of wall time over a short while; zero when nothing trains."""

    steps: float = 0.0
    tokens: float = 0.0
    input_tokens: float = 0.0


class MetricsWriter:
    """Collects steps and writes them about once a second. Not for use by several threads at once."""

    def __init__(
        self,
        db: Database,
        key: CampaignKey,
        run: str,
        *,
        trackers: Trackers | None = None,
        every_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db, self._key, self._run, self._trackers = db, key, run, trackers
        self._every_seconds, self._clock = every_seconds, clock
        self._rows: dict[int, dict[str, Any]] = {}
        self._failures = 0
        self._due = clock() + every_seconds

    def __enter__(self) -> MetricsWriter:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, metrics: StepMetrics) -> None:
        """Take a step; a step that was taken before replaces it."""
        row = {"hero": self._key.hero, "campaign": self._key.campaign, "run": self._run, **asdict(metrics)}
        row["measures"] = json.dumps(row["measures"]) if row["measures"] else None
        self._rows[metrics.step] = row
        if self._trackers:
            self._trackers.add(metrics)
        if self._clock() >= self._due:
            self.flush()

    def track(self, step: int, values: Mapping[str, float]) -> None:
        """Tell the trackers, and only them, what else was measured at a step."""
        if self._trackers and values:
            self._trackers.tell(step, values)

    def flush(self) -> None:
        """Write what is held. A database that refuses does not stop the training: the rows wait for the next try."""
        try:
            if self._rows:
                with self._db.write() as connection:
                    _replace(connection, self._key, list(self._rows.values()))
        except Exception:  # the boundary of a metric sink
            self._put_off()
        else:
            self._rows.clear()
            self._failures = 0
            self._due = self._clock() + self._every_seconds

    def close(self) -> None:
        """Write the last rows."""
        self.flush()
        if self._trackers:
            self._trackers.close()

    @property
    def waiting(self) -> int:
        """Rows that are not written yet."""
        return len(self._rows)

    def _put_off(self) -> None:
        """Try again later and later, up to a minute; keep the newest rows."""
        self._failures += 1
        self._due = self._clock() + min(60.0, self._every_seconds * 2**self._failures)
        for step in sorted(self._rows)[: max(0, len(self._rows) - _KEPT_ROWS)]:
            del self._rows[step]
        log.exception("metrics of %s could not be written; %d steps wait", self._key, len(self._rows))


class Metrics:
    """What the series of a campaign say."""

    def __init__(self, db: Database, *, summed_above_steps: int = SUMMED_ABOVE_STEPS) -> None:
        self._db = db
        self._summed_above_steps = summed_above_steps

    def series(
        self,
        key: CampaignKey,
        column: str,
        *,
        points: int = 600,
        since_step: int = 0,
        until_step: int | None = None,
    ) -> list[tuple[int, float, float, float]]:
        """At most about `points` tuples (last step, mean, lowest, highest) of equal ranges of steps, oldest first.

        Above 40,000 steps the ranges begin and end at multiples of 64 steps. Raises UsageError for other columns.
        """
        if column not in SERIES:
            raise unknown("series", column, SERIES)
        if points < 1:
            raise UsageError("A series needs at least one point.", param="points")
        with self._db.read() as connection:
            first, last = _bounds(connection, key, since_step, until_step)
            width = max(1, -(-(last - first + 1) // points))
            query = _summed if last - first >= self._summed_above_steps else _single
            rows = connection.execute(query(key, column, first, last, width)).all()
        return [(int(step), mean, low, high) for step, mean, low, high in rows]

    def latest(self, key: CampaignKey) -> StepMetrics | None:
        """The newest step that was written."""
        newest = self._newest(key, 1)
        return newest[0] if newest else None

    def after(self, key: CampaignKey, step: int, limit: int = 1000) -> list[StepMetrics]:
        """The steps after one, oldest first: for live charts and exports."""
        query = select(metric_table).where(*_in(_m, key), _m.step > step).order_by(_m.step).limit(limit)
        with self._db.read() as connection:
            return [_metrics(row) for row in connection.execute(query).mappings()]

    def recent(self, key: CampaignKey, limit: int = 600) -> list[StepMetrics]:
        """The newest steps, oldest first."""
        return self._newest(key, limit)[::-1]

    def totals(self, key: CampaignKey) -> Totals:
        """Steps, tokens and training seconds of a campaign."""
        sums = [func.sum(_s[name]) for name in ("tokens_n", "tokens_sum", "input_tokens_sum", "step_seconds_sum")]
        with self._db.read() as connection:
            found: tuple[Any, ...] = tuple(connection.execute(select(*sums).where(*_in(_s, key))).one())
        steps, tokens, inputs, seconds = (value or 0 for value in found)
        return Totals(steps, int(tokens), int(inputs), float(seconds))

    def lowest(self, key: CampaignKey, column: Series) -> float | None:
        """The lowest value of a series in the campaign, None before there is one."""
        low = _s[f"{column}_low"]
        with self._db.read() as connection:
            found: float | None = connection.scalar(select(func.min(low)).where(*_in(_s, key)))
        return found

    def effort(self, key: CampaignKey, step: int) -> float:
        """Effort of the campaign when it stood at a step: that of the newest step on record up to there."""
        query = select(_m.effort).where(*_in(_m, key), _m.step <= step, _m.effort.is_not(None))
        with self._db.read() as connection:
            found: float | None = connection.scalar(query.order_by(_m.step.desc()).limit(1))
        return found or 0.0

    def throughput(self, key: CampaignKey, *, seconds: float = 10.0, now: float | None = None) -> Throughput:
        """Steps and tokens per second over the last `seconds`; `now` is Unix time."""
        now = time.time() if now is None else now
        rows = [row for row in self._newest(key, 2000) if now - seconds < row.time <= now]
        if not rows:
            return Throughput()
        covered = max(1e-9, min(seconds, now - (rows[-1].time - rows[-1].step_seconds)))
        return Throughput(
            steps=len(rows) / covered,
            tokens=sum(row.tokens for row in rows) / covered,
            input_tokens=sum(row.input_tokens for row in rows) / covered,
        )

    def truncate(self, key: CampaignKey, after_step: int) -> int:
        """Forget the steps after one, because training goes on from there. Returns how many they were."""
        with self._db.write() as connection:
            gone = connection.execute(metric_table.delete().where(*_in(_m, key), _m.step > after_step)).rowcount
            span = after_step // SPAN_STEPS
            connection.execute(span_table.delete().where(*_in(_s, key), _s.span >= span))
            _sum_up(connection, key, span, span)
        return gone

    def _newest(self, key: CampaignKey, limit: int) -> list[StepMetrics]:
        query = select(metric_table).where(*_in(_m, key)).order_by(_m.step.desc()).limit(limit)
        with self._db.read() as connection:
            return [_metrics(row) for row in connection.execute(query).mappings()]


def _in(columns: Any, key: CampaignKey) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return columns.hero == key.hero, columns.campaign == key.campaign


def _bounds(connection: Connection, key: CampaignKey, since: int, until: int | None) -> tuple[int, int]:
    """First and last step that there is in a range. Two look-ups: one query for both would read every row."""
    where = [*_in(_m, key), _m.step >= since, *([_m.step <= until] if until is not None else [])]
    first = connection.scalar(select(func.min(_m.step)).where(*where))
    last = connection.scalar(select(func.max(_m.step)).where(*where))
    return (0, -1) if first is None or last is None else (first, last)


def _single(key: CampaignKey, column: str, first: int, last: int, width: int) -> Any:
    value, bucket = _m[column], (_m.step - first) // width
    return (
        select(func.max(_m.step), func.avg(value), func.min(value), func.max(value))
        .where(*_in(_m, key), _m.step.between(first, last), value.is_not(None))
        .group_by(bucket)
        .order_by(bucket)
    )


def _summed(key: CampaignKey, column: str, first: int, last: int, width: int) -> Any:
    n, total, low, high = (_s[f"{column}_{part}"] for part in ("n", "sum", "low", "high"))
    begin = first // SPAN_STEPS
    bucket = (_s.span - begin) // max(1, -(-width // SPAN_STEPS))
    return (
        select(func.max(_s.last_step), func.sum(total) / func.sum(n), func.min(low), func.max(high))
        .where(*_in(_s, key), _s.span.between(begin, last // SPAN_STEPS), n > 0)
        .group_by(bucket)
        .order_by(bucket)
    )


def _replace(connection: Connection, key: CampaignKey, rows: Sequence[dict[str, Any]]) -> None:
    this = (_m.hero == key.hero, _m.campaign == key.campaign, _m.step == bindparam("this"))
    connection.execute(metric_table.delete().where(*this), [{"this": row["step"]} for row in rows])
    connection.execute(metric_table.insert(), list(rows))
    spans = {row["step"] // SPAN_STEPS for row in rows}
    for span in spans:
        _sum_up(connection, key, span, span)


def _sum_up(connection: Connection, key: CampaignKey, first: int, last: int) -> None:
    """Make the spans anew from their rows: right however often a step was replaced."""
    connection.execute(span_table.delete().where(*_in(_s, key), _s.span.between(first, last)))
    span = _m.step // SPAN_STEPS
    parts: list[Any] = [_m.hero, _m.campaign, span, func.max(_m.step)]
    for name in SERIES:
        value = _m[name]
        parts += [func.count(value), func.sum(value), func.min(value), func.max(value)]
    steps = _m.step.between(first * SPAN_STEPS, last * SPAN_STEPS + SPAN_STEPS - 1)
    query = select(*parts).where(*_in(_m, key), steps).group_by(_m.hero, _m.campaign, span)
    connection.execute(span_table.insert().from_select([c.name for c in span_table.columns], query))


_FIELDS = tuple(f.name for f in fields(StepMetrics))


def _metrics(row: RowMapping) -> StepMetrics:
    values = {name: row[name] for name in _FIELDS}
    for name in ("loss", "grad_norm"):
        if values[name] is None:
            values[name] = float("nan")
    values["measures"] = json.loads(values["measures"] or "{}")
    return StepMetrics(**values)
