"""The common face of every service: app factory, error shape, the guard. Knows no route of any place.

The guard answers the attacks that a page on localhost invites: a foreign Host header (DNS rebinding), a foreign
Origin or a plain form on a state change (CSRF), bodies above the limit, and, off loopback, a missing token.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from http.cookies import SimpleCookie
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from realm import __version__
from realm.errors import CheckpointError, DiskFull, RealmError, UsageError, WorkspaceLocked

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
OPEN_PATHS = frozenset({"/health"})
TOKEN_COOKIE = "realm_token"
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class Listening(Protocol):
    """What the guard must know of the settings: where a service listens and who may talk to it."""

    @property
    def bind(self) -> str: ...
    @property
    def allowed_hosts(self) -> Sequence[str]: ...
    @property
    def token(self) -> str: ...


Check = Callable[[], Awaitable[str | None]]
"""Answers None when ready, otherwise one sentence."""


def make_app(
    title: str,
    *,
    settings: Listening,
    ready: Check | None = None,
    max_body_bytes: int = 10_000_000,
    large_paths: Iterable[str] = (),
    **options: Any,
) -> FastAPI:
    """An app with `/health`, `/ready`, one error shape and the guard.

    `large_paths` are the upload routes: they count their own bytes, so `max_body_bytes` does not hold there.
    """
    app = FastAPI(title=title, version=__version__, **options)
    app.add_middleware(Guard, settings=settings, max_body_bytes=max_body_bytes, large_paths=frozenset(large_paths))
    app.add_exception_handler(RealmError, _realm_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Exception, _unforeseen)  # the request boundary

    @app.get("/health", include_in_schema=False)
    async def health() -> dict[str, str]:
        return {"status": "ok", "service": title, "version": __version__}

    @app.get("/ready", include_in_schema=False)
    async def is_ready() -> JSONResponse:
        problem = await ready() if ready else None
        return JSONResponse({"ready": problem is None, "reason": problem}, status_code=503 if problem else 200)

    return app


def error_body(message: str, kind: str, hint: str = "", param: str | None = None) -> dict[str, Any]:
    """The one shape of an error on the wire."""
    return {"error": {"message": message, "type": kind, "hint": hint, "param": param}}


def is_loopback(host: str) -> bool:
    """Whether an address to bind can only be reached from this machine."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def new_token() -> str:
    """A token for a service that listens off loopback."""
    return secrets.token_urlsafe(24)


def _realm_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RealmError)
    status = {UsageError: 400, WorkspaceLocked: 409, DiskFull: 507}
    code = next((c for kind, c in status.items() if isinstance(error, kind)), 422)
    if isinstance(error, UsageError | CheckpointError) and error.message.startswith("There is no "):
        code = 404
    return JSONResponse(error_body(error.message, error.type, error.hint, error.param), status_code=code)


def _http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse(
        error_body(str(error.detail), "http_error"), status_code=error.status_code, headers=error.headers
    )


def _validation_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = [f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()]
    param = ".".join(str(part) for part in error.errors()[0]["loc"][1:]) or None
    body = error_body("; ".join(problems), "invalid_request", "Mend the named fields and send it again.", param)
    return JSONResponse(body, status_code=422)


def _unforeseen(_request: Request, error: Exception) -> JSONResponse:
    body = error_body(
        f"This request broke the service: {type(error).__name__}.",
        "internal_error",
        "The service's log holds the details; the service itself goes on.",
    )
    return JSONResponse(body, status_code=500)


class Guard:
    """ASGI middleware that refuses what no page of ours would send."""

    def __init__(self, app: ASGIApp, settings: Listening, max_body_bytes: int, large_paths: frozenset[str]) -> None:
        self.app = app
        self.hosts = LOOPBACK_NAMES | {settings.bind, *settings.allowed_hosts}
        self.any_host = not is_loopback(settings.bind) and not settings.allowed_hosts
        self.token = "" if is_loopback(settings.bind) else settings.token
        self.max_body_bytes = max_body_bytes
        self.large_paths = large_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        limit = None if scope["path"] in self.large_paths else self.max_body_bytes
        await self.app(scope, _limited(receive, limit), _with_headers(send, self._cookie(scope)))

    def _refusal(self, scope: Scope, headers: MutableMapping[str, str]) -> JSONResponse | None:
        host = headers.get("host", "")
        if not self.any_host and _hostname(host) not in self.hosts:
            return _no(
                400,
                "foreign_host",
                f"This service does not answer to the host {host!r}.",
                "Use http://localhost, or add the name to services.allowed_hosts.",
            )
        if self.token and scope["path"] not in OPEN_PATHS and not self._has_token(scope, headers):
            return _no(
                401,
                "token_required",
                "This service listens beyond this machine and needs its token.",
                "Open the address printed at start, or send 'Authorization: Bearer TOKEN'.",
            )
        if scope["method"] not in SAFE_METHODS and (why := _foreign(headers, host)):
            return _no(403, "foreign_origin", why, "Change things from the realm's own page or its commands.")
        length = headers.get("content-length", "")
        if scope["path"] not in self.large_paths and length.isdigit() and int(length) > self.max_body_bytes:
            return _no(
                413,
                "too_large",
                f"The request is larger than {self.max_body_bytes} bytes.",
                "Send less, or drop the file into the inbox folder.",
            )
        return None

    def _has_token(self, scope: Scope, headers: MutableMapping[str, str]) -> bool:
        cookie = SimpleCookie(headers.get("cookie", "")).get(TOKEN_COOKIE)
        given = (
            headers.get("authorization", "").removeprefix("Bearer ").strip(),
            _query_token(scope),
            cookie.value if cookie else "",
        )
        return any(hmac.compare_digest(g.encode(), self.token.encode()) for g in given if g)

    def _cookie(self, scope: Scope) -> str | None:
        """A token in the address becomes a cookie, so that the page's own requests carry it."""
        if self.token and _query_token(scope):
            return f"{TOKEN_COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/"
        return None


def _no(status: int, kind: str, message: str, hint: str) -> JSONResponse:
    return JSONResponse(error_body(message, kind, hint), status_code=status, headers=HEADERS)


def _hostname(host: str) -> str:
    """The name in a Host header, without its port."""
    return (urlsplit(f"//{host}").hostname or "") if host and "/" not in host and "@" not in host else ""


def _query_token(scope: Scope) -> str:
    query: bytes = scope.get("query_string", b"")
    return parse_qs(query.decode("latin-1")).get("token", [""])[0]


def _foreign(headers: MutableMapping[str, str], host: str) -> str | None:
    """Why a state change did not come from our own page, or None."""
    origin = headers.get("origin")
    if origin is not None:
        return None if urlsplit(origin).netloc == host else f"The request comes from {origin!r}."
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return "The request comes from another site."
    if headers.get("content-type", "").startswith(FORM_TYPES) and "authorization" not in headers:
        return "A form without an Origin header is refused."
    return None


def _limited(receive: Receive, limit: int | None) -> Receive:
    """Count the bytes of a body that came without a length."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if limit is not None and seen > limit:
            raise HTTPException(413, f"The request is larger than {limit} bytes.")
        return message

    return counted


def _with_headers(send: Send, cookie: str | None) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            extra = dict(HEADERS) | ({"Set-Cookie": cookie} if cookie else {})
            present = {k.lower() for k, _ in message["headers"]}
            message["headers"] = [
                *message["headers"],
                *((k.lower().encode(), v.encode()) for k, v in extra.items() if k.lower().encode() not in present),
            ]
        await send(message)

    return sending
