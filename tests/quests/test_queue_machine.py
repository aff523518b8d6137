"""The queue against a plain model: whatever people, training and crashes do, each quest lies in one place."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from realm.config.schema import QuestSettings
from realm.db import metadata, open_database
from realm.errors import QuestError
from realm.events import Events
from realm.quests.queue import QuestQueue
from realm.records import CampaignKey
from realm.workspace import PRIORITIES, QUEUE_STATES, Workspace

KEY = CampaignKey("hatchling", "first-light")
PLACES = st.sampled_from(PRIORITIES)


class Crash(BaseException):
    pass


class QueueMachine(RuleBasedStateMachine):
    quests = Bundle("quests")

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.workspace = Workspace(self.root)
        self.workspace.create()
        self.db = open_database(self.workspace.database)
        with self.db.write() as connection:
            metadata.create_all(connection)
        self.crash_at = 0
        self.queue = self.fresh()
        self.model: dict[str, str] = {}
        self.count = self.runs = 0
        self.completions: list[str] = []

    def fresh(self) -> QuestQueue:
        return QuestQueue(self.workspace, self.db, Events(self.db), QuestSettings(max_retries=1), effect=self.effect)

    def effect(self, _what: str) -> None:
        self.crash_at -= 1
        if self.crash_at == 0:
            raise Crash

    def teardown(self) -> None:
        self.db.close()
        shutil.rmtree(self.root)

    # -- what happens ------------------------------------------------------------------------------------------
    @rule(target=quests, priority=PLACES)
    def add(self, priority: str) -> str:
        quest = self.queue.add(self.write(self.count), priority)
        self.count += 1
        self.model[quest.id] = priority
        return quest.id

    @precondition(lambda self: self.count)
    @rule(number=st.integers(0, 50))
    def add_again(self, number: int) -> None:
        number %= self.count
        before = self.state_of_content(number)
        quest = self.queue.add(self.write(number), "normal")
        trained_or_waiting = before - {"failed", "missing"}
        assert (quest.outcome == "duplicate") == bool(trained_or_waiting)
        self.model[quest.id] = quest.state

    @precondition(lambda self: "active" not in self.model.values())
    @rule()
    def claim(self) -> None:
        quest = self.queue.claim()
        waiting = [p for p in PRIORITIES if p in self.model.values()]
        assert (quest is None) == (not waiting)
        if quest is not None:
            assert self.model[quest.id] == waiting[0]
            self.model[quest.id] = "active"

    @precondition(lambda self: "active" in self.model.values())
    @rule()
    def complete(self) -> None:
        quest = self.active()
        self.runs += 1
        assert self.queue.complete(quest, f"run-{self.runs}", 1, KEY)
        assert not self.queue.complete(quest, f"run-{self.runs}", 1, KEY)
        self.completions.append(quest.id)
        self.model[quest.id] = "recently_completed"

    @precondition(lambda self: "active" in self.model.values())
    @rule(end=st.sampled_from(["fail", "skip", "release"]))
    def end_otherwise(self, end: str) -> None:
        quest = self.active()
        if end == "fail":
            done = self.queue.fail(quest, "why", KEY)
        else:
            done = self.queue.skip(quest, 1, KEY) if end == "skip" else self.queue.release(quest)
        assert {
            "fail": done.state in {quest.priority, "failed"},
            "skip": done.state == "recently_completed",
            "release": done.state == quest.priority,
        }[end]
        self.model[quest.id] = done.state

    @rule(quest=quests, priority=PLACES)
    def person_asks(self, quest: str, priority: str) -> None:
        state = self.model[quest]
        if state in PRIORITIES:
            self.queue.set_priority(quest, priority)
            self.model[quest] = priority
        else:
            with pytest.raises(QuestError):
                self.queue.set_priority(quest, priority)

    @rule(quest=quests)
    def remove(self, quest: str) -> None:
        if self.model[quest] in PRIORITIES:
            self.queue.remove(quest)
            self.model[quest] = "failed"

    @rule(quest=quests)
    def retry(self, quest: str) -> None:
        if self.model[quest] in {"failed", "recently_completed"}:
            self.model[quest] = self.queue.retry(quest).state
            assert self.model[quest] in PRIORITIES

    @rule(quest=quests, place=st.sampled_from([*PRIORITIES, "failed"]))
    def move_by_hand(self, quest: str, place: str) -> None:
        if self.model[quest] != "active":
            path = self.queue.get(quest).path
            shutil.move(path, self.workspace.queue(place) / path.name)
            self.model[quest] = place

    @rule(after=st.integers(1, 12), act=st.sampled_from(["add", "claim", "complete", "fail", "skip", "release"]))
    def crash(self, after: int, act: str) -> None:
        """Something is cut short; a new process finds its way."""
        self.crash_at = after
        with suppress(Crash):
            self.attempt(act)
        self.crash_at = 0
        self.queue = self.fresh()
        self.queue.recover()
        for path in sorted(self.workspace.inbox.glob("*.jsonl")):
            self.queue.add(path)
        self.model = {quest.id: quest.state for quest in self.queue.list()}
        events = Events(self.db).replay(kinds=["quest_completed"])
        self.completions = [e.fact.quest for e in events]  # type: ignore[attr-defined]

    def attempt(self, act: str) -> None:
        if act == "add":
            self.count += 1
            self.queue.add(self.write(self.count - 1), "normal")
        elif act == "claim" and "active" not in self.model.values():
            self.queue.claim()
        elif quest := self.queue.active():
            if act == "complete":
                self.runs += 1
                self.queue.complete(quest, f"run-{self.runs}", 1, KEY)
            elif act == "fail":
                self.queue.fail(quest, "why", KEY)
            elif act == "skip":
                self.queue.skip(quest, 1, KEY)
            elif act == "release":
                self.queue.release(quest)

    # -- what must hold ----------------------------------------------------------------------------------------
    @invariant()
    def each_quest_lies_in_its_place(self) -> None:
        assert {quest.id: quest.state for quest in self.queue.list()} == self.model

    @invariant()
    def counts_agree(self) -> None:
        states = list(self.model.values())
        assert self.queue.counts() == {state: states.count(state) for state in QUEUE_STATES}
        assert self.queue.completed(KEY) == len(self.completions)

    # -- helpers -----------------------------------------------------------------------------------------------
    def write(self, number: int) -> Path:
        path = self.workspace.inbox / "file.jsonl"
        path.write_text(json.dumps({"prompt": str(number), "completion": "x"}) + "\n")
        return path

    def state_of_content(self, number: int) -> set[str]:
        """Where quests of this content lie; `recently_completed` too for one that was ever trained."""
        path = self.write(number)
        from realm.quests.lineage import digest

        found = [q for q in self.queue.list() if q.sha256 == digest(path)]
        trained = {"recently_completed"} if any(q.id in self.completions for q in found) else set()
        return {q.state for q in found} | trained

    def active(self) -> Any:
        quest = self.queue.active()
        assert quest is not None and self.model[quest.id] == "active"
        return quest


@pytest.mark.slow
def test_the_queue_keeps_every_quest_whatever_happens() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        QueueMachine,
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
