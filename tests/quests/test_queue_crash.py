"""The world stops at each change of disk or database in turn; recovery must leave each quest once, trained once."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from realm.config.schema import QuestSettings
from realm.db import Database
from realm.errors import QuestError
from realm.events import Events
from realm.quests.queue import QuestQueue
from realm.records import CampaignKey
from realm.workspace import QUEUE_STATES, Workspace

KEY = CampaignKey("hatchling", "first-light")


class Crash(BaseException):
    """kill -9: nothing of the program runs after it."""


class Fuse:
    """Burns through at the n-th effect."""

    def __init__(self, n: int) -> None:
        self.left = n

    def __call__(self, _what: str) -> None:
        self.left -= 1
        if self.left == 0:
            raise Crash


def make(workspace: Workspace, db: Database, fuse: Callable[[str], None] = lambda _: None) -> QuestQueue:
    return QuestQueue(workspace, db, Events(db), QuestSettings(max_retries=1), effect=fuse)


def put(workspace: Workspace, name: str, content: str, sidecar: dict[str, object] | None = None) -> Path:
    path = workspace.inbox / f"{name}.jsonl"
    if sidecar is not None:
        path.with_name(path.name + ".meta.json").write_text(json.dumps(sidecar))
    path.write_text(content)
    return path


def row(answer: str) -> str:
    return json.dumps({"prompt": "q", "completion": answer}) + "\n"


def drain_inbox(workspace: Workspace, queue: QuestQueue) -> None:
    for path in sorted(workspace.inbox.glob("*.jsonl")):
        queue.add(path)


def check_consistent(workspace: Workspace, db: Database, queue: QuestQueue) -> None:
    """Each quest's file exists once, its companions lie beside it, and the ledger says where."""
    seen: Counter[str] = Counter()
    for state in QUEUE_STATES:
        names = {p.name for p in workspace.queue(state).iterdir()}
        for quest in queue.list(state):
            seen[quest.id] += 1
            assert quest.reason != "Not checked yet."
            assert (quest.path.name + ".meta.json") in names and (quest.path.name + ".report.txt") in names
            names -= {
                quest.path.name,
                quest.path.name + ".meta.json",
                quest.path.name + ".report.txt",
                quest.rejected_path.name,
            }
        assert not names, f"left over in {state}: {names}"
    assert set(seen.values()) <= {1}
    assert not list(workspace.inbox.glob("*")) or {p.name for p in workspace.inbox.iterdir()} <= {"high", "low"}
    for recorded in (
        counts := Counter(
            (r.kind, r.fact.quest)  # type: ignore[attr-defined]
            for r in Events(db).since(kinds=["quest_completed", "quest_received"])
        )
    ):
        assert counts[recorded] == 1, f"said twice: {recorded}"


def add_good(workspace: Workspace, queue: QuestQueue) -> None:
    queue.add(put(workspace, "new", row("new"), {"priority": "high", "note": "mine"}))


def add_partly_bad(workspace: Workspace, queue: QuestQueue) -> None:
    queue.add(put(workspace, "partly", "".join(row(str(i)) for i in range(200)) + "{bad\n"))


def add_bad(workspace: Workspace, queue: QuestQueue) -> None:
    queue.add(put(workspace, "bad", "{bad\n", {"note": "mine"}))


def add_twin(workspace: Workspace, queue: QuestQueue) -> None:
    queue.add(put(workspace, "twin", row("0")))


def complete(workspace: Workspace, queue: QuestQueue) -> None:
    quest = queue.active() or queue.claim()
    assert quest is not None
    queue.complete(quest, "run-1", 3, KEY)


def fail_for_good(workspace: Workspace, queue: QuestQueue) -> None:
    while (quest := queue.active() or queue.claim()) and quest.id:
        if queue.fail(quest, "why", KEY).state == "failed":
            break


def skip(workspace: Workspace, queue: QuestQueue) -> None:
    quest = queue.active() or queue.claim()
    assert quest is not None
    queue.skip(quest, 2, KEY)


def release(workspace: Workspace, queue: QuestQueue) -> None:
    if quest := queue.claim():
        queue.release(quest)


def remove_and_retry(workspace: Workspace, queue: QuestQueue) -> None:
    quest = queue.list("normal")[0]
    queue.set_priority(quest.id, "low")
    queue.remove(quest.id)
    queue.retry(quest.id)


def edited(workspace: Workspace, queue: QuestQueue) -> None:
    queue.list("normal")[0].path.write_text(row("edited"))
    queue.claim()


def by_hand(workspace: Workspace, queue: QuestQueue) -> None:
    shutil.move(queue.list("normal")[0].path, workspace.queue("high"))
    queue.recover()


SLOW = [add_partly_bad, add_bad, add_twin, fail_for_good, skip, release, remove_and_retry, edited, by_hand]
STORIES = [add_good, complete, *(pytest.param(story, marks=pytest.mark.slow) for story in SLOW)]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_a_crash_anywhere_leaves_each_quest_once(
    story: Callable[[Workspace, QuestQueue], None], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    from realm.db import metadata, open_database

    for n in range(1, 200):
        workspace = Workspace(tmp_path / str(n))
        workspace.create()
        db = open_database(workspace.database)
        with db.write() as connection:
            metadata.create_all(connection)
        queue = make(workspace, db)
        for answer in ("0", "1"):
            queue.add(put(workspace, f"first-{answer}", row(answer)))
        fuse = Fuse(n)
        crashed = False
        try:
            story(workspace, make(workspace, db, fuse))
        except Crash:
            crashed = True
        with suppress(Crash):  # and once more while recovering
            make(workspace, db, Fuse(n % 5 + 1)).recover()
        queue = make(workspace, db)
        queue.recover()
        drain_inbox(workspace, queue)
        queue.recover()
        if story is not edited:  # an edited file is looked at when it is claimed
            check_consistent(workspace, db, queue)
        total = sum(queue.counts().values())
        assert total == 2 + story.__name__.startswith("add"), f"crash at effect {n}: {queue.counts()}"
        trained = Counter[str]()
        while quest := queue.active() or queue.claim():
            assert not queue.was_completed(quest, "run-1"), "would be trained twice"
            trained[quest.id] += 1
            queue.complete(quest, f"later-{quest.id}", 1, KEY)
        assert set(trained.values()) <= {1}
        check_consistent(workspace, db, queue)
        db.close()
        if not crashed:
            assert n > 3
            return
    pytest.fail("the story never came to its end")


def test_sidecar_wishes_survive_a_crash_between_sidecar_and_file(workspace: Workspace, db: Database) -> None:
    for n in range(1, 12):
        path = put(workspace, f"wish-{n}", row(f"wish {n}"), {"priority": "high", "note": "mine"})
        with suppress(Crash):
            make(workspace, db, Fuse(n)).add(path)
        queue = make(workspace, db)
        queue.recover()
        if path.exists():
            queue.add(path)
    for quest in make(workspace, db).list():
        said = json.loads(quest.path.with_name(quest.path.name + ".meta.json").read_text())
        assert (quest.state, said["note"]) == ("high", "mine")


def test_an_unknown_quest_is_an_error_in_words(workspace: Workspace, db: Database) -> None:
    with pytest.raises(QuestError, match="no quest"):
        make(workspace, db).retry("nothing")
