"""Quests that teach nothing earn nothing, though they cost effort; a campaign that goes back goes on from there."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import pytest

from realm.events import VerdictGiven
from realm.guild.engine import SkillEngine
from realm.guild.practice import line_of
from realm.temple import rollback
from realm.temple.ledger import Verdict, VerdictLedger
from realm.vault.ledger import CheckpointLedger
from realm.workspace import Workspace
from tests.stories.conftest import SETTINGS, quest_lines
from tests.stories.test_loop import Story

pytestmark = pytest.mark.slow
HATCHLING = """
[campaign]
hero = "hatchling"
name = "story"

[heroes.hatchling.idle_generation]
enabled = false

[curriculum]
training_problems = 0
exam_max_new_tokens = 40

[passives]
max_new_tokens = 4
"""
ROWS = 4000
LETTERS = "abcdefghijklmnopqrstuvwxyz     "


def good_rows(count: int) -> list[dict[str, Any]]:
    """Short problems of the first levels with their answers, in a mixed order."""
    engine = SkillEngine()
    drawn = [p for level in (1, 2, 3) for p in engine.generate_batch("bin", level, count, "story")]
    rows = [json.loads(line_of(p)) for p in drawn if p.meta.get("difficulty") == "easy"]
    random.Random("order").shuffle(rows)
    return rows[:count]


def noise(count: int) -> list[dict[str, Any]]:
    draw = random.Random("noise")

    def text() -> str:
        return "".join(draw.choices(LETTERS, k=24)).strip() or "x"

    return [{"prompt": text(), "completion": text()} for _ in range(count)]


def shuffled(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same prompts and the same answers, each answer under another prompt."""
    answers = [row["completion"] for row in rows]
    random.Random("answers").shuffle(answers)
    return [{**row, "completion": answer} for row, answer in zip(rows, answers, strict=True)]


def leaked() -> list[dict[str, Any]]:
    problems = SkillEngine().generate_eval_batch("bin", 1, 100)
    return [{"prompt": p.prompt, "completion": p.answer} for p in problems] * 4


def test_bad_data_earns_almost_nothing(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    home.settings.write_text(HATCHLING)
    good = good_rows(ROWS)
    files = {
        "good": good, "noise": noise(ROWS // 2), "duplicates": [{**good[0], "id": i} for i in range(ROWS // 2)],
        "shuffled": shuffled(good[: ROWS // 2]), "leaked": leaked(),
    }  # fmt: skip
    verdicts: dict[str, Verdict] = {}
    with Story(home) as story:
        for number, (name, rows) in enumerate(files.items(), 1):
            (home.inbox / f"{name}.jsonl").write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows))
            fact = story.until("verdict_given", number, seconds=400)[-1]
            assert isinstance(fact, VerdictGiven)
            found = VerdictLedger(story.realm.db, story.realm.events).find(story.realm.key, fact.run)
            assert found is not None and found.evidence["quest_name"] == f"{name}.jsonl"
            verdicts[name] = found
    with capsys.disabled():
        print("\n  temple: " + "; ".join(
            f"{name} {v.word}, effort {v.effort:.0f}, experience {v.experience:.2f}" for name, v in verdicts.items()
        ), end="")  # fmt: skip
    earned = verdicts["good"].experience
    assert earned > 1 and verdicts["good"].recommendation == "promote"
    for name in ("noise", "duplicates", "shuffled", "leaked"):
        assert verdicts[name].experience < 0.1 * earned, name
    assert verdicts["noise"].effort > verdicts["good"].effort / 4, "it cost effort"
    assert verdicts["leaked"].recommendation == "roll_back" and verdicts["leaked"].experience == 0


def test_a_campaign_that_goes_back_goes_on_from_the_good_checkpoint(home: Workspace) -> None:
    home.settings.write_text(SETTINGS.replace("save_steps = 5", "save_steps = 500"))
    (home.inbox / "one.jsonl").write_text(quest_lines("oak", 60))
    with Story(home) as story:
        story.until("verdict_given")
        ledger = CheckpointLedger(story.realm.db, story.realm.events)
        first = ledger.newest(story.realm.key)
        assert first is not None
        (home.inbox / "two.jsonl").write_text(quest_lines("ash", 60))
        story.until("verdict_given", 2)
        assert (ledger.newest(story.realm.key) or first).step > first.step
        rollback.ask(home, first)
        story.until("campaign_rolled_back")
        story.wait(lambda: [] if story.loop.engine.progress.step == first.step else None, "the hero to stand there")
        (home.inbox / "three.jsonl").write_text(quest_lines("elm", 60))
        story.until("verdict_given", 3)
        newest = ledger.newest(story.realm.key)
        assert newest is not None and newest.parent == first.id
        assert [r.state for r in ledger.list(story.realm.key) if r.step > newest.step] in ([], ["quarantined"])
    assert len(list((home.quarantine / "hatchling" / "story").glob("*.reason.txt"))) == 1
