"""A campaign whose run is undone goes on from the good checkpoint, in the hero's own day."""

from __future__ import annotations

import pytest

from realm.temple import rollback
from realm.vault.ledger import CheckpointLedger
from realm.workspace import Workspace
from tests.stories.conftest import SETTINGS, quest_lines
from tests.stories.test_loop import Story

pytestmark = pytest.mark.slow


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
