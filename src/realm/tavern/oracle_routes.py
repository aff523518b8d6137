"""What the page's chat asks for: the models, an answer as it is written, a trial, opinions sent. Loads no model.

The service that answers listens on a port of its own; the page reaches it through here, so that a browser needs no
leave to talk to another origin.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from realm.clients import get_service_url
from realm.config.schema import RealmSettings
from realm.errors import ServiceError
from realm.oracle.feedback import MAX_OPINIONS, Opinion
from realm.oracle.streams import Stream, until_left
from realm.tavern.chat_desk import ChatDesk, Trial

START = "Start it: realm start-all, or realm serve oracle"
Name = Annotated[str, Field(min_length=1, max_length=300)]
Skill = Annotated[str, Field(min_length=1, max_length=80)]
Seed = Annotated[str, Field(min_length=1, max_length=80)]


class TrialAsked(BaseModel):
    """Which problem is wanted."""

    model_config = ConfigDict(extra="forbid")
    model: Name
    skill: Skill
    level: int | None = None


class AnswerGiven(BaseModel):
    """An answer to a trial, by the names that make its problem again."""

    model_config = ConfigDict(extra="forbid")
    model: Name
    skill: Skill
    level: int
    seed: Seed
    answer: Annotated[str, Field(max_length=200_000)]


class OpinionsGiven(BaseModel):
    """What a person thought of some answers."""

    model_config = ConfigDict(extra="forbid")
    opinions: Annotated[list[Opinion], Field(max_length=MAX_OPINIONS)]


class OracleRoutes:
    """The routes behind `/oracle`; the page itself is drawn like every other."""

    def __init__(self, settings: RealmSettings, desk: ChatDesk) -> None:
        services = settings.services
        self._url = get_service_url("oracle", services)
        self._headers = {"Authorization": f"Bearer {services.token}"} if services.token else {}
        self._desk = desk

    def add_to(self, app: FastAPI) -> None:
        app.get("/oracle/models")(self.models)
        app.post("/oracle/chat")(self.chat)
        app.post("/oracle/trial")(self.trial)
        app.post("/oracle/grade")(self.grade)
        app.post("/oracle/feedback")(self.feedback)

    async def models(self) -> Response:
        """The names that may be asked for, as the service lists them."""
        async with self._client(5.0) as client:
            try:
                answer = await client.get("/v1/models")
            except httpx.TransportError as error:
                raise self._silent(error) from error
        return Response(answer.content, answer.status_code, media_type="application/json")

    async def chat(self, request: Request) -> Response:
        """An answer as it is written: the service's own stream, handed through."""
        client = self._client(None)
        asked = client.build_request("POST", "/v1/chat/completions", content=await request.body(),
                                     headers={"content-type": "application/json"})  # fmt: skip
        try:
            answer = await client.send(asked, stream=True)
        except httpx.TransportError as error:
            await client.aclose()
            raise self._silent(error) from error
        left = asyncio.Event()
        kind = answer.headers.get("content-type", "application/json")
        return Stream(_passed_on(client, answer, left), left.set, status=answer.status_code, media_type=kind)

    def trial(self, asked: TrialAsked) -> Response:
        trial = self._desk.trial(asked.model, asked.skill, asked.level, secrets.token_hex(6))
        body = {"skill": trial.skill, "level": trial.level, "seed": trial.seed, "messages": trial.messages}
        return JSONResponse(body)

    def grade(self, given: AnswerGiven) -> Response:
        trial = Trial(given.skill, given.level, given.seed, [])
        score, right = self._desk.grade(given.model, trial, given.answer)
        return JSONResponse({"correct": score.correct, "value": score.value, "reason": score.reason, "right": right})

    def feedback(self, given: OpinionsGiven) -> Response:
        return JSONResponse({"made": self._desk.send(given.opinions)})

    def _client(self, seconds: float | None) -> httpx.AsyncClient:
        timeout = httpx.Timeout(seconds, connect=2.0)
        return httpx.AsyncClient(base_url=self._url, headers=self._headers, timeout=timeout, trust_env=False)

    def _silent(self, error: httpx.TransportError) -> ServiceError:
        return ServiceError(f"The service of the models does not answer ({type(error).__name__}).", hint=START)


async def _passed_on(client: httpx.AsyncClient, answer: httpx.Response, left: asyncio.Event) -> AsyncIterator[bytes]:
    """The body as it comes; when the browser has left, the service hears it at once."""
    try:
        async for chunk in until_left(answer.aiter_bytes(), left):
            yield chunk
    except httpx.TransportError as error:
        broken: dict[str, Any] = {"message": f"The service broke off ({type(error).__name__}).", "hint": START}
        yield b"data: " + json.dumps({"error": broken}).encode() + b"\n\n"
    finally:
        await answer.aclose()
        await client.aclose()
