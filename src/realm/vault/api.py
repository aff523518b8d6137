"""The vault over HTTP ("VaultKeeper"): ledger, places, plans, and checkpoints to download. Moves and deletes nothing.

A path never comes from a request: a checkpoint is looked up by its id, a file by its name in the sealed manifest.
"""
# No postponed annotations here: FastAPI reads those of the routes inside `router`.

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path as Folder
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, Path, Query, Response
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from realm.errors import CheckpointError, UsageError
from realm.http import Listening, make_app
from realm.records import CampaignKey, CheckpointRecord
from realm.vault import api_models as told
from realm.vault import manifest
from realm.vault.catalogue import Location
from realm.vault.figures import zone_figures
from realm.vault.keeper import Keeper
from realm.vault.lineage import lineage
from realm.vault.manifest import Manifest, checkpoint_id

MAX_BODY_BYTES = 100_000
MAX_PAGE = 1000
HERE = ("present", "stored")
DOWNLOAD_SECONDS = 900.0
REFUSED: dict[int | str, dict[str, Any]] = {"4XX": {"model": told.Refused, "description": "Refused, in words."}}

Id = Annotated[str, Path(min_length=1, max_length=250)]
Text = Annotated[str, Query(max_length=200)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
Offset = Annotated[int, Query(ge=0, le=100_000_000)]
Step = Annotated[int, Path(ge=0, le=10**12)]
State = Literal["present", "stored", "dropped", "quarantined"]


def create(
    keeper: Keeper, key: CampaignKey, settings: Listening, start_of: Callable[[CampaignKey], str] = lambda _: ""
) -> FastAPI:
    """The service on its own port. `key` is meant where a request names no campaign; `start_of` tells what a campaign
    began with."""
    app = make_app("vault", settings=settings, max_body_bytes=MAX_BODY_BYTES, docs_url=None, redoc_url=None)
    app.include_router(router(VaultService(keeper, key, start_of)))
    return app


class VaultService:
    """What is answered."""

    def __init__(self, keeper: Keeper, key: CampaignKey, start_of: Callable[[CampaignKey], str]) -> None:
        self.keeper = keeper
        self.key = key
        self._start_of = start_of

    def asked(self, hero: str, campaign: str) -> CampaignKey:
        return CampaignKey(hero or self.key.hero, campaign or self.key.campaign)

    def record(self, checkpoint: str) -> CheckpointRecord:
        """By id, or by a version's name. Raises CheckpointError."""
        version = self.keeper.catalogue.named(checkpoint) if "@" not in checkpoint else None
        return self.keeper.ledger.get(version.checkpoint if version else checkpoint)

    def page(self, states: tuple[str, ...], hero: str, campaign: str, text: str, limit: int, offset: int) -> Any:
        total, found = self.keeper.ledger.page(
            hero=hero, campaign=campaign, states=states, text=text, limit=limit, offset=offset
        )
        return told.CheckpointPage(total=total, offset=offset, checkpoints=[told.checkpoint(each) for each in found])

    def detail(self, checkpoint: str) -> told.CheckpointDetail:
        record = self.record(checkpoint)
        ledger, catalogue = self.keeper.ledger, self.keeper.catalogue
        versions = [told.name(each) for each in catalogue.versions(record.id)]
        return told.detail(
            record, self.places(record.id), versions, ledger.reason(record.id), ledger.examination(record.id)
        )

    def places(self, asset: str) -> list[told.Place]:
        return [told.place(each, _url(asset, each)) for each in self.keeper.catalogue.locations([asset]).get(asset, ())]

    def locate(self, asset: str) -> told.Located:
        """Raises UsageError for what nobody knows."""
        if self.keeper.catalogue.find(asset) is None:
            asset = self.record(asset).id
        return told.Located(id=asset, locations=self.places(asset))

    def asset(self, asset: str) -> told.AssetDetail:
        found = self.keeper.catalogue.find(asset)
        shown = told.asset(found) if found else told.checkpoint_asset(self.record(asset))
        return told.AssetDetail(**shown.model_dump(), locations=self.places(shown.id))

    def summary(self) -> told.Summary:
        ledger, found = self.keeper.ledger, []
        for key in tuple(ledger.keys()):
            if (newest := ledger.newest(key)) is None:
                continue
            champion = ledger.champion(key)
            count, _ = ledger.page(hero=key.hero, campaign=key.campaign, states=("present",), limit=1)
            found.append(
                told.CampaignSummary(
                    hero=key.hero, campaign=key.campaign, checkpoints=count, size_bytes=ledger.size_bytes(key),
                    newest=newest.id, champion=champion.id if champion else None,
                )
            )  # fmt: skip
        return told.Summary(campaigns=found)

    def stats(self) -> told.Stats:
        keeper = self.keeper
        ahead = keeper.disk.forecast(keeper.storage.free_bytes(), min_free_bytes=keeper.policy.min_free_bytes)
        return told.Stats(
            states={state: told.Count(count=n, size_bytes=size) for state, (n, size) in keeper.ledger.totals().items()},
            zones=["hot", *keeper.storage.zones], versions=len(keeper.catalogue.versions()),
            being_read=len(keeper.leases.readers()), disk=told.DiskForecast(**asdict(ahead), words=ahead.words),
        )  # fmt: skip

    def zones(self) -> told.Zones:
        return told.Zones(zones=[told.ZoneInfo(**each) for each in zone_figures(self.keeper)])

    def evaluations(self, hero: str, campaign: str, limit: int, offset: int) -> told.Evaluations:
        examined = self.keeper.ledger.examined_ones(hero=hero, campaign=campaign, limit=limit, offset=offset)
        return told.Evaluations(
            evaluations=[
                told.Evaluation(
                    checkpoint=record.id, step=record.step, accuracy=record.accuracy or 0.0,
                    problems=sum(n for _, n in skills.values()) or problems, skills=skills,
                    levels=dict(record.levels),
                )
                for record, skills, problems in examined
            ]
        )  # fmt: skip

    def plan(self, hero: str, campaign: str) -> told.RetentionPlan:
        key = self.asked(hero, campaign) if hero or campaign else None
        plan = self.keeper.plan(key)
        return told.RetentionPlan(
            decisions=[told.PlannedCopy(**asdict(each)) for each in plan.decisions], short_bytes=dict(plan.short_bytes)
        )

    def lineage(self, checkpoint: str) -> told.LineageInfo:
        record = self.record(checkpoint)
        found = lineage(self.keeper, record, began_with=self._start_of(CampaignKey(record.hero, record.campaign)))
        return told.LineageInfo.model_validate(asdict(found))

    def manifest(self, checkpoint: str) -> tuple[CheckpointRecord, Folder, Manifest]:
        """Raises CheckpointError for one that does not lie in the workspace."""
        record = self.record(checkpoint)
        if record.state != "present":
            raise CheckpointError(
                f"{record.id} is {record.state}, not in the workspace.", hint=f"There: realm vault fetch {record.id}"
            )
        folder = self.keeper.folder(record)
        made = manifest.read(folder)
        if made.id != record.id:
            raise CheckpointError(f"{folder.name} holds {made.id}; the ledger expects {record.id}.")
        return record, folder, made

    def file(self, checkpoint: str, name: str) -> Response:
        """A file that the manifest names. It answers to ranges; its ETag is the sha256 that it was sealed with."""
        record, folder, made = self.manifest(checkpoint)
        entry = made.files.get(name)
        if entry is None:
            raise UsageError(f"There is no file '{name}' in {record.id}.", hint="Its manifest names them all.")
        path = folder / name
        if path.is_symlink() or not path.is_file() or folder.resolve() not in path.resolve().parents:
            raise CheckpointError(f"{record.id} must not be used: {name} is missing, or no plain file.")
        lease = self.keeper.leases.take(record.id, "download", DOWNLOAD_SECONDS)
        return FileResponse(
            path, media_type="application/octet-stream",
            headers={"ETag": f'"{entry.sha256}"', "Cache-Control": "private, no-transform"},
            background=BackgroundTask(self.keeper.leases.release, lease),
        )  # fmt: skip


def router(service: VaultService) -> APIRouter:
    """The routes. Whoever changes a zone does it by `realm vault`; here only leases change."""
    routes = APIRouter(prefix="/api", responses=REFUSED)

    @routes.get("/stats")
    def stats() -> told.Stats:
        """Counts, bytes, and how long the disk lasts."""
        return service.stats()

    @routes.get("/ledger")
    def ledger(
        hero: Text = "", campaign: Text = "", state: State | None = None, limit: Limit = 100, offset: Offset = 0
    ) -> told.CheckpointPage:
        """Every checkpoint that ever was, newest first."""
        page: told.CheckpointPage = service.page((state,) if state else (), hero, campaign, "", limit, offset)
        return page

    @routes.get("/ledger/summary")
    def summary() -> told.Summary:
        """What each campaign has."""
        return service.summary()

    @routes.get("/ledger/best")
    def best(hero: Text = "", campaign: Text = "") -> told.CheckpointDetail:
        """The champion of a campaign, by examination."""
        key = service.asked(hero, campaign)
        champion = service.keeper.ledger.champion(key)
        if champion is None:
            raise UsageError(f"There is no champion of {key} yet.", hint="It takes an examination with a right answer.")
        return service.detail(champion.id)

    @routes.get("/ledger/{step}")
    def at_step(step: Step, hero: Text = "", campaign: Text = "") -> told.CheckpointDetail:
        """The checkpoint of a step."""
        return service.detail(checkpoint_id(service.asked(hero, campaign), step))

    @routes.get("/checkpoints")
    def checkpoints(
        hero: Text = "", campaign: Text = "", q: Text = "", limit: Limit = 100, offset: Offset = 0
    ) -> told.CheckpointPage:
        """The checkpoints that lie in some zone, newest first."""
        page: told.CheckpointPage = service.page(HERE, hero, campaign, q, limit, offset)
        return page

    @routes.get("/checkpoints/{checkpoint}")
    def one(checkpoint: Id) -> told.CheckpointDetail:
        """A checkpoint by id or version, with its places."""
        return service.detail(checkpoint)

    @routes.get("/checkpoints/{checkpoint}/manifest")
    def sealed(checkpoint: Id) -> Response:
        """The sealed manifest, byte by byte: names, sizes and sha256 of all files."""
        return Response(manifest.encode(service.manifest(checkpoint)[2]), media_type="application/json")

    @routes.get(
        "/checkpoints/{checkpoint}/files/{name:path}", response_class=Response,
        responses={200: {"content": {"application/octet-stream": {}}}, 206: {"description": "The asked range."}},
    )  # fmt: skip
    def file(checkpoint: Id, name: Annotated[str, Path(min_length=1, max_length=500)]) -> Response:
        """A file of a checkpoint. Send `Range: bytes=N-` to go on after N bytes."""
        return service.file(checkpoint, name)

    @routes.get("/checkpoints/{checkpoint}/lineage")
    def back_and_forward(checkpoint: Id) -> told.LineageInfo:
        """Where it comes from and what came of it."""
        return service.lineage(checkpoint)

    @routes.get("/locate/{asset}")
    def locate(asset: Id) -> told.Located:
        """Where an asset lies: a checkpoint by id or version, or what the catalogue knows."""
        return service.locate(asset)

    @routes.get("/asset/{asset}")
    def asset(asset: Id) -> told.AssetDetail:
        """An asset with its places."""
        return service.asset(asset)

    @routes.get("/assets")
    def assets(
        kind: Literal["base_model", "dataset", "export"] | None = None, q: Text = "", limit: Limit = 100,
        offset: Offset = 0,
    ) -> told.Assets:  # fmt: skip
        """Base models, datasets and exports. What is new is entered by `realm vault scan`."""
        found = service.keeper.catalogue.assets(kind, text=q, limit=limit, offset=offset)
        return told.Assets(assets=[told.asset(each) for each in found])

    @routes.get("/search")
    def search(q: Annotated[str, Query(min_length=1, max_length=200)], limit: Limit = 50) -> told.Found:
        """Checkpoints, assets and versions whose name holds the text."""
        keeper = service.keeper
        _, records = keeper.ledger.page(text=q, states=HERE, limit=limit)
        versions = [each for each in keeper.catalogue.versions() if q in each.name or q in each.note]
        return told.Found(
            checkpoints=[told.checkpoint(each) for each in records],
            assets=[told.asset(each) for each in keeper.catalogue.assets(text=q, limit=limit)],
            versions=[told.name(each) for each in versions[:limit]],
        )

    @routes.get("/zones")
    def zones() -> told.Zones:
        """What lies in each zone."""
        return service.zones()

    @routes.get("/evals")
    def evaluations(hero: Text = "", campaign: Text = "", limit: Limit = 100, offset: Offset = 0) -> told.Evaluations:
        """What examinations have shown, by checkpoint."""
        return service.evaluations(hero, campaign, limit, offset)

    @routes.get("/retention")
    def plan(hero: Text = "", campaign: Text = "") -> told.RetentionPlan:
        """What retention would do now, in one campaign or in all."""
        return service.plan(hero, campaign)

    @routes.post("/leases")
    def lease(asked: told.LeaseAsked) -> told.Lease:
        """Keep a checkpoint where it is while it is read."""
        record = service.record(asked.checkpoint)
        token = service.keeper.leases.take(record.id, asked.holder, asked.seconds)
        return told.Lease(token=token, seconds=asked.seconds)

    @routes.post("/leases/{token}")
    def renew(token: Id, asked: told.Renewal) -> told.Lease:
        """Let a lease stand longer."""
        if not service.keeper.leases.renew(token, asked.seconds):
            raise UsageError("There is no such lease, or it has ended.", hint="Take a new one: POST /api/leases")
        return told.Lease(token=token, seconds=asked.seconds)

    @routes.delete("/leases/{token}")
    def release(token: Id) -> told.Released:
        """End a lease; one that has ended is no mistake."""
        service.keeper.leases.release(token)
        return told.Released(released=True)

    return routes


def _url(asset: str, place: Location) -> str:
    """Only what lies in the workspace can be downloaded from here."""
    return f"/api/checkpoints/{quote(asset, safe='')}/manifest" if place.zone == "hot" and "@" in asset else ""
