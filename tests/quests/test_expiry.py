"""Quests of a hero's own mistakes go out of date: they are filed away with the reason, never trained, never deleted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from realm.db import Database
from realm.events import Events, QuestExpired
from realm.quests.inbox import deliver
from realm.quests.queue import Quest, QuestQueue
from realm.records import CampaignKey
from realm.workspace import Workspace

KEY = CampaignKey("hatchling", "first-light")
Write = Callable[..., Path]


def spar(workspace: Workspace, queue: QuestQueue, step: int) -> Quest:
    about = {"source": "sparring", "method": "sparring", "checkpoint": f"{KEY}@{step}", "skill": "bin", "level": 2}
    row = json.dumps({"prompt": f"{step} true?", "completion": "check:00\ntrue"}) + "\n"
    path = deliver(workspace, f"sparring-{step}.jsonl", [row.encode()], priority="high", meta=about)
    return queue.add(path)


def of_step_5(about: Mapping[str, Any]) -> str:
    return "Its time is over." if about["checkpoint"].endswith("@5") else ""


def test_a_sparring_quest_waits_with_high_priority_and_keeps_its_source(
    workspace: Workspace, queue: QuestQueue
) -> None:
    quest = spar(workspace, queue, 5)
    assert (quest.state, quest.source, quest.method, quest.skill, quest.level) == (
        "high",
        "sparring",
        "sparring",
        "bin",
        2,
    )


def test_an_outdated_quest_is_filed_away_with_a_fact(workspace: Workspace, queue: QuestQueue, db: Database) -> None:
    old, fresh = spar(workspace, queue, 5), spar(workspace, queue, 6)
    assert queue.expire(of_step_5, KEY) == [old.id]
    filed = queue.get(old.id)
    assert (filed.state, filed.outcome, filed.reason) == ("recently_completed", "expired", "Its time is over.")
    assert filed.path.read_bytes() and filed.path.with_name(filed.path.name + ".meta.json").is_file()
    told = [r.fact for r in Events(db).since() if isinstance(r.fact, QuestExpired)]
    assert told == [QuestExpired(quest=old.id, name=old.name, reason="Its time is over.", hero=KEY.hero,
                                 campaign=KEY.campaign)]  # fmt: skip
    assert queue.expire(of_step_5, KEY) == [], "told once"
    claimed = queue.claim()
    assert claimed and claimed.id == fresh.id and queue.claim() is None


def test_what_people_bring_and_what_is_in_training_never_expires(
    workspace: Workspace, queue: QuestQueue, drop: Write
) -> None:
    queue.add(drop("mine.jsonl"))
    in_training = spar(workspace, queue, 5)
    assert queue.claim(in_training.id)
    assert queue.expire(lambda about: "old", KEY) == []
    assert queue.counts()["normal"] == queue.counts()["active"] == 1


def test_the_mistakes_of_another_campaign_wait_for_that(workspace: Workspace, queue: QuestQueue) -> None:
    other = CampaignKey("hatchling", "second-light")
    about = {"source": "sparring", "checkpoint": f"{other}@5", "hero": other.hero, "campaign": other.campaign}
    row = b'{"prompt": "5 true?", "completion": "check:00"}\n'
    theirs = queue.add(deliver(workspace, "sparring-5.jsonl", [row], priority="high", meta=about))
    assert queue.expire(lambda about: "none of mine", KEY) == []
    assert queue.get(theirs.id).state == "high"
    assert queue.expire(of_step_5, other) == [theirs.id]


def test_a_restart_finds_an_expired_quest_where_it_was_filed(
    workspace: Workspace, queue: QuestQueue, db: Database
) -> None:
    old = spar(workspace, queue, 5)
    queue.expire(of_step_5, KEY)
    queue.recover()
    assert queue.get(old.id).outcome == "expired" and queue.claim() is None
