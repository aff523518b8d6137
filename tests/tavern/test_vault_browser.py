"""The vault's pages in a real browser, live, while the vault changes behind them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from realm.config.layers import load
from realm.config.schema import StorageSettings, ZoneSettings
from realm.db import metadata, open_database
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger
from realm.workspace import Workspace
from tests.chromium import IN_A_BROWSER, launched
from tests.tavern.demo import Demo
from tests.tavern.server import Server
from tests.vault.conftest import facts, writer

pytestmark = IN_A_BROWSER


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Demo, Keeper]]:
    workspace = Workspace(tmp_path_factory.mktemp("kept") / "realm")
    workspace.create()
    db = open_database(workspace.database, checkpoints=True)
    with db.write() as connection:
        metadata.create_all(connection)
    storage = StorageSettings(warm=ZoneSettings(url=str(tmp_path_factory.mktemp("warm"))))
    demo = Demo(workspace, db, load().model_copy(update={"storage": storage}))
    off = demo.settings.retention.model_copy(update={"enabled": False})
    keeper = Keeper(workspace, CheckpointLedger(db, demo.events), demo.events, off, storage)
    for step in (1, 2, 3):
        keeper.save(demo.key, writer(step), facts(step, levels={"bin": 1}))
        keeper.ledger.examined(f"{demo.key}@{step}", 0.5 + step / 10, {"n": 100, "levels": {"bin": 1}})
    yield demo, keeper
    db.close()


@pytest.fixture(scope="module")
def server(kept: tuple[Demo, Keeper]) -> Iterator[Server]:
    running = Server(kept[0])
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as running:
        yield running


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    said: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(10_000)
    opened.on("console", lambda m: said.append(m.text) if m.type in {"error", "warning"} else None)
    opened.on("pageerror", lambda e: said.append(str(e)))
    opened.goto(f"{server.url}/vault")
    expect(opened.locator("live-status")).to_have_class("live on")
    yield opened
    context.close()
    assert [line for line in said if "status of 4" not in line and "Response Status Error" not in line] == []


def test_a_new_checkpoint_appears_by_itself_and_opens(page: Page, kept: tuple[Demo, Keeper]) -> None:
    demo, keeper = kept
    expect(page.locator("#checkpoints tbody tr")).to_have_count(len(keeper.ledger.present(demo.key)))
    count = page.locator("#checkpoints tbody tr").count()
    keeper.save(demo.key, writer(4), facts(4, levels={"bin": 1}))
    expect(page.locator("#checkpoints tbody tr")).to_have_count(count + 1)
    page.get_by_role("link", name="@4").click()
    expect(page.get_by_role("heading", name=f"{demo.key}@4")).to_be_visible()
    expect(page.locator("live-status")).to_have_class("live on")


def test_verify_copy_name_promote_and_delete(page: Page, kept: tuple[Demo, Keeper], server: Server) -> None:
    demo, keeper = kept
    page.goto(f"{server.url}/checkpoint/{demo.key}@1")
    expect(page.locator("live-status")).to_have_class("live on")
    page.locator("#verify-hot").click()
    expect(page.locator("toast-shelf")).to_contain_text("as it was sealed")
    page.locator("#push-warm").click()
    expect(page.locator("toast-shelf")).to_contain_text("verified copy")
    page.locator('form input[name="version"]').fill("first")
    page.get_by_role("button", name="Name it").click()
    expect(page.locator("#checkpoint .tag")).to_have_text("first")  # live: a fact told of it
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("#promote").click()
    expect(page.locator("#checkpoint .meta").first).to_contain_text("present,")
    champion = keeper.ledger.champion(demo.key)
    assert champion is not None and champion.step == 1
    page.goto(f"{server.url}/checkpoint/{demo.key}@2")
    page.locator('input[name="confirm"]').fill("wrong")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.locator("toast-shelf")).to_contain_text("write its whole id")
    assert keeper.ledger.get(f"{demo.key}@2").state == "present"
    page.locator('input[name="confirm"]').fill(f"{demo.key}@2")
    page.get_by_role("button", name="Delete for good").click()
    expect(page.locator("#checkpoint .meta").first).to_contain_text("dropped")


def test_retention_is_asked_and_shown(page: Page) -> None:
    page.locator("#ask-retention").click()
    expect(page.locator("#planned")).to_contain_text("copies stay")


@pytest.mark.parametrize("width", [390, 820, 1440])
def test_no_width_scrolls_sideways(page: Page, kept: tuple[Demo, Keeper], server: Server, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for path in ("/vault", f"/checkpoint/{kept[0].key}@3"):
        page.goto(server.url + path)
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_screens(page: Page, kept: tuple[Demo, Keeper], server: Server, tmp_path: Path) -> None:
    page.goto(f"{server.url}/checkpoint/{kept[0].key}@3")
    picture = page.screenshot(path=str(tmp_path / "checkpoint.png"), full_page=True)
    assert len(picture) > 20_000
