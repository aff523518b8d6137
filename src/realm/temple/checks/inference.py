"""Whether the served model answers, and is the one that the ledger says. Knows the wire, no model."""

from __future__ import annotations

from typing import Any

import httpx

from realm.clients import client, get_service_url
from realm.errors import UsageError
from realm.temple.check import Check, Finding, fail, ok, skip
from realm.temple.scene import Scene

SERVICE = "oracle"
TIMEOUT_SECONDS = 30.0
NOT_SERVED = "no model is served here"


def listed(scene: Scene) -> Finding:
    """The champion of the ledger is among the models that are served, or the newest checkpoint before there is one."""
    if (expected := _expected(scene)) is None or not _is_served(scene):
        return skip(NOT_SERVED)
    status, body = _ask(scene, "GET", "/v1/models")
    limit = f"{expected} is served"
    if status != 200:
        return fail(f"/v1/models answers {status or 'nothing'}", limit, "See its log in logs/, then start it anew.")
    names = [str(each.get("id")) for each in body.get("data", []) if isinstance(each, dict)]
    if expected not in names:
        remedy = f"Let it look again, or start it anew: realm serve {SERVICE}"
        return fail(f"served: {', '.join(names[:8]) or 'none'}", limit, remedy)
    return ok(f"{len(names)} models, {expected} among them", limit, value=len(names))


def answers(scene: Scene) -> Finding:
    """One token, greedily, from the model that the ledger says; the answer names that very model."""
    if (expected := _expected(scene)) is None or not _is_served(scene):
        return skip(NOT_SERVED)
    asked = {"model": expected, "messages": [{"role": "user", "content": "1 + 1 ="}], "max_tokens": 1, "temperature": 0}
    status, body = _ask(scene, "POST", "/v1/chat/completions", asked)
    limit, remedy = f"{expected} answers as itself", "See its log in logs/, then start it anew."
    if status != 200 or not body.get("choices"):
        said = body.get("error", {}).get("message", "") if isinstance(body.get("error"), dict) else ""
        return fail(f"it answers {status or 'nothing'} {said}".strip(), limit, remedy)
    if body.get("model") != expected:
        return fail(f"{body.get('model')} answered", limit, remedy)
    return ok(f"{expected} answered", limit)


def _expected(scene: Scene) -> str | None:
    record = scene.champion or scene.newest
    return record.id if record else None


def _is_served(scene: Scene) -> bool:
    """Whether one is said to run: by the supervisor, or elsewhere by the settings."""
    try:
        get_service_url(SERVICE, scene.settings.services)
    except UsageError:
        return False
    up = any(row.name == SERVICE and row.state == "up" for row in scene.services.all())
    return up or SERVICE in scene.settings.services.hosts


def _ask(scene: Scene, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
    """Status and body; 0 where nobody answers, an empty body where it is not JSON."""
    try:
        with client(SERVICE, scene.settings.services, timeout=TIMEOUT_SECONDS) as asked:
            response = asked.request(method, path, json=body)
            content = response.json()
    except httpx.HTTPError:
        return 0, {}
    except ValueError:
        return response.status_code, {}
    return response.status_code, content if isinstance(content, dict) else {}


CHECKS = (
    Check("listed", "inference", "the served models hold the one that the ledger says", listed, cheap=False),
    Check("answers", "inference", "that model answers, as itself", answers, cheap=False),
)
