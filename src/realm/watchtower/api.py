"""The Watchtower over HTTP: `/metrics`, series for charts, the machine, alerts, CSV. Changes nothing, so all is GET."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Response
from fastapi.responses import StreamingResponse

from realm.config.schema import ServiceSettings
from realm.http import make_app
from realm.records import CampaignKey, StepMetrics
from realm.watchtower import alerts, prometheus
from realm.watchtower.metrics import Metrics
from realm.watchtower.prometheus import Sources

COLUMNS = tuple(field.name for field in fields(StepMetrics))
_PAGE_ROWS = 5000


def create(sources: Sources, settings: ServiceSettings) -> FastAPI:
    """The service on its own port."""
    app = make_app("watchtower", settings=settings)
    app.include_router(router(sources))
    return app


def router(sources: Sources) -> APIRouter:
    """The routes, for an app that answers other things too. Without `hero` and `campaign` the one in play is meant."""
    routes = APIRouter()
    collectors = prometheus.registry(sources)
    metrics = sources.metrics

    @routes.get("/metrics", response_class=Response)
    def scrape() -> Response:
        return Response(prometheus.text(collectors), media_type=prometheus.CONTENT_TYPE)

    @routes.get("/api/series")
    def series(
        column: str = "loss",
        points: Annotated[int, Query(ge=1, le=5000)] = 600,
        since_step: Annotated[int, Query(ge=0)] = 0,
        until_step: Annotated[int | None, Query(ge=0)] = None,
        hero: str = "",
        campaign: str = "",
    ) -> dict[str, Any]:
        key = _key(sources, hero, campaign)
        found = metrics.series(key, column, points=points, since_step=since_step, until_step=until_step)
        return {"column": column, "points": [[_plain(value) for value in point] for point in found]}

    @routes.get("/api/series.csv", response_class=StreamingResponse)
    def export(hero: str = "", campaign: str = "", after_step: Annotated[int, Query(ge=0)] = 0) -> StreamingResponse:
        key = _key(sources, hero, campaign)
        name = {"Content-Disposition": 'attachment; filename="metrics.csv"'}
        return StreamingResponse(csv_lines(metrics, key, after_step), media_type="text/csv", headers=name)

    @routes.get("/api/latest")
    def latest(hero: str = "", campaign: str = "") -> dict[str, Any]:
        key = _key(sources, hero, campaign)
        step = metrics.latest(key)
        return {
            "step": {name: _plain(value) for name, value in asdict(step).items()} if step else None,
            "totals": asdict(metrics.totals(key)),
            "per_second": asdict(metrics.throughput(key, now=sources.now())),
        }

    @routes.get("/api/machine")
    def machine() -> dict[str, Any]:
        return sources.machine().as_json()

    @routes.get("/api/alerts")
    def standing() -> list[dict[str, Any]]:
        return [asdict(alert) for alert in alerts.check(observe(sources))]

    return routes


def observe(sources: Sources) -> alerts.Observed:
    """What the alerts look at, now. A run counts as in hand while a quest is active."""
    return alerts.Observed(
        key=sources.key,
        now=sources.now(),
        recent=sources.metrics.recent(sources.key),
        training=sources.queue().get("active", 0) > 0,
        disk_free_bytes=sources.machine().disk_free_bytes,
    )


def csv_lines(metrics: Metrics, key: CampaignKey, after_step: int = 0) -> Iterator[str]:
    """Every step as a line of CSV, a page of rows at a time."""
    yield ",".join(COLUMNS) + "\r\n"
    while page := metrics.after(key, after_step, _PAGE_ROWS):
        text = io.StringIO()
        csv.writer(text).writerows([_cell(getattr(step, name)) for name in COLUMNS] for step in page)
        yield text.getvalue()
        after_step = page[-1].step


def _cell(value: Any) -> Any:
    return (json.dumps(value) if value else None) if isinstance(value, Mapping) else value


def _key(sources: Sources, hero: str, campaign: str) -> CampaignKey:
    return CampaignKey(hero or sources.key.hero, campaign or sources.key.campaign)


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
