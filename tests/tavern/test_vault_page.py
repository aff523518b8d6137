"""The pages of the vault: what they show is what the ledger knows, and what they offer is done, or refused in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from realm.config.schema import RealmSettings, StorageSettings, ZoneSettings
from realm.db import Database
from realm.tavern import app as tavern
from realm.tavern.live import Topic
from realm.vault.keeper import Keeper
from realm.workspace import Workspace
from tests.tavern.conftest import ORIGIN
from tests.tavern.demo import Demo
from tests.vault.conftest import facts, writer

STEPS = (1, 2, 3)


@pytest.fixture
def zoned(settings: RealmSettings, tmp_path: Path) -> RealmSettings:
    storage = StorageSettings(warm=ZoneSettings(url=str(tmp_path / "warm")))
    retention = settings.retention.model_copy(update={"keep_newest": 1, "keep_daily": 0, "min_free_bytes": 0})
    return settings.model_copy(update={"storage": storage, "retention": retention})


@pytest.fixture
def told(workspace: Workspace, zoned: RealmSettings, db: Database) -> Demo:
    return Demo(workspace, db, zoned)


@pytest.fixture
def app(told: Demo) -> Iterator[TestClient]:
    made = tavern.create(told.workspace, told.settings, told.db, told.events)
    with TestClient(made, base_url="http://localhost", headers=ORIGIN) as client:
        yield client


@pytest.fixture
def keeper(told: Demo, app: TestClient) -> Keeper:
    """Three checkpoints, of which the second was examined well."""
    from realm.vault.ledger import CheckpointLedger

    off = told.settings.retention.model_copy(update={"enabled": False})
    keeper = Keeper(
        told.workspace, CheckpointLedger(told.db, told.events), told.events, off, told.settings.storage
    )  # fmt: skip
    for step in STEPS:
        keeper.save(told.key, writer(step), facts(step, levels={"bin": 1}))
    keeper.ledger.examined(f"{told.key}@2", 0.9, {"n": 100, "levels": {"bin": 1}})
    keeper.ledger.examined(f"{told.key}@1", 0.5, {"n": 100, "levels": {"bin": 1}})
    return keeper


def address(told: Demo, step: int, action: str = "") -> str:
    return f"/checkpoint/{told.key}@{step}" + (f"/{action}" if action else "")


def test_the_page_lists_what_is_kept(app: TestClient, keeper: Keeper, told: Demo) -> None:
    html = app.get("/vault").text
    for step in STEPS:
        assert f"/checkpoint/{told.key.hero}%3A{told.key.campaign}%40{step}" in html
    assert "3 kept" in html and "90" in html and "warm" in html and "days left" in html


def test_an_empty_vault_says_so(app: TestClient) -> None:
    assert "Nothing is kept yet" in app.get("/vault").text


def test_many_checkpoints_are_paged(app: TestClient, keeper: Keeper, told: Demo) -> None:
    for step in range(10, 65):
        keeper.save(told.key, writer(step), facts(step))
    first, second = app.get("/vault").text, app.get("/vault?offset=50").text
    assert "1 to 50 of 58" in first and "/vault?offset=50" in first
    assert "51 to 58 of 58" in second and "/vault?offset=0" in second
    assert app.get("/vault?offset=-1").status_code == 422


def test_a_checkpoints_page_tells_everything(app: TestClient, keeper: Keeper, told: Demo) -> None:
    html = app.get(address(told, 2)).text
    for expected in ("verified", "optimizer.pt", "settings", "file abababababab", "BIN 1", "Delete for good",
                     f"{told.key}:champion", "Began with first weights"):  # fmt: skip
        assert expected in html, expected
    assert app.get("/checkpoint/nonsense").status_code == 404
    assert app.get(f"/checkpoint/{told.key}@99").status_code == 404


def test_verify_says_what_is_wrong(app: TestClient, keeper: Keeper, told: Demo) -> None:
    good = app.post(address(told, 2, "verify"), data={"zone": "hot"})
    assert "as it was sealed" in good.headers["HX-Trigger"]
    (keeper.folder(keeper.ledger.get(f"{told.key}@1")) / "optimizer.pt").write_bytes(b"x")
    bad = app.post(address(told, 1, "verify"), data={"zone": "hot"})
    assert "optimizer.pt has 1 bytes" in bad.headers["HX-Trigger"]
    assert "damaged" in app.get(address(told, 1)).text


def test_promoted_by_a_person_and_written_down(app: TestClient, keeper: Keeper, told: Demo) -> None:
    assert app.post(address(told, 1, "promote"), data={"reason": "I like it"}).status_code == 200
    champion = keeper.ledger.champion(told.key)
    assert champion is not None and champion.step == 1
    assert [r.kind for r in told.events.newest(2)] == ["checkpoint_promoted", "champion_changed"]
    never = app.post(address(told, 3, "promote"))
    assert never.status_code == 422 and "never examined" in never.json()["error"]["message"]


def test_a_name_keeps_a_checkpoint(app: TestClient, keeper: Keeper, told: Demo) -> None:
    assert app.post(address(told, 1, "name"), data={"version": "v1", "note": "<b>good</b>"}).status_code == 200
    html = app.get(address(told, 1)).text
    assert "&lt;b&gt;good&lt;/b&gt;" in html and "v1" in app.get("/vault").text
    assert "version v1" in app.get("/vault/retention").text
    assert app.get("/checkpoint/v1").status_code == 200
    for hostile in ('a"b', "../x", "a b", "7", "latest", "x" * 81, "<i>"):
        assert app.post(address(told, 1, "name"), data={"version": hostile}).status_code in {400, 422}, hostile
    assert app.post(address(told, 2, "unname"), data={"version": "v1"}).status_code == 404
    assert app.post(address(told, 1, "unname"), data={"version": "v1"}).status_code == 200


def test_copied_removed_and_fetched_back(app: TestClient, keeper: Keeper, told: Demo) -> None:
    assert app.post(address(told, 1, "push"), data={"zone": "warm"}).status_code == 200
    gone = app.post(address(told, 1, "delete"), data={"confirm": f"{told.key}@1", "zone": "hot"})
    assert gone.status_code == 200 and keeper.ledger.get(f"{told.key}@1").state == "stored"
    assert "Fetch back" in app.get(address(told, 1)).text
    assert app.post(address(told, 1, "fetch")).status_code == 200
    assert keeper.ledger.get(f"{told.key}@1").state == "present"
    assert app.post(address(told, 1, "push"), data={"zone": "nowhere"}).status_code == 404


def test_deleting_asks_for_the_whole_id(app: TestClient, keeper: Keeper, told: Demo) -> None:
    slip = app.post(address(told, 1, "delete"), data={"confirm": "1"})
    assert slip.status_code == 400 and f"{told.key}@1" in slip.json()["error"]["message"]
    newest = app.post(address(told, 3, "delete"), data={"confirm": f"{told.key}@3"})
    assert newest.status_code == 422 and "newest" in newest.json()["error"]["message"]
    assert app.post(address(told, 1, "delete"), data={"confirm": f"{told.key}@1"}).status_code == 200
    assert keeper.ledger.get(f"{told.key}@1").state == "dropped"


def test_retention_is_shown_before_it_is_done(app: TestClient, keeper: Keeper, told: Demo) -> None:
    shown = app.get("/vault/retention").text
    assert "the champion" in shown and "the newest" in shown and "Do it" not in shown
    keeper.save(told.key, writer(4), facts(4, levels={"bin": 1}))
    assert "1 would go" in app.get("/vault/retention").text
    assert [r.state for r in keeper.ledger.list(told.key)] == ["present"] * 4
    assert app.post("/vault/retention").status_code == 200
    assert [r.step for r in keeper.ledger.present(told.key)] == [1, 2, 4]


def test_weights_are_read_when_they_are_asked_for(app: TestClient, keeper: Keeper, told: Demo) -> None:
    np = pytest.importorskip("numpy")
    from safetensors.numpy import save

    def write(folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(save({"model.layers.0.w": np.ones((2, 3), dtype="f4")}))

    keeper.save(told.key, write, facts(9))
    html = app.get(address(told, 9, "weights")).text
    assert "model.layers.0.w" in html and "2 × 3" in html
    broken = app.get(address(told, 2, "weights"))
    assert broken.status_code == 422 and "must not be used" in broken.json()["error"]["message"]


@pytest.mark.parametrize("checkpoint", ["..%2f..%2frealm.toml", "<script>alert(1)</script>", "a@b", "%00", "x" * 300])
@pytest.mark.parametrize("action", ["", "weights", "verify", "promote", "name", "push", "fetch", "export", "delete"])
def test_hostile_names_get_nowhere(app: TestClient, checkpoint: str, action: str) -> None:
    path = f"/checkpoint/{checkpoint}" + (f"/{action}" if action else "")
    data = {"zone": "../..", "version": "../..", "confirm": checkpoint}
    answer = app.get(path) if action in {"", "weights"} else app.post(path, data=data)
    assert answer.status_code in {400, 404, 405, 422}, answer.text
    assert "<script>" not in answer.text or answer.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize("path", ["/vault/retention", "/checkpoint/a@1/delete", "/checkpoint/a@1/promote"])
def test_no_other_site_changes_anything(app: TestClient, path: str) -> None:
    assert app.post(path, headers={"Origin": "http://evil.example"}).status_code == 403


def test_a_page_about_nothing_does_not_end_the_stream_of_others(app: TestClient, told: Demo) -> None:
    made = tavern.Tavern(told.workspace, told.settings, told.db, told.events)
    assert made.live.cards(Topic("checkpoint", "lab", "no:such@1")) == {}
    assert set(made.live.cards(Topic("vault", "lab", "0"))) == {"zones", "checkpoints", "blockers"}


def test_nothing_inline(app: TestClient, keeper: Keeper, told: Demo) -> None:
    for path in ("/vault", address(told, 2)):
        html = app.get(path).text
        assert not re.search(r"<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=", html), path
