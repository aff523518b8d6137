"""The page says why a practice quest has its mix, and what pauses practice."""

from __future__ import annotations

import json

from fastapi.testclient import TestClient

from realm.events import BlockerRaised
from realm.guild.own_practice import BLOCKER
from tests.tavern.demo import Demo


def test_a_practice_quests_report_tells_of_its_plan(demo: Demo, page: TestClient) -> None:
    about = {
        "source": "practice",
        "reason": "Strategy uniform. <bin>: equal shares of levels 1, 2.",
        "parameters": {"mix": {"bin/1": 0.5, "bin/2": 0.5}},
        "grounding": [{"name": "notes.jsonl", "rows": [1, 2, 3]}],
    }
    (demo.workspace.inbox / "practice-0.jsonl.meta.json").write_text(json.dumps(about))
    quest = demo.quest("practice-0.jsonl", source="practice")
    report = page.get(f"/quests/{quest}").text
    assert "Strategy uniform. &lt;bin&gt;: equal shares of levels 1, 2." in report
    assert "bin/1 50%, bin/2 50%" in report and "3 of notes.jsonl" in report
    assert "Real rows" in report
    plain = page.get(f"/quests/{demo.quest('poems.jsonl')}").text
    assert "Real rows" not in plain and "Strategy" not in plain


def test_a_pause_of_practice_stands_on_every_page(demo: Demo, page: TestClient) -> None:
    why = "100 problems for practice of bin level 1 held 1 different ones."
    demo.events.append(
        BlockerRaised(blocker=BLOCKER, trying="making practice", why=why, fix="realm practice resume", **demo.names)
    )
    for path in ("/", "/quests", "/guild"):
        assert why in page.get(path).text and "realm practice resume" in page.get(path).text
