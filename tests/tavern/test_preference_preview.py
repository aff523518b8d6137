"""The page shows a file of preferences before it is queued: both answers, as the report has them."""

from __future__ import annotations

import json
from pathlib import Path

from fastapi.testclient import TestClient

from realm.quests.checks import validate
from realm.tavern.quest_view import preview
from tests.tavern.demo import Demo


def test_a_preview_shows_both_answers(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(
        "".join(json.dumps({"prompt": f"{i}?", "chosen": "<b>yes", "rejected": "no"}) + "\n" for i in range(4))
    )
    shown = preview(validate(file).as_json())
    assert (shown.verdict, dict(shown.figures)["Shape"]) == ("fit", "preference")
    text = "".join(piece.text for piece in shown.examples[0].segments)
    assert "chosen:" in text and "<b>yes" in text and "rejected:" in text and text.index("yes") < text.index("no\n")
    assert "Each row becomes a prompt with a chosen and a rejected answer." in shown.summary


def test_an_upload_of_pairs_is_shown_and_queued_with_its_method(page: TestClient, demo: Demo) -> None:
    rows = [{"prompt": f"{i}?", "chosen": "<b>yes", "rejected": "no"} for i in range(9)]
    body = "".join(json.dumps(row) + "\n" for row in rows)
    answer = page.post("/quests/preview", params={"name": "pairs.jsonl"}, content=body.encode())
    assert answer.status_code == 200 and "&lt;b&gt;yes" in answer.text and "<b>yes" not in answer.text
    quest = demo.queue.get(demo.quest("pairs.jsonl", text=body))
    assert (quest.state, quest.method) == ("normal", "dpo")
    assert "· dpo" in page.get("/quests").text
