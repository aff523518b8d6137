"""Every route: what it shows, what it refuses, and that nothing a person or a model wrote becomes markup."""

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from realm.config.schema import PageSettings, QuestSettings, RealmSettings
from realm.db import Database
from realm.events import BlockerRaised, QuestRejected
from realm.guild.curriculum import Mix
from realm.guild.engine import SkillEngine
from realm.guild.passives.sets import problems
from realm.quests.checks import Validation, validate
from realm.records import Progress
from realm.tavern import app as tavern
from realm.tavern.hero_view import PORTRAITS
from realm.tavern.pages import STATIC
from realm.tavern.quest_view import preview
from realm.vault.ledger import CheckpointLedger
from realm.vault.manifest import ManifestFacts, assemble
from realm.workspace import Workspace
from tests.tavern.demo import Demo

ROW = b'{"prompt": "What?", "completion": "That."}\n'
HOSTILE = '<img src=x onerror="alert(1)">&\'.jsonl'


def upload(page: TestClient, body: bytes, name: str = "mine.jsonl") -> str:
    """Send a file for preview. Returns the fragment."""
    answer = page.post("/quests/preview", params={"name": name}, content=body)
    assert answer.status_code == 200, answer.text
    return answer.text


def token_of(fragment: str) -> str:
    return fragment.split("/quests/uploads/")[1].split("/")[0]


@pytest.mark.parametrize("path", ["/", "/quests", "/guild", "/campaigns", "/temple"])
def test_pages_stand_before_anything_happened(page: TestClient, path: str) -> None:
    answer = page.get(path)
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy
    assert "<script>" not in answer.text and " style=" not in answer.text and " onclick=" not in answer.text


def test_pages_link_only_to_pages_that_stand(page: TestClient) -> None:
    html = page.get("/").text
    links = {part.split('"')[0] for part in html.split('href="')[1:]}
    for link in sorted(link for link in links if link.startswith("/") and not link.startswith("/static")):
        assert page.get(link).status_code == 200, link


@pytest.mark.parametrize("path", ["/", "/quests", "/guild", "/campaigns", "/temple"])
def test_all_static_files_that_a_page_names_are_there(page: TestClient, path: str) -> None:
    for part in page.get(path).text.split('"/static/')[1:]:
        assert page.get("/static/" + part.split('"')[0]).status_code == 200, part[:60]


def test_the_lab_skin_shows_plain_words_and_is_remembered(page: TestClient) -> None:
    assert "Battle" in page.get("/").text
    plain = page.get("/?skin=lab").text
    assert "Training run" in plain and "Battle" not in plain and "hatchling looking out" not in plain
    assert "Training run" in page.get("/").text
    assert "Battle" in page.get("/?skin=realm").text
    assert page.get("/?skin=gold").status_code == 422


def test_the_skin_is_also_a_setting(workspace: Workspace, db: Database, demo: Demo) -> None:
    settings = demo.settings.model_copy(update={"page": PageSettings(skin="lab", theme="light")})
    with TestClient(tavern.create(workspace, settings, db, demo.events), base_url="http://localhost") as page:
        html = page.get("/").text
    assert 'data-skin="lab"' in html and 'data-theme="light"' in html


def test_the_theme_cookie_wins_unless_it_is_nonsense(page: TestClient) -> None:
    page.cookies.set("realm_theme", "dark")
    assert 'data-theme="dark"' in page.get("/").text
    page.cookies.set("realm_theme", '"><script>')
    assert 'data-theme="auto"' in page.get("/").text


def page_of(hero: str, demo: Demo, **profile: str) -> tuple[str, str]:
    """The front page and the colours of a campaign of that hero."""
    settings = demo.settings
    changed = settings.heroes[hero].model_copy(update=profile)
    settings = settings.model_copy(
        update={"campaign": settings.campaign.model_copy(update={"hero": hero}),
                "heroes": {**settings.heroes, hero: changed}}
    )  # fmt: skip
    app = tavern.create(demo.workspace, settings, demo.db, demo.events)
    with TestClient(app, base_url="http://localhost") as page:
        colours = page.get("/hero.css")
        assert colours.headers["content-type"].startswith("text/css")
        return page.get("/").text, colours.text


@pytest.mark.parametrize(("hero", "drawn"), [
    ("hatchling", "a hatchling looking out"), ("smol", "a small owl"), ("DIO", "a coat of arms"),
])  # fmt: skip
def test_a_hero_has_its_portrait_and_its_colour(demo: Demo, hero: str, drawn: str) -> None:
    html, colours = page_of(hero, demo)
    assert drawn in html and '<link rel="stylesheet" href="/hero.css">' in html
    assert colours == f":root {{ --hero-color: {demo.settings.heroes[hero].color}; }}\n"


def test_a_hero_without_portrait_and_colour_bears_its_initial(demo: Demo) -> None:
    html, colours = page_of("DIO", demo, display_name="<zelda>", portrait="../home", color="")
    assert ">&lt;</text>" in html and "a coat of arms" in html
    assert colours == ""


def test_personal_bests_stay_when_a_level_is_lost(page: TestClient, demo: Demo) -> None:
    demo.guild.begin(demo.key, demo.settings.campaign)
    assert "Newcomer" in page.get("/").text and "Beginner in Binary arithmetic" in page.get("/guild").text
    for accuracy in (0.9, 0.95, 0.9):
        demo.train(50)
        demo.examine({1: accuracy})
    assert "Student of Binary arithmetic" in page.get("/").text
    for _ in range(demo.settings.curriculum.unmaster_after):
        demo.train(50)
        demo.examine({1: 0.1})
    assert demo.guild.levels(demo.key)["bin"] == 0
    home, guild = page.get("/").text, page.get("/guild").text
    assert "level <b>0</b> of 30, once 1" in home and "of 30 levels, once 1" in guild
    assert "Beginner in Binary arithmetic" in home
    assert "BIN level 1, n = 100, 95 % interval 89\u202f% – 98\u202f%" in home


def test_every_portrait_is_drawn() -> None:
    drawings = {file.stem for file in (STATIC.parent / "templates" / "fragments" / "portraits").iterdir()}
    assert drawings == {*PORTRAITS, "crest"}


def test_controls_leave_requests(page: TestClient, workspace: Workspace) -> None:
    for name in ("pause", "skip", "stop"):
        assert page.post(f"/control/{name}").status_code == 204
    assert workspace.requests() == {"pause", "skip", "stop"}
    assert page.post("/control/resume").status_code == 204
    assert workspace.requests() == {"skip"}
    assert page.post("/control/explode").status_code == 422


def test_a_skip_is_meant_for_the_quest_that_the_page_showed(page: TestClient, workspace: Workspace) -> None:
    assert page.post("/control/skip?quest=alder-1").status_code == 204
    assert workspace.is_meant("skip", "alder-1") and not workspace.is_meant("skip", "birch-2")


def test_foreign_pages_may_not_change_anything(page: TestClient, demo: Demo) -> None:
    quest = demo.quest("a.jsonl")
    for path in ("/control/pause", "/quests/preview", f"/quests/{quest}/delete", f"/quests/{quest}/retry",
                 f"/quests/{quest}/priority", f"/quests/uploads/{'0' * 32}/add"):  # fmt: skip
        answer = page.post(path, headers={"Origin": "http://evil.example"}, content=b"x")
        assert (answer.status_code, answer.json()["error"]["type"]) == (403, "foreign_origin"), path
    assert demo.workspace.requests() == set()
    assert page.get("/", headers={"Host": "evil.example"}).status_code == 400


def test_nothing_changes_on_get(page: TestClient) -> None:
    assert page.get("/control/pause").status_code == 405


def test_preview_shows_the_trained_part_before_anything_is_queued(page: TestClient, demo: Demo) -> None:
    fragment = upload(page, ROW * 3)
    assert "<mark>That.</mark>" in fragment and "Fit for training" in fragment
    assert demo.queue.list() == [] and not [p for p in demo.workspace.inbox.glob("*.jsonl")]


def test_a_preview_counts_rows_with_a_canary(page: TestClient) -> None:
    row = {"prompt": problems("arithmetic")[0].prompt, "completion": "No."}
    assert "1 rows hold a canary" in upload(page, ROW + json.dumps(row).encode() + b"\n")


def test_an_upload_goes_to_the_inbox_with_its_name_and_priority(page: TestClient, demo: Demo) -> None:
    token = token_of(upload(page, ROW, "../../etc/päss wd.jsonl"))
    answer = page.post(f"/quests/uploads/{token}/add", data={"priority": "high"})
    assert "said" in json.loads(answer.headers["HX-Trigger"])
    files = [p for p in (demo.workspace.inbox / "high").iterdir() if p.suffix == ".jsonl"]
    assert [p.read_bytes() for p in files] == [ROW]
    assert not list(demo.workspace.inbox.glob(".upload-*"))
    quest = demo.queue.add(files[0], "high")
    assert quest.rows == 1 and ".." not in quest.path.name
    assert page.post(f"/quests/uploads/{token}/add", data={"priority": "high"}).status_code == 404


def test_findings_of_deep_validation_are_shown_with_their_lines(demo: Demo) -> None:
    row = {"prompt": "Who are you?", "completion": "Who are you?"}
    path = demo.workspace.root / "echo.jsonl"
    path.write_bytes(ROW + json.dumps(row).encode())
    shown = preview(json.loads(json.dumps(validate(path, Validation(level="deep")).as_json())))
    assert ("Rows, echo", "1") in shown.figures and shown.more_findings == 0
    assert [(f.line, f.what) for f in shown.findings] == [(2, "answers with the question itself.")]


def test_the_page_shows_findings(workspace: Workspace, db: Database, demo: Demo) -> None:
    settings = demo.settings.model_copy(update={"quests": QuestSettings(validation="deep")})
    app = tavern.create(workspace, settings, db, demo.events)
    with TestClient(app, base_url="http://localhost", headers={"Origin": "http://localhost"}) as page:
        fragment = upload(page, ROW + ROW.replace(b"That.", b"That.<|im_end|>"))
        problem = SkillEngine().generate_eval_batch("bin", 3)[0]
        leaked = upload(page, json.dumps({"prompt": problem.prompt, "completion": "?"}).encode())
    assert "holds &lt;|im_end|&gt;, a mark of a chat template." in fragment and "Findings in rows" in fragment
    assert "v-unfit" in leaked and "holds a question of the examination of Binary arithmetic" in leaked


def test_an_upload_can_be_discarded(page: TestClient, demo: Demo) -> None:
    token = token_of(upload(page, ROW))
    assert page.post(f"/quests/uploads/{token}/discard").status_code == 200
    assert not [p for p in demo.workspace.inbox.iterdir() if p.is_file()]
    assert page.post(f"/quests/uploads/{token}/discard").status_code == 404


@pytest.mark.parametrize("token", ["..%2f..%2frealm", "nothing", "0" * 32])
def test_a_token_is_never_a_path(page: TestClient, token: str) -> None:
    assert page.post(f"/quests/uploads/{token}/discard").status_code == 404


def test_an_unfit_file_is_said_to_be_and_cannot_be_added(page: TestClient) -> None:
    fragment = upload(page, b"\x00\x01 not json\n")
    assert "v-unfit" in fragment and "disabled" in fragment
    assert "v-unfit" in upload(page, b"")
    mended = upload(page, ROW * 200 + b'{"prompt": \n')
    assert "v-mended" in mended and "line" in mended


def test_a_file_above_the_limit_leaves_nothing(workspace: Workspace, db: Database, demo: Demo) -> None:
    settings = demo.settings.model_copy(update={"quests": QuestSettings(max_upload_bytes=1000)})
    app = tavern.create(workspace, settings, db, demo.events)
    with TestClient(app, base_url="http://localhost", headers={"Origin": "http://localhost"}) as page:
        answer = page.post("/quests/preview", params={"name": "big.jsonl"}, content=ROW * 100)
    assert answer.status_code == 422 and "larger than 1,000 bytes" in answer.json()["error"]["message"]
    assert not list(workspace.inbox.glob(".upload-*"))


def test_forgotten_uploads_are_swept_at_start(demo: Demo, page: TestClient) -> None:
    import os

    upload(page, ROW)
    for path in demo.workspace.inbox.glob(".upload-*"):
        os.utime(path, (1, 1))
    with TestClient(tavern.create(demo.workspace, demo.settings, demo.db, demo.events), base_url="http://localhost"):
        pass
    assert not list(demo.workspace.inbox.glob(".upload-*"))


def test_the_queue_can_be_put_in_order(page: TestClient, demo: Demo) -> None:
    quest = demo.quest("a.jsonl")
    assert page.post(f"/quests/{quest}/priority", data={"priority": "high"}).status_code == 204
    assert demo.queue.get(quest).state == "high"
    assert page.post(f"/quests/{quest}/priority", data={"priority": "highest"}).status_code == 422
    assert page.post(f"/quests/{quest}/delete").status_code == 204
    assert demo.queue.get(quest).outcome == "removed"
    assert page.post(f"/quests/{quest}/retry").status_code == 204
    assert demo.queue.get(quest).state == "high"
    answer = page.post(f"/quests/{quest}/retry")
    assert answer.status_code == 422 and answer.json()["error"]["hint"]


def test_a_quest_shows_its_report(page: TestClient, demo: Demo) -> None:
    report = page.get(f"/quests/{demo.quest('a.jsonl')}").text
    assert "<mark>" in report and "Fit for training" in report and "Add to the queue" not in report
    assert page.get("/quests/nothing").status_code == 422


def test_hostile_words_are_never_markup(page: TestClient, demo: Demo) -> None:
    body = json.dumps({"prompt": "<script>alert(1)</script>", "completion": "</mark><script>x</script>"}) + "\n"
    fragment = upload(page, body.encode(), HOSTILE)
    quest = demo.quest("x.jsonl", text=body)
    demo.events.append(
        QuestRejected(quest="q", name=HOSTILE, reason="<script>reason</script>"),
        BlockerRaised(blocker='"><script>', trying="<b>", why="<script>why</script>", fix="<i>"),
    )
    html = page.get("/").text
    for text in (fragment, html, page.get("/quests").text, page.get(f"/quests/{quest}").text):
        for bad in ("<img src=x", "<script>alert", "<script>x", "<script>reason", "<script>why"):
            assert bad not in text
    assert "&lt;script&gt;reason" in html


def test_the_body_limit_holds_elsewhere(page: TestClient) -> None:
    assert page.post("/control/pause", content=b"x" * 11_000_000).status_code == 413


def test_numbers_appear_with_their_definitions(demo: Demo, settings: RealmSettings) -> None:
    demo.train(60)
    app = tavern.create(demo.workspace, settings, demo.db, demo.events)
    with TestClient(app, base_url="http://localhost") as page:
        html = page.get("/").text
    for stat in ("xp", "level", "title", "attack", "defence", "accuracy", "gold", "effort"):
        assert f'popovertarget="def-{stat}"' in html and f'id="def-{stat}"' in html


def test_vendored_files_have_their_licences(page: TestClient) -> None:
    vendor = Path(tavern.__file__).parent / "static" / "vendor"
    fonts = ("fonts/geist", "fonts/grenze", "fonts/noto-circled-digits")
    for name in ("htmx", "htmx-ext-sse", "idiomorph", "uPlot", *fonts):
        assert (vendor / f"{name}.LICENSE").stat().st_size > 300


def test_the_best_checkpoint_is_written_with_its_comma(page: TestClient, demo: Demo) -> None:
    for step, written in ((40, "step 40, 90"), (1250, "step 1\u202f250, 95")):
        progress = Progress(step=step)
        facts = ManifestFacts(hero=demo.key.hero, campaign=demo.key.campaign, progress=progress)
        ledger = CheckpointLedger(demo.db, demo.events)
        record = ledger.register(assemble(facts, {}), demo.workspace.root / str(step))
        ledger.examined(record.id, 0.9 if step == 40 else 0.95, {"n": 100})
        assert written in page.get("/").text


def test_the_page_advises_what_the_newest_practice_was_planned_by(page: TestClient, demo: Demo) -> None:
    demo.guild.begin(demo.key, demo.settings.campaign)
    assert "Advice comes with the first practice." in page.get("/").text
    demo.train(30)
    mix = Mix({("bin", 1): 1.0}, "because")
    demo.guild.record_practice(demo.key, "a-quest", step=demo.step, rows=10, mix=mix, advice={"bin": "level_up"})
    assert "This has become easy: practice reaches higher." in page.get("/").text
