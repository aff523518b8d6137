"""The Oracle over HTTP: the OpenAI API for every model of the realm, and which of them are loaded. Trains nothing."""

# No postponed annotations here: FastAPI reads them, and some are made while this module runs.

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from pydantic import BaseModel

from realm.errors import (
    Busy,
    CheckpointError,
    HeroError,
    MissingExtra,
    RealmError,
    ServiceError,
    UsageError,
    WeightsMissing,
)
from realm.http import Listening, error_body, make_app
from realm.oracle.answering import (
    Answers,
    answer_limit,
    chat_ids,
    into_loop,
    leave_to_another,
    sampling,
    submit,
    text_ids,
)
from realm.oracle.backend import Backend
from realm.oracle.catalogue import Catalogue
from realm.oracle.pool import Pool, PoolLimits, Slot
from realm.oracle.replies import DONE, Told, event
from realm.oracle.request import Piece
from realm.oracle.request import Request as Asked
from realm.oracle.streams import Stream, until_gone
from realm.oracle.wire import ChatRequest, CompletionRequest, ModelName

if TYPE_CHECKING:
    from realm.heroes.hero import LoadedHero
    from realm.oracle.engine import Engine

TEND_SECONDS = 1.0
ANSWERED_BY = "X-Realm-Model"
BACKEND = "X-Realm-Backend"


class Settings(Protocol):
    """What the service must know (`realm.config.schema.OracleSettings`)."""

    @property
    def memory_bytes(self) -> int: ...
    @property
    def idle_seconds(self) -> float: ...
    @property
    def cache_bytes(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def queue(self) -> int: ...
    @property
    def answer_tokens(self) -> int: ...
    @property
    def max_body_bytes(self) -> int: ...


class Refusal(BaseModel):
    """What was wrong with a request, in words."""

    message: str
    type: str
    hint: str
    param: str | None
    code: str | None


class Refused(BaseModel):
    """The one shape of an error."""

    error: Refusal


def create(
    catalogue: Catalogue,
    settings: Settings,
    listening: Listening,
    *,
    backend: Backend | None = None,
    on_load: Callable[[int], None] = lambda requests: None,
) -> FastAPI:
    """The service. `on_load` is told how many requests are in hand, once a second and when a first one comes."""
    oracle = Oracle(catalogue, settings, backend, on_load)
    app = make_app(
        "oracle", settings=listening, max_body_bytes=settings.max_body_bytes,
        lifespan=oracle.lifespan, docs_url=None, redoc_url=None,
    )  # fmt: skip
    app.add_exception_handler(RealmError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.include_router(router(oracle))
    app.state.oracle = oracle
    app.state.end_streams = oracle.leave_all
    return app


@dataclass(frozen=True, slots=True)
class _Ready:
    """A request that the engine has taken on."""

    slot: Slot
    answers: Answers
    told: Told


class Oracle:
    """What is answered, and what is measured of it."""

    def __init__(
        self,
        catalogue: Catalogue,
        settings: Settings,
        backend: Backend | None,
        on_load: Callable[[int], None],
    ) -> None:
        self.catalogue, self.settings, self.backend = catalogue, settings, backend
        self._on_load = on_load
        self.pool = Pool(catalogue, PoolLimits(settings.memory_bytes, settings.idle_seconds), self._open)
        self.in_hand: set[Answers] = set()
        self.metrics = CollectorRegistry()
        self._first_token = Histogram(
            "realm_time_to_first_token_seconds", "From a request to the first piece of its answer.",
            registry=self.metrics, buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
        )  # fmt: skip
        self._tokens = Counter("realm_oracle_tokens", "Tokens written.", registry=self.metrics)
        self._requests = Counter("realm_oracle_requests", "Requests by how they ended.", ["outcome"],
                                 registry=self.metrics)  # fmt: skip
        Gauge("realm_oracle_loaded_models", "Models in memory.", registry=self.metrics).set_function(
            lambda: len(self.pool.slots())
        )
        Gauge("realm_oracle_loaded_bytes", "Weights in memory.", registry=self.metrics).set_function(
            lambda: sum(slot.size_bytes for slot in self.pool.slots())
        )

    def _open(self, hero: "LoadedHero", loop: asyncio.AbstractEventLoop) -> "Engine":
        from realm.oracle.engine import Engine, Limits, on_best_device  # noqa: PLC0415 - torch stays behind this door

        limits = Limits(self.settings.rows, self.settings.queue, self.settings.cache_bytes)
        return Engine(on_best_device(hero), limits, post=into_loop(loop))

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        tending = asyncio.create_task(self._tend())
        yield
        tending.cancel()
        self.leave_all()
        await asyncio.gather(tending, return_exceptions=True)
        await self.pool.close()
        if self.backend is not None:
            await self.backend.close()

    async def _tend(self) -> None:
        while True:
            self._on_load(len(self.in_hand))
            await self.pool.tend()
            await asyncio.sleep(TEND_SECONDS)

    def leave_all(self) -> None:
        """End every answer that is being written."""
        for answers in list(self.in_hand):
            answers.leave()

    # -- answering -------------------------------------------------------------------------------------------
    async def chat(self, asked: ChatRequest, http: Request) -> Response:
        return await self._answer(asked, http, self._begin_chat)

    async def complete(self, asked: CompletionRequest, http: Request) -> Response:
        return await self._answer(asked, http, self._begin_text)

    async def _answer(self, asked: Any, http: Request, begin: Callable[[Any, Slot], Awaitable[_Ready]]) -> Response:
        began = time.perf_counter()
        if self.backend is not None and (response := await self.backend.forward(http, asked.model)) is not None:
            self._requests.labels("forwarded").inc()
            return response
        slot = await self.pool.take(asked.model)
        try:
            ready = await begin(asked, slot)
        except BaseException as error:
            self._requests.labels("busy" if isinstance(error, Busy) else "refused").inc()
            self.pool.give_back(slot)
            raise
        self.in_hand.add(ready.answers)
        if len(self.in_hand) == 1:
            self._on_load(1)  # at once: a second is long for whoever shares the machine
        headers = {ANSWERED_BY: slot.model.id, BACKEND: "embedded"}
        if asked.stream:
            return Stream(self._events(ready, asked.tells_usage, began), lambda: self._end(ready), headers=headers)
        gone = asyncio.create_task(until_gone(http.receive))
        gone.add_done_callback(lambda _: ready.answers.leave())
        try:
            whole = await ready.answers.all()
            require_whole(whole)
            return JSONResponse(ready.told.whole(whole), headers=headers)
        finally:
            gone.cancel()
            self._first_token.observe(time.perf_counter() - began)
            self._end(ready)

    async def _begin_chat(self, asked: ChatRequest, slot: Slot) -> _Ready:
        ids = await chat_ids(slot, asked)
        async with slot.rendering:
            return self._submit(slot, asked, [ids], asked.limit, asked.alternatives, bool(asked.offered()))

    async def _begin_text(self, asked: CompletionRequest, slot: Slot) -> _Ready:
        prompts = [await text_ids(slot, prompt) for prompt in asked.prompts()]
        async with slot.rendering:
            return self._submit(slot, asked, prompts, asked.max_tokens, asked.logprobs, None)

    def _submit(
        self,
        slot: Slot,
        asked: ChatRequest | CompletionRequest,
        prompts: list[list[int]],
        limit: int | None,
        top_logprobs: int | None,
        tools: bool | None,
    ) -> _Ready:
        """`tools` None: this is no chat."""
        engine, chosen = slot.engine, sampling(slot, asked, top_logprobs)
        requests = [
            Asked(
                prompt_ids=ids,
                max_new_tokens=answer_limit(engine, len(ids), limit, self.settings.answer_tokens),
                deliver=leave_to_another,
                sampling=chosen,
                count=asked.choices,
                stops=tuple(asked.stop or ()),
                stream=asked.stream and not tools,
                ignore_eos=asked.ignore_eos,
            )
            for ids in prompts
        ]
        kind, spelled = ("text" if tools is None else "chat"), engine.token_text
        told = Told(kind, slot.model.id, spelled, sum(map(len, prompts)), bool(tools))  # type: ignore[arg-type]
        return _Ready(slot, submit(engine, requests), told)

    async def _events(self, ready: _Ready, tells_usage: bool, began: float) -> AsyncIterator[bytes]:
        """The events of a stream. What breaks after it has begun can only be told as one of them."""
        for answer in ready.answers.whole:
            for first in ready.told.first(answer.index):
                yield first
        waiting = True
        try:
            async for piece in ready.answers:
                if waiting:
                    self._first_token.observe(time.perf_counter() - began)
                    waiting = False
                yield ready.told.piece(piece)
            require_whole(ready.answers.whole)
        except RealmError as error:
            yield event(_body(error))
            return
        if tells_usage:
            yield ready.told.usage_event(ready.answers.whole)
        yield DONE

    def _end(self, ready: _Ready) -> None:
        ready.answers.leave()
        self.in_hand.discard(ready.answers)
        self._tokens.inc(sum(answer.tokens for answer in ready.answers.whole))
        whole = all(answer.finish for answer in ready.answers.whole)
        self._requests.labels("answered" if whole else "left").inc()
        self.pool.give_back(ready.slot)

    # -- models ----------------------------------------------------------------------------------------------
    async def models(self) -> dict[str, Any]:
        cards = await asyncio.to_thread(self.catalogue.cards)
        return {
            "object": "list",
            "data": [
                {
                    "id": card.name, "object": "model", "created": int(card.created), "owned_by": "realm",
                    "stands_for": card.id, "about": card.about,
                }
                for card in cards
            ],
        }  # fmt: skip

    async def model(self, name: str) -> dict[str, Any]:
        found = await asyncio.to_thread(self.catalogue.find, name)
        return {"id": name, "object": "model", "created": 0, "owned_by": "realm", "stands_for": found.id, "about": ""}

    def loaded(self) -> dict[str, Any]:
        now = time.monotonic()
        return {
            "memory_bytes": self.settings.memory_bytes,
            "swaps": self.pool.swaps,
            "models": [
                {
                    "id": slot.model.id, "size_bytes": slot.size_bytes, "requests": slot.users,
                    "idle_seconds": round(now - slot.last_used, 1), "leaving": slot.leaving,
                    "rows": (load := slot.engine.load()).rows, "waiting": load.waiting, "tokens": load.tokens,
                }
                for slot in self.pool.slots()
            ],
        }  # fmt: skip


def router(oracle: Oracle) -> APIRouter:
    """The routes."""
    refused = {"model": Refused, "description": "Refused, with the reason in words."}
    routes = APIRouter(responses={"4XX": refused, "503": refused})

    @routes.get("/v1/models")
    async def models() -> dict[str, Any]:
        """Every name that may be asked for, and the model that it stands for now."""
        return await oracle.models()

    @routes.get("/v1/models/{name:path}")
    async def model(name: str) -> dict[str, Any]:
        """One of them."""
        return await oracle.model(name)

    @routes.post("/v1/chat/completions")
    async def chat(asked: ChatRequest, http: Request) -> Response:
        """Answer a conversation."""
        return await oracle.chat(asked, http)

    @routes.post("/v1/completions")
    async def complete(asked: CompletionRequest, http: Request) -> Response:
        """Go on with a text."""
        return await oracle.complete(asked, http)

    @routes.get("/models")
    async def loaded() -> dict[str, Any]:
        """The models in memory."""
        return oracle.loaded()

    @routes.post("/models/load")
    async def load(asked: ModelName) -> dict[str, Any]:
        """Load a model before it is asked for."""
        slot = await oracle.pool.load(asked.model)
        return {"id": slot.model.id, "size_bytes": slot.size_bytes}

    @routes.post("/models/unload")
    async def unload(asked: ModelName) -> dict[str, Any]:
        """Let a model go, once its requests have finished."""
        return {"unloaded": await oracle.pool.unload(asked.model)}

    @routes.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(oracle.metrics), media_type=CONTENT_TYPE_LATEST)

    return routes


def require_whole(answers: Sequence[Piece]) -> None:
    """Half an answer must not look like one. Raises ServiceError."""
    if not all(answer.finish for answer in answers):
        raise ServiceError("The service was stopped before the answer was whole.", hint="Send the request again.")


def _status(error: RealmError) -> int:
    if isinstance(error, Busy):
        return 429
    if isinstance(error, UsageError):
        return 404 if error.param == "model" else 400
    if isinstance(error, CheckpointError):
        return 404
    is_here = isinstance(error, HeroError) and not isinstance(error, WeightsMissing | MissingExtra)
    return 400 if is_here else 503


def _body(error: RealmError) -> dict[str, Any]:
    kinds = {429: "rate_limit_error", 404: "not_found_error", 503: "service_unavailable"}
    status = _status(error)
    body = error_body(error.message, kinds.get(status, "invalid_request_error"), error.hint, error.param)
    too_long = status == 400 and "context" in error.message
    code = "model_not_found" if status == 404 else "context_length_exceeded" if too_long else error.type
    body["error"]["code"] = code
    return body


def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RealmError)
    headers = {"Retry-After": str(error.retry_after_seconds)} if isinstance(error, Busy) else {}
    return JSONResponse(_body(error), status_code=_status(error), headers=headers)


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = error.errors()[:20]
    problems = [f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in found]
    param = ".".join(str(part) for part in found[0]["loc"][1:]) or None
    body = error_body("; ".join(problems)[:4000], "invalid_request_error", "Mend the named fields.", param)
    body["error"]["code"] = "invalid_value"
    return JSONResponse(body, status_code=400)
