"""The Tavern's routes: the pages, one stream, and what a person may do. Reads through `view`, draws by `pages`."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Form, Header, Path, Query, Request
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from sse_starlette import EventSourceResponse

from realm import __version__
from realm.config.layers import resolve_hero
from realm.config.schema import RealmSettings
from realm.db import Database
from realm.events import Events
from realm.guild.held_out import Examinations
from realm.heroes.data_profiles import data_profiles
from realm.http import make_app
from realm.quests.elsewhere import Elsewhere
from realm.quests.past import TrainedRows
from realm.tavern.campaign_routes import CampaignRoutes
from realm.tavern.live import CARDS, Live, Topic
from realm.tavern.lore import skins
from realm.tavern.oracle_routes import OracleRoutes
from realm.tavern.pages import STATIC, Pages
from realm.tavern.temple_routes import TempleRoutes
from realm.tavern.uploads import Uploads
from realm.tavern.vault_routes import VaultRoutes
from realm.tavern.view import View
from realm.workspace import Workspace

POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SKIN_COOKIE, THEME_COOKIE = "realm_skin", "realm_theme"
PREVIEW_PATH = "/quests/preview"
YEAR_SECONDS = 31_536_000
PING_SECONDS = 15

SkinName = Literal["realm", "lab"]
Priority = Literal["high", "normal", "low"]
Control = Literal["pause", "resume", "stop", "skip"]


def create(workspace: Workspace, settings: RealmSettings, db: Database, events: Events) -> FastAPI:
    """The page of one workspace. Starts its one tail task with the server and ends it with it."""
    tavern = Tavern(workspace, settings, db, events)
    app = make_app(
        "tavern", settings=settings.services, large_paths=(PREVIEW_PATH,),
        lifespan=tavern.lifespan, docs_url=None, redoc_url=None, openapi_url=None,
    )  # fmt: skip
    tavern.add_routes(app)
    app.state.end_streams = tavern.live.stop  # whoever ends the server calls it first: open streams would hold it up
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


class Tavern:
    """The routes and what they share."""

    def __init__(self, workspace: Workspace, settings: RealmSettings, db: Database, events: Events) -> None:
        self.settings = settings
        self.workspace = workspace
        self.events = events
        self.view = View(workspace, settings, db, events)
        self.campaign_routes = CampaignRoutes(workspace, settings, db, events)
        self.temple_routes = TempleRoutes(workspace, settings, db, events)
        self.oracle_routes = OracleRoutes(settings, self.view.desk)
        self.uploads = self._uploads()
        self.pages = Pages()
        self.skins = skins()
        self.live = Live(self.view, self.pages, self.skins, f"{__version__}-{uuid.uuid4().hex[:6]}")

    def _uploads(self) -> Uploads:
        """Uploads are looked at as the hero in play would look at them when they arrive, but for its tokens."""
        settings, profile = self.settings, resolve_hero(self.settings, self.settings.campaign.hero)
        examinations = Examinations(settings.campaign.skills, settings.curriculum)
        trained = TrainedRows(self.view.queue)
        return Uploads(
            self.workspace, settings.quests, data_profiles.get(profile.data_profile).prepare,
            lambda: Elsewhere(examinations.where, trained.lookup().where),
        )  # fmt: skip

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(self.uploads.sweep)
        tail = asyncio.create_task(self.live.run())
        yield
        self.live.stop()
        tail.cancel()
        await asyncio.gather(tail, return_exceptions=True)

    def add_routes(self, app: FastAPI) -> None:
        app.get("/")(self.home)
        app.get("/quests")(self.quests)
        app.get("/guild")(self.guild)
        app.get("/campaigns")(self.campaigns)
        app.get("/temple")(self.temple)
        app.get("/vault")(self.vault)
        app.get("/checkpoint/{checkpoint}")(self.checkpoint)
        app.get("/hero.css")(self.colours)
        app.get("/live")(self.stream)
        app.post("/control/{name}")(self.control)
        app.post(PREVIEW_PATH)(self.preview)
        app.post("/quests/uploads/{token}/add")(self.add_upload)
        app.post("/quests/uploads/{token}/discard")(self.discard_upload)
        app.get("/quests/{quest}")(self.report)
        app.post("/quests/{quest}/priority")(self.set_priority)
        app.post("/quests/{quest}/retry")(self.retry)
        app.post("/quests/{quest}/delete")(self.delete)
        app.get("/oracle")(self.oracle)
        self.campaign_routes.add_to(app)
        self.temple_routes.add_to(app, self._fragment)
        self.oracle_routes.add_to(app)
        VaultRoutes(self.workspace, self.events, self.view.vault, self._fragment).add_to(app)

    # -- pages ---------------------------------------------------------------------------------------------
    def home(self, request: Request, skin: SkinName | None = None) -> Response:
        return self._page("home", request, skin)

    def quests(self, request: Request, skin: SkinName | None = None) -> Response:
        return self._page("quests", request, skin)

    def guild(self, request: Request, skin: SkinName | None = None) -> Response:
        return self._page("guild", request, skin)

    def campaigns(self, request: Request, skin: SkinName | None = None) -> Response:
        return self._page("campaigns", request, skin)

    def temple(self, request: Request, skin: SkinName | None = None) -> Response:
        return self._page("temple", request, skin)

    def oracle(self, request: Request, skin: SkinName | None = None) -> Response:
        return self._page("oracle", request, skin)

    def vault(
        self, request: Request, skin: SkinName | None = None, offset: Annotated[int, Query(ge=0, le=10**8)] = 0
    ) -> Response:
        return self._page("vault", request, skin, str(offset))

    def checkpoint(
        self, request: Request, checkpoint: Annotated[str, Path(max_length=250)], skin: SkinName | None = None
    ) -> Response:
        return self._page("checkpoint", request, skin, checkpoint)

    def _page(self, name: str, request: Request, asked: SkinName | None, item: str = "") -> Response:
        skin = self.skins[asked or self._skin_of(request)]
        theme = request.cookies.get(THEME_COOKIE, self.settings.page.theme)
        theme = theme if theme in {"auto", "dark", "light"} else "auto"
        html = self.pages.page(name, skin, theme, self.view.values(name, skin, item))
        response = HTMLResponse(html, headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-store"})
        if asked is not None:
            response.set_cookie(SKIN_COOKIE, asked, max_age=YEAR_SECONDS, samesite="strict")
        return response

    def _skin_of(self, request: Request) -> str:
        name = request.cookies.get(SKIN_COOKIE, "")
        return name if name in self.skins else self.settings.page.skin

    def colours(self) -> Response:
        """The hero's accent colour. A stylesheet of its own: the policy allows no inline style."""
        color = self.view.profile.color  # six hexadecimal digits: the settings let nothing else pass
        rule = f":root {{ --hero-color: {color}; }}\n" if color else ""
        return Response(rule, media_type="text/css", headers={"Cache-Control": "no-cache"})

    # -- the stream ----------------------------------------------------------------------------------------
    async def stream(
        self,
        page: Annotated[str, Query(pattern="|".join(f"^{name}$" for name in CARDS))] = "home",
        skin: SkinName = "realm",
        item: Annotated[str, Query(max_length=250)] = "",
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> EventSourceResponse:
        seen = int(last_event_id) if last_event_id is not None and last_event_id.isdigit() else None

        async def events() -> AsyncIterator[dict[str, Any]]:
            async for event in self.live.stream(Topic(page, skin, item), seen):
                yield event.as_sse()

        return EventSourceResponse(events(), ping=PING_SECONDS)

    # -- what a person may do ------------------------------------------------------------------------------
    def control(self, name: Control, quest: Annotated[str, Query(max_length=80)] = "") -> Response:
        """Ask the training to pause, skip its quest or stop, within a step; `resume` ends a pause or a stop.

        `quest` is the one that the page showed: another one that has begun since is not skipped in its place.
        """
        if name == "resume":
            self.workspace.withdraw("pause")
            self.workspace.withdraw("stop")
        else:
            self.workspace.request(name, quest if name == "skip" else "")
        return Response(status_code=204)

    async def preview(self, request: Request, name: str = "upload.jsonl") -> Response:
        """Take a file without queueing it, and say what it is."""
        token = await self.uploads.receive(name, request.stream())
        preview = await asyncio.to_thread(self.uploads.preview, token)
        return self._fragment("preview", request, {"preview": preview})

    def add_upload(self, request: Request, token: str, priority: Annotated[Priority, Form()] = "normal") -> Response:
        name = self.uploads.add(token, priority)
        return _said(f"{name} goes to the inbox.")

    def discard_upload(self, token: str) -> Response:
        self.uploads.discard(token)
        return _said("Discarded.")

    def report(self, request: Request, quest: str) -> Response:
        return self._fragment("report", request, {"preview": self.view.report(quest)})

    def set_priority(self, quest: str, priority: Annotated[Priority, Form()]) -> Response:
        self.view.queue.set_priority(quest, priority)
        return Response(status_code=204)

    def retry(self, quest: str) -> Response:
        self.view.queue.retry(quest)
        return Response(status_code=204)

    def delete(self, quest: str) -> Response:
        self.view.queue.remove(quest)
        return Response(status_code=204)

    def _fragment(self, name: str, request: Request, values: dict[str, Any]) -> Response:
        return HTMLResponse(self.pages.fragment(name, self.skins[self._skin_of(request)], values))


def _said(words: str) -> Response:
    """An empty answer whose words the page shows in its corner."""
    return HTMLResponse("", headers={"HX-Trigger": json.dumps({"said": words})})
