"""The page shows a file of preferences before it is queued: both answers, as the report has them."""

from __future__ import annotations

import json
from pathlib import Path

from realm.quests.checks import validate
from realm.tavern.quest_view import preview


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
