"""Each page in a real browser while a hero really trains: what a user relies on is there, and a picture is taken.

REALM_SCREENSHOTS=docs/images pytest tests/stories/test_screenshots.py: the hero as it ships lives until its third
examination, and the pictures of the docs are written there. Otherwise a small life, and pictures that are thrown away.
"""

from __future__ import annotations

import base64
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from realm.db import open_database
from realm.events import Events
from realm.records import CampaignKey
from realm.watchtower.metrics import Metrics
from realm.workspace import Workspace
from tests.chromium import IN_A_BROWSER, launched
from tests.stories.conftest import SETTINGS
from tests.stories.test_whole_realm import Player, free_port

KEPT = os.environ.get("REALM_SCREENSHOTS")
CAMPAIGN = CampaignKey("hatchling", "first-light" if KEPT else "story")
EXAMINED_STEPS, STEPS, PATIENCE_SECONDS = (5, 30, 300.0) if KEPT else (1, 1, 240.0)
LARGEST_BYTES = 300_000
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 860}
PASSING = "toast-shelf, damage-float"
"""What comes and goes is not pictured."""
A_FIGURE = re.compile(r"\d")
AN_INTERVAL = re.compile(r"95 % interval \d+\s% – \d+\s%, n = \d+")

pytestmark = IN_A_BROWSER

Open = Callable[..., Page]
Keep = Callable[..., None]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Player]:
    """A realm in the middle of its day: it has trained, has been examined, and files were dropped."""
    skill_port = free_port()
    player = Player(tmp_path_factory.mktemp("pictured") / "realm", free_port(), free_port(), skill_port)
    assert player.realm("init", str(player.home)).returncode == 0
    workspace = Workspace(player.home)
    ports = f"\n[services.skill_ports]\nbin = {skill_port}\nsy = 0\n"
    own = (
        workspace.settings.read_text()
        if KEPT
        else SETTINGS.replace("enabled = false", "enabled = true\nexamples = 6000")
    )
    workspace.settings.write_text(own + ports)
    try:
        started = player.realm("start-all")
        assert started.returncode == 0, started.stderr
        live_a_while(player, workspace)
        yield player
    finally:
        player.realm("stop-all")


def live_a_while(player: Player, workspace: Workspace) -> None:
    """Until a run goes on that has trained a while, with examinations behind it and a file that waits."""
    with closing(open_database(workspace.database)) as db:
        events, metrics = Events(db), Metrics(db)

        def told(kind: str, key: str) -> list[Any]:
            return [getattr(recorded.fact, key) for recorded in events.since(kinds=[kind])]

        def trained() -> bool:
            latest = metrics.latest(CAMPAIGN)
            return latest is not None and latest.step >= told("run_started", "step")[-1] + STEPS

        def wait(condition: Callable[[], object], what: str) -> None:
            player.wait(condition, what, PATIENCE_SECONDS)

        drop(workspace, "times-tables.jsonl", sums("times", lambda a, b: a * b))
        wait(lambda: len(set(told("examination_taken", "step"))) >= EXAMINED_STEPS, "the examinations")
        wait(lambda: "times-tables.jsonl" in told("quest_completed", "name"), "the file to be trained")
        wait(lambda: len(told("run_started", "run")) > len(told("run_finished", "run")), "a run that goes on")
        wait(trained, "its steps")
        drop(workspace, "shopping-list.jsonl", "milk, bread, two lemons\n")
        drop(workspace, "high/sums-to-twelve.jsonl", sums("plus", lambda a, b: a + b))
        wait(lambda: "sums-to-twelve.jsonl" in told("quest_queued", "name"), "the dropped file")
        wait(lambda: "shopping-list.jsonl" in told("quest_rejected", "name"), "the refusal of the other")


def sums(word: str, answer: Callable[[int, int], int]) -> str:
    row = '{{"prompt": "What is {a} {word} {b}?", "completion": "{c}"}}\n'
    return "".join(row.format(a=a, word=word, b=b, c=answer(a, b)) for a in range(1, 13) for b in range(1, 13))


def drop(workspace: Workspace, name: str, content: str) -> None:
    (workspace.inbox / name).write_text(content, encoding="utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as running:
        yield running


@pytest.fixture
def look(browser: Browser, life: Player) -> Iterator[Open]:
    """Open a page of the running realm; the console may have said nothing by the end."""
    said: list[str] = []
    contexts = []

    def open_page(path: str, scheme: str = "dark", size: dict[str, int] = DESK, scale: int = 1) -> Page:
        context = browser.new_context(viewport=size, color_scheme=scheme, device_scale_factor=scale)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: said.append(m.text) if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda e: said.append(str(e)))
        page.goto(life.url + path)
        expect(page.locator("live-status")).to_have_class("live on", timeout=15_000)
        return page

    yield open_page
    assert said == []
    for context in contexts:
        context.close()


@pytest.fixture
def keep(browser: Browser, tmp_path: Path) -> Iterator[Keep]:
    """Take a picture; it must show something."""
    if KEPT:
        Path(KEPT).mkdir(parents=True, exist_ok=True)
    blank = browser.new_page()

    def take(page: Page, name: str, whole: bool = True) -> None:
        page.mouse.move(0, 0)
        page.evaluate(
            "(of) => document.querySelectorAll(of).forEach((it) => { it.style.visibility = 'hidden'; })", PASSING
        )
        page.wait_for_timeout(500)  # charts draw on the next frame, bars glide
        width, height, rgba = pixels(blank, page.screenshot(path=tmp_path / name, full_page=whole))
        assert width >= PHONE["width"] and height >= PHONE["height"]
        assert len(set(memoryview(rgba).cast("I"))) > 200, f"{name} shows next to nothing"
        if KEPT:
            (Path(KEPT) / name).write_bytes(picture := small_png(width, height, rgba))
            assert len(picture) < LARGEST_BYTES, f"{name} has {len(picture):,} bytes"

    yield take
    blank.close()


@pytest.mark.parametrize(("name", "path", "scheme"), [
    ("tavern.png", "/", "dark"), ("light.png", "/", "light"), ("lab.png", "/?skin=lab", "dark"),
])  # fmt: skip
def test_front_page(look: Open, keep: Keep, name: str, path: str, scheme: str) -> None:
    page = look(path, scheme)
    shows_the_hero(page)
    expect(page.locator("loss-chart canvas")).to_be_visible()
    expect(page.get_by_role("heading", name="Training run")).to_have_count(1 if "lab" in path else 0)
    shade = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    channels = [int(value) for value in re.findall(r"\d+", shade)[:3]]
    assert (min(channels) > 150) if scheme == "light" else (max(channels) < 100)
    keep(page, name)


def test_quests(look: Open, keep: Keep) -> None:
    page = look("/quests")
    expect(page.locator("#board")).to_contain_text("sums-to-twelve.jsonl")
    expect(page.locator("#board")).to_contain_text("times-tables.jsonl")
    expect(page.locator("#shelf-failed .why")).not_to_be_empty()
    keep(page, "quests.png")


def test_guild(look: Open, keep: Keep) -> None:
    page = look("/guild")
    expect(page.locator(".rung.g-frontier small")).to_have_text(A_FIGURE)
    expect(page.locator(".rung.g-frontier")).to_have_attribute("title", re.compile("unseen problems .95 % interval"))
    expect(page.locator(".prim .value").first).to_contain_text("n = ")
    expect(page.locator("accuracy-chart canvas")).to_be_visible()
    keep(page, "guild.png")


def test_campaigns(look: Open, keep: Keep) -> None:
    page = look("/campaigns")
    expect(page.locator("main")).to_contain_text(CAMPAIGN.campaign)
    keep(page, "campaigns.png")


def test_phone(look: Open, keep: Keep) -> None:
    for path in ("/quests", "/guild", "/campaigns", "/"):
        page = look(path, size=PHONE, scale=2 if path == "/" else 1)
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
    shows_the_hero(page)
    keep(page, "phone.png", whole=False)


def shows_the_hero(page: Page) -> None:
    """The name, the newest loss, and an examination that says on how many problems it rests."""
    expect(page.locator("#hero h2")).to_have_text("Hatchling")
    expect(page.locator(".r-loss dd")).to_have_text(A_FIGURE, timeout=15_000)
    expect(page.locator("#skill-bin .exam .fine").first).to_have_text(AN_INTERVAL)


def pixels(page: Page, png: bytes) -> tuple[int, int, bytes]:
    """Width, height and RGBA of a picture, as a browser reads it."""
    width, height, encoded = page.evaluate(
        """async (png) => {
          const bitmap = await createImageBitmap(await (await fetch("data:image/png;base64," + png)).blob());
          const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
          canvas.drawImage(bitmap, 0, 0);
          const reader = new FileReader();
          reader.readAsDataURL(new Blob([canvas.getImageData(0, 0, bitmap.width, bitmap.height).data]));
          await new Promise((done) => { reader.onload = done; });
          return [bitmap.width, bitmap.height, reader.result.split(",")[1]];
        }""",
        base64.b64encode(png).decode(),
    )
    return width, height, base64.b64decode(encoded)


def small_png(width: int, height: int, rgba: bytes) -> bytes:
    """A picture of flat areas and soft gradients in half the bytes: no filters, and one bit of each colour less."""
    rgb = bytearray(3 * width * height)
    for channel in range(3):
        rgb[channel::3] = rgba[channel::4].translate(bytes(value & 0xFE for value in range(256)))
    lines = b"".join(b"\0" + rgb[at : at + 3 * width] for at in range(0, len(rgb), 3 * width))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )
