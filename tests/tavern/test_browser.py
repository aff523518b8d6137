"""The page in a real browser, while a campaign goes on behind it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from realm.events import StepsReached
from realm.guild.awards import AwardLedger
from realm.temple.verdicts import Verdicts
from tests.chromium import IN_A_BROWSER, launched
from tests.tavern.conftest import Server
from tests.tavern.demo import Demo

pytestmark = IN_A_BROWSER

EXPECTED = re.compile("ERR_|\\[object Event\\]|status of 422|Response Status Error Code 422|htmx:sseError")
"""What a browser says by itself when a server is gone or refuses: both are done on purpose here."""

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as running:
        yield running


@pytest.fixture
def look(browser: Browser, server: Server) -> Iterator[Open]:
    """Open a page; at the end no console error may have been seen on any."""
    contexts: list[BrowserContext] = []
    said: list[str] = []

    def open_page(path: str = "/", width: int = 1440, scheme: str = "dark", motion: str = "no-preference") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            reduced_motion=motion,  # type: ignore[arg-type]
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda m: said.append(m.text) if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda e: said.append(str(e)))
        page.goto(server.url + path)
        expect(page.locator("live-status")).to_have_class("live on")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [line for line in said if not EXPECTED.search(line)] == []


@pytest.mark.parametrize("width", [390, 820, 1000, 1440])
@pytest.mark.parametrize("path", ["/", "/quests", "/guild", "/temple"])
def test_no_width_scrolls_sideways(look: Open, path: str, width: int) -> None:
    page = look(path, width)
    page.wait_for_timeout(400)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_battle_goes_on_before_ones_eyes(look: Open, told: Demo) -> None:
    page = look()
    expect(page.locator("loss-chart canvas")).to_be_visible()
    before = page.locator("#stat-xp .value").inner_text()
    told.train(30)
    expect(page.locator("#stat-xp .value")).not_to_have_text(before)
    expect(page.locator("damage-float b")).to_have_count(1)


def test_pause_and_resume_are_requests(look: Open, told: Demo) -> None:
    page = look()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    assert told.workspace.requests() == {"pause"}
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    assert told.workspace.requests() == set()


def test_skip_asks_first(look: Open, told: Demo) -> None:
    page = look()
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Skip").click()
    assert told.workspace.requests() == set()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Skip").click()
    expect(page.locator(".asked")).to_contain_text("skip")
    told.workspace.withdraw("skip")


def test_a_number_opens_its_definition_and_stays_open(look: Open, told: Demo) -> None:
    page = look()
    page.locator("#stat-attack").focus()
    page.keyboard.press("Enter")
    definition = page.locator("#def-attack")
    expect(definition).to_be_visible()
    told.train(10)
    page.wait_for_timeout(900)
    expect(definition).to_be_visible()
    page.keyboard.press("Escape")
    expect(definition).to_be_hidden()
    assert page.evaluate("document.activeElement.id") == "stat-attack"


def test_a_dropped_file_is_shown_then_queued(look: Open, told: Demo) -> None:
    page = look("/quests")
    row = json.dumps({"prompt": "<b>Say hi</b>", "completion": "hi there"}) + "\n"
    page.evaluate(
        """(text) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([text], "dropped <i>.jsonl"));
          document.querySelector("drop-zone label").dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }""",  # noqa: E501
        row * 3,
    )
    expect(page.locator("#preview mark").first).to_have_text("hi there")
    expect(page.locator("#preview")).to_contain_text("dropped <i>.jsonl")
    page.locator("#preview select").select_option("high")
    page.get_by_role("button", name="Add to the queue").click()
    expect(page.locator(".toast")).to_contain_text("goes to the inbox")
    arrived = [p for p in (told.workspace.inbox / "high").iterdir() if p.suffix == ".jsonl"]
    assert len(arrived) == 1
    told.queue.add(arrived[0], "high")
    expect(page.locator("#shelf-high")).to_contain_text("dropped <i>.jsonl")


def test_a_chosen_file_that_is_unfit_cannot_be_queued(look: Open) -> None:
    page = look("/quests")
    page.set_input_files("drop-zone input", {"name": "x.jsonl", "mimeType": "text/plain", "buffer": b"nonsense\n"})
    expect(page.locator(".v-unfit")).to_be_visible()
    expect(page.get_by_role("button", name="Add to the queue")).to_be_disabled()
    page.get_by_role("button", name="Discard").click()
    expect(page.locator(".v-unfit")).to_have_count(0)


def test_the_queue_is_put_in_order_by_hand(look: Open, told: Demo) -> None:
    quest = told.quest("order-me.jsonl", 3)
    page = look("/quests")
    page.get_by_label("Priority of order-me.jsonl").select_option("low")
    expect(page.locator("#shelf-low")).to_contain_text("order-me.jsonl")
    page.get_by_label("Report and examples of order-me.jsonl").click()
    expect(page.locator("dialog mark").first).to_be_visible()
    page.get_by_label("Close").click()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_label("Remove order-me.jsonl").click()
    expect(page.locator("#shelf-failed")).to_contain_text("order-me.jsonl")
    page.get_by_label("Try order-me.jsonl again").click()
    expect(page.locator("#shelf-low")).to_contain_text("order-me.jsonl")
    told.queue.remove(quest)


def test_a_refusal_is_said_in_words(look: Open, told: Demo) -> None:
    quest = told.quest("too-late.jsonl", 2)
    page = look("/quests")
    select = page.get_by_label("Priority of too-late.jsonl")
    page.route(re.compile("/priority$"), lambda route: route.continue_(url=route.request.url.replace(quest, "gone")))
    select.select_option("high")
    expect(page.locator(".toast.bad")).to_contain_text("There is no quest")
    told.queue.remove(quest)


def test_the_theme_is_chosen_and_kept(look: Open) -> None:
    page = look()
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    toggle = page.locator("theme-toggle button")
    toggle.click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    toggle.click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != dark
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_the_card_has_the_hero_s_colour(look: Open, told: Demo) -> None:
    page = look()
    accent = "(of) => getComputedStyle(document.querySelector(of)).getPropertyValue('--hero-color')"
    assert page.evaluate(accent, ".hero").strip() == told.settings.heroes["hatchling"].color
    ring = "(of) => getComputedStyle(document.querySelector(of)).stroke"
    assert page.evaluate(ring, ".r-value") != page.evaluate(ring, ".sigil")


def test_the_skin_is_chosen_and_kept(look: Open) -> None:
    page = look()
    page.get_by_label("Show plain words").click()
    expect(page.locator("h2", has_text="Training run")).to_be_visible()
    page.locator("nav a").nth(2).click()
    expect(page.locator("h1")).to_have_text("Skills")


def test_the_guild_draws_what_was_examined(look: Open, told: Demo) -> None:
    page = look("/guild")
    expect(page.locator("accuracy-chart canvas")).to_be_visible()
    expect(page.locator(".rung.g-mastered")).to_have_count(told.guild.levels(told.key)["bin"])
    expect(page.locator(".rung.g-frontier")).to_have_count(1)
    expect(page.locator("#prims-bin .prim").first).to_be_visible()


def test_all_that_can_be_pressed_has_a_name_and_a_visible_focus(look: Open) -> None:
    for path in ("/", "/quests", "/guild", "/temple"):
        page = look(path)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll("button, a[href], select, input")].filter((e) =>
              !(e.textContent.trim() || e.getAttribute("aria-label") || e.title)).map((e) => e.outerHTML)"""
        )
        assert nameless == []
        page.keyboard.press("Tab")
        expect(page.locator(".skip-link")).to_be_focused()
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_reduced_motion_is_still(look: Open) -> None:
    page = look(motion="reduce")
    assert page.evaluate("document.getAnimations().length") == 0


def test_the_page_finds_its_server_again(look: Open, server: Server, told: Demo) -> None:
    page = look()
    server.stop()
    expect(page.locator("live-status")).to_have_class("live off")
    server.start()
    expect(page.locator("live-status")).to_have_class("live on", timeout=20_000)
    page.wait_for_load_state()
    expect(page.locator("loss-chart canvas")).to_be_visible()
    before = page.locator("#stat-xp .value").inner_text()
    told.train(5)
    expect(page.locator("#stat-xp .value")).not_to_have_text(before)


def test_screenshots(look: Open, told: Demo, tmp_path: Path) -> None:
    """Each page can be pictured in both themes and on a phone."""
    told.train(20, now=time.time())
    for scheme in ("dark", "light"):
        for path in ("/", "/quests", "/guild", "/temple"):
            shot = tmp_path / f"{path.strip('/') or 'home'}-{scheme}.png"
            page = look(path, scheme=scheme)
            page.wait_for_timeout(300)
            page.screenshot(path=shot, full_page=True)
            assert shot.stat().st_size > 20_000


@pytest.mark.parametrize("rows", [
    [[1, 0.5, 0.5, 0.5, None]],
    [[1, 0.0, 0.0, 0.0, None], [2, 0.0, 0.0, 0.0, 0.0]],
    [[i, 0.1003 + i / 9973, 0.1001, 0.13, None] for i in range(1, 300)],
    [[1, 9.7e5, 1e-9, 3e9, 2.0], [2, 1e-7, 1e-9, 1.0, None]],
    [[i, 0.0613 * (1 + i / 7), 0.0609, 0.5, None] for i in range(1, 40)],
])  # fmt: skip
def test_no_loss_breaks_the_chart(look: Open, rows: list[list[float | None]]) -> None:
    page = look()
    page.evaluate("(rows) => document.dispatchEvent(new CustomEvent('realm:series', {detail: {rows}}))", rows)
    page.locator("[data-scale]").click()
    page.locator("[data-scale]").click()
    page.mouse.move(900, 500)
    expect(page.locator("loss-chart canvas")).to_be_visible()


def test_an_achievement_is_said_in_the_corner_and_shown_on_its_page(look: Open, told: Demo) -> None:
    home, guild = look(), look("/guild")
    expect(guild.locator("#deed-steps_100")).not_to_have_class(re.compile("earned"))
    told.events.append(StepsReached(step=100, hero_level=0, **told.names))
    AwardLedger(told.db, told.events, told.guild.rules).catch_up(told.key)
    expect(home.locator(".toast", has_text="Out of the nest")).to_be_visible()
    expect(guild.locator("#deed-steps_100")).to_have_class(re.compile("earned"))


def test_a_verdict_appears_and_a_group_is_looked_at(look: Open, told: Demo) -> None:
    page = look("/temple")
    page.locator("#look-skills").click()
    expect(page.locator("#group-skills .finding")).to_have_count(3)
    expect(page.locator("#group-skills .finding.f-ok").first).to_be_visible()
    before = page.locator("article.weighed").count()
    verdict = Verdicts(told.workspace, told.settings, told.db, told.events).weigh(told.key, end_step=told.step)
    expect(page.locator("article.weighed")).to_have_count(max(1, before))
    expect(page.locator("article.weighed").first).to_contain_text(f"{verdict.quality:.0%}".rstrip("%"))
    expect(page.locator("#group-skills .finding")).to_have_count(3)
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.locator("article.weighed button").last.click()
    assert told.workspace.request_text("roll-back") is None, "a person who says no has asked for nothing"
