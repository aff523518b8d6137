"""A response whose body is made while it is sent, and that hears at once when the client leaves. Knows no route."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

EVENTS = "text/event-stream"


class Stream(Response):
    """`end` is called once: when all is sent, or as soon as the client has left; then `chunks` should end."""

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        end: Callable[[], None],
        *,
        status: int = 200,
        media_type: str = EVENTS,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        beside = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(status_code=status, media_type=media_type, headers={**beside, **(headers or {})})
        del self.headers["content-length"]
        self._chunks, self._end = chunks, end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(until_gone(receive))
        gone.add_done_callback(lambda task: None if task.cancelled() else self._end_once())
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for chunk in self._chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
            self._end_once()

    def _end_once(self) -> None:
        end, self._end = self._end, lambda: None
        end()


async def until_left(source: AsyncIterator[bytes], left: asyncio.Event) -> AsyncIterator[bytes]:
    """What comes from `source`, to its end or until somebody has left, whichever is first."""
    leaving = asyncio.ensure_future(left.wait())
    try:
        while True:
            coming = asyncio.ensure_future(anext(source, None))
            await asyncio.wait({coming, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
                return
            if (chunk := coming.result()) is None:
                return
            yield chunk
    finally:
        leaving.cancel()


async def until_gone(receive: Receive) -> None:
    """Returns when the client has left. The request's body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass
