"""The inbox: what has settled is taken, what is still being written is not, and nothing dropped there does harm."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from realm.config.schema import QuestSettings
from realm.errors import QuestError
from realm.quests.inbox import Inbox, deliver, is_temporary
from realm.quests.queue import QuestQueue
from realm.workspace import Workspace

Write = Callable[..., Path]


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inbox(workspace: Workspace, queue: QuestQueue, clock: Clock) -> Inbox:
    return Inbox(workspace, queue, QuestSettings(), monotonic=clock)


def settle(inbox: Inbox, clock: Clock) -> list[str]:
    inbox.scan()
    clock.now += 0.31
    return [quest.name for quest in inbox.scan()]


def test_a_file_is_taken_at_the_second_look(inbox: Inbox, clock: Clock, drop: Write) -> None:
    drop("a.jsonl")
    assert inbox.scan() == [] and inbox.expects
    clock.now += 0.29
    assert inbox.scan() == []
    clock.now += 0.02
    assert [q.name for q in inbox.scan()] == ["a.jsonl"]
    assert not inbox.expects


def test_a_growing_file_waits(inbox: Inbox, clock: Clock, drop: Write) -> None:
    path = drop("a.jsonl")
    inbox.scan()
    for _ in range(3):
        with open(path, "ab") as file:
            file.write(b'{"prompt": "more", "completion": "x"}\n')
        clock.now += 0.31
        assert inbox.scan() == []
    clock.now += 0.31
    assert [q.rows for q in inbox.scan()] == [6]


def test_without_a_last_newline_a_file_must_be_older(inbox: Inbox, clock: Clock, drop: Write) -> None:
    path = drop("a.jsonl", b'{"text": "a"}')
    assert settle(inbox, clock) == []
    os.utime(path, (time.time() - 2, time.time() - 2))
    assert settle(inbox, clock) == ["a.jsonl"]


def test_folders_give_the_priority(inbox: Inbox, clock: Clock, drop: Write, queue: QuestQueue) -> None:
    drop("a.jsonl", folder="high")
    drop("b.jsonl", folder="low")
    drop("c.jsonl")
    settle(inbox, clock)
    assert [(q.name, q.state) for q in queue.list()] == [("a.jsonl", "high"), ("c.jsonl", "normal"), ("b.jsonl", "low")]


def test_unfinished_names_are_left_alone(inbox: Inbox, clock: Clock, drop: Write) -> None:
    names = (".a.jsonl", "a.jsonl.part", "a.tmp", "a.jsonl.crdownload", "a.jsonl~", ".a.jsonl.swp", "x.jsonl.meta.json")
    for name in names:
        drop(name)
    assert settle(inbox, clock) == []
    assert all(is_temporary(name) for name in names[:-1]) and not is_temporary("a.jsonl")


def test_practice_whose_sidecar_proves_it_whole_is_taken_at_once(
    inbox: Inbox, drop: Write, workspace: Workspace
) -> None:
    content = b'{"prompt": "a", "completion": "b"}\n'
    said = {"source": "practice", "sha256": hashlib.sha256(content).hexdigest(), "skill": "bin"}
    drop("p.jsonl.meta.json", json.dumps(said).encode())
    drop("p.jsonl", content)
    (quest,) = inbox.scan()
    assert (quest.source, quest.state) == ("practice", "low")
    assert not list(workspace.inbox.glob("p*"))
    drop("q.jsonl.meta.json", json.dumps(said).encode())
    drop("q.jsonl", content[:20])
    assert inbox.scan() == [], "half of it is not it"


def test_what_is_no_quest_ends_in_failed_with_a_report(
    inbox: Inbox, clock: Clock, workspace: Workspace, queue: QuestQueue, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.jsonl"
    outside.write_text('{"text": "secret"}\n')
    (workspace.inbox / "link.jsonl").symlink_to(outside)
    (workspace.inbox / "dangling.jsonl").symlink_to(tmp_path / "nowhere")
    (workspace.inbox / "folder.jsonl").mkdir()
    (workspace.inbox / "folder.jsonl" / "inner.jsonl").write_text('{"text": "a"}\n')
    os.mkfifo(workspace.inbox / "pipe.jsonl")
    old = time.time() - 5
    for path in workspace.inbox.glob("*.jsonl"):
        os.utime(path, (old, old), follow_symlinks=False)
    assert len(settle(inbox, clock)) == 4
    assert queue.counts()["failed"] == 4
    reports = "\n".join(q.report_path.read_text() for q in queue.list("failed"))
    assert reports.count("links are not followed") == 2
    assert "is a folder" in reports and "no regular file" in reports
    assert outside.read_text() == '{"text": "secret"}\n'
    folder = next(q for q in queue.list("failed") if q.name == "folder.jsonl")
    assert (folder.path / "inner.jsonl").exists()
    with pytest.raises(QuestError, match="still cannot be trained"):
        queue.retry(folder.id)


@pytest.mark.parametrize("name", [
    '"quoted" \'twice\'.jsonl', "new\nline.jsonl", "$(touch x);.jsonl", "<b>bold.jsonl", "..jsonl.jsonl",
    "ü" * 100 + ".jsonl", os.fsdecode(b"\xff\xfe.jsonl"), "a b\tc.jsonl",
])  # fmt: skip
def test_any_name_is_taken_under_a_safe_one(
    name: str, inbox: Inbox, clock: Clock, workspace: Workspace, queue: QuestQueue
) -> None:
    (workspace.inbox / name).write_bytes(b'{"text": "a"}\n')
    os.utime(workspace.inbox / name, (1, 1))
    settle(inbox, clock)
    quest = queue.claim()
    if name.startswith("."):
        assert quest is None
        return
    assert quest is not None and quest.name.isprintable()
    assert quest.path.parent == workspace.queue("active")
    assert all(c.isalnum() or c in "-_." for c in quest.path.name)


@pytest.mark.parametrize("trouble", [PermissionError("no"), ValueError("a library's own")])
def test_a_file_that_cannot_be_taken_does_not_close_the_inbox(
    trouble: Exception,
    workspace: Workspace,
    queue: QuestQueue,
    drop: Write,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Stubborn(QuestQueue):
        def add(self, path: Path, *args: object, **options: object):  # type: ignore[no-untyped-def]
            if path.name == "bad.jsonl":
                raise trouble
            return queue.add(path)

    stubborn = Stubborn.__new__(Stubborn)
    inbox = Inbox(workspace, stubborn, QuestSettings(), monotonic=clock)
    drop("bad.jsonl")
    drop("good.jsonl")
    assert settle(inbox, clock) == ["good.jsonl"]
    assert "'bad.jsonl' in the inbox was not taken" in caplog.text
    clock.now += 1
    assert inbox.scan() == [] and not inbox.expects


def test_delivery_writes_a_whole_file_and_a_safe_name(workspace: Workspace, inbox: Inbox) -> None:
    path = deliver(workspace, "../../evil\n.jsonl", [b'{"text": ', b'"a"}\n'], priority="high", meta={"who": "page"})
    assert path.parent == workspace.inbox / "high" and path.name.startswith("evil-")
    (quest,) = inbox.scan()
    assert (quest.state, quest.source) == ("high", "person")
    assert quest.path.name.endswith("-evil.jsonl")


def test_a_delivery_that_is_too_large_leaves_nothing(workspace: Workspace) -> None:
    with pytest.raises(QuestError, match="larger than 10 bytes"):
        deliver(workspace, "a.jsonl", [b"x" * 8, b"x" * 8], max_bytes=10)
    assert {p.name for p in workspace.inbox.iterdir()} == {"high", "low"}


@pytest.fixture
def watching(workspace: Workspace, queue: QuestQueue) -> Iterator[threading.Event]:
    inbox, stop, arrived = Inbox(workspace, queue, QuestSettings()), threading.Event(), threading.Event()
    thread = threading.Thread(target=inbox.watch, args=(stop, arrived.set))
    thread.start()
    time.sleep(0.3)
    yield arrived
    stop.set()
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_watching_takes_a_dropped_file_soon(watching: threading.Event, drop: Write, queue: QuestQueue) -> None:
    drop("a.jsonl")
    assert watching.wait(5)
    assert [q.name for q in queue.list("normal")] == ["a.jsonl"]


def test_two_threads_take_a_file_once(workspace: Workspace, queue: QuestQueue, drop: Write) -> None:
    inbox = Inbox(workspace, queue, QuestSettings())
    path = drop("a.jsonl")
    taken: list[object] = []
    threads = [threading.Thread(target=lambda: taken.append(inbox.take(path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(quest is not None for quest in taken) == 1
    assert queue.counts()["normal"] == 1
