"""Whether every service that is up answers its own contract over HTTP."""

from __future__ import annotations

import httpx

from realm.clients import client
from realm.temple.check import Check, Finding, fail, ok, skip
from realm.temple.scene import Scene

TIMEOUT_SECONDS = 3.0
START = "Start it anew: realm stop-all, realm start-all. See its log in logs/."


def page(scene: Scene) -> Finding:
    """The page says that it is healthy and is a page."""
    return _asked(scene, "tavern", "/", "Realm", "page")


def metrics(scene: Scene) -> Finding:
    """The metrics are in Prometheus' format and are ours."""
    return _asked(scene, "watchtower", "/metrics", "realm_", "page")


def skill_services(scene: Scene) -> Finding:
    """Each skill's service names its own skill."""
    ports = {skill: port for skill, port in scene.settings.services.skill_ports.items() if port}
    named = [skill for skill in ports if skill in scene.settings.campaign.skills]
    if not scene.settings.services.serve_skills or not named:
        return skip("no skill is served")
    findings = [_asked(scene, f"skill-{skill}", "/info", f'"{skill}"', "skills") for skill in named]
    broken = [finding for finding in findings if finding.status == "fail"]
    return broken[0] if broken else findings[0]


def _asked(scene: Scene, service: str, path: str, holds: str, process: str) -> Finding:
    """Ask a service whose process is up, or which runs elsewhere, for something that only it answers."""
    elsewhere = service in scene.settings.services.hosts
    up = any(row.name == process and row.state == "up" for row in scene.services.all())
    if not up and not elsewhere:
        return skip(f"{service} is not started", "Start it: realm start-all")
    limit = f"/health answers, and {path} holds {holds}"
    try:
        with client(service, scene.settings.services, timeout=TIMEOUT_SECONDS) as asked:
            health, answer = asked.get("/health"), asked.get(path)
    except httpx.HTTPError as error:
        return fail(f"{service} does not answer: {error}", limit, START)
    for response in (health, answer):
        if not response.is_success:
            return fail(f"{service} answers {response.status_code} to {response.url.path}", limit, START)
    if holds not in answer.text:
        remedy = f"Another program listens on its port, or an older version: {answer.url}. {START}"
        return fail(f"{path} of {service} is something else", limit, remedy)
    return ok(f"{service} answers", limit)


CHECKS = (
    Check("page", "api", "the page answers", page, cheap=False),
    Check("metrics", "api", "the metrics answer in Prometheus' format", metrics, cheap=False),
    Check("skills", "api", "each skill's service answers for its own skill", skill_services, cheap=False),
)
