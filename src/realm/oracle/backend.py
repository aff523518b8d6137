"""Another server with the OpenAI API (vLLM, llama.cpp, another realm) that answers where it can. Loads no model.

What it cannot answer, because it is down or does not know the model, is answered by the engine of this service.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping

import httpx
from starlette.requests import Request
from starlette.responses import Response

from realm.oracle.streams import Stream, until_left

log = logging.getLogger(__name__)
CONNECT_SECONDS = 2.0
RETRY_SECONDS = 15.0
"""How long a server that did not answer is left alone."""
NOT_MINE = (404, 501, 502, 503)
"""Answers after which the embedded engine is asked."""


class Backend:
    """A server that is asked first. Lives in one event loop."""

    def __init__(
        self,
        url: str,
        models: Mapping[str, str] | None = None,
        key: str = "",
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`url` ends in `/v1` or is what stands before it. `models` says what a name of ours is called there; without
        it the server is asked by our own names.
        """
        self.url = url.rstrip("/").removesuffix("/v1")
        self._models, self._clock = dict(models or {}), clock
        self._silent_until = 0.0
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            transport=transport,
            trust_env=False,
        )

    async def forward(self, http: Request, name: str) -> Response | None:
        """The server's answer to this very request; None when the embedded engine is to answer."""
        theirs = self._models.get(name, None if self._models else name)
        if theirs is None or self._clock() < self._silent_until:
            return None
        body = {**json.loads(await http.body()), "model": theirs}
        request = self._client.build_request("POST", f"{self.url}{http.url.path}", json=body)
        try:
            response = await self._client.send(request, stream=True)
        except httpx.TransportError as error:
            self._silent_until = self._clock() + RETRY_SECONDS
            log.warning("the backend %s does not answer (%s); the embedded engine does", self.url, type(error).__name__)
            return None
        if response.status_code in NOT_MINE:
            await response.aclose()
            log.info(
                "the backend %s said %d to '%s'; the embedded engine answers", self.url, response.status_code, theirs
            )
            return None
        return _relay(response, self.url)

    async def close(self) -> None:
        await self._client.aclose()


def _relay(response: httpx.Response, url: str) -> Response:
    left = asyncio.Event()
    kept = {name: response.headers[name] for name in ("retry-after",) if name in response.headers}
    return Stream(
        _chunks(response, left, url), left.set, status=response.status_code,
        headers={**kept, "X-Realm-Backend": url},
        media_type=response.headers.get("content-type", "application/json"),
    )  # fmt: skip


async def _chunks(response: httpx.Response, left: asyncio.Event, url: str) -> AsyncIterator[bytes]:
    try:
        async for chunk in until_left(response.aiter_bytes(), left):
            yield chunk
    except httpx.TransportError as error:
        log.warning("the backend %s broke off: %s", url, type(error).__name__)
    finally:
        await response.aclose()
