"""The life of a quest: coming in, waiting, training, its ends, and what a person may do to it."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from realm.config.schema import QuestSettings
from realm.db import Database
from realm.errors import QuestError, UsageError
from realm.events import Events
from realm.quests.queue import QuestQueue
from realm.records import CampaignKey
from realm.workspace import Workspace

KEY = CampaignKey("hatchling", "first-light")
Write = Callable[..., Path]


def rows(count: int = 3, tag: str = "x") -> list[dict[str, str]]:
    return [{"prompt": f"{tag} {i} + 1?", "completion": str(i + 1)} for i in range(count)]


def lines(rows: Sequence[Mapping[str, object]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def kinds(db: Database) -> list[str]:
    return [recorded.kind for recorded in Events(db).since()]


def files(workspace: Workspace) -> dict[str, list[str]]:
    found = {p.name: sorted(x.name for x in p.iterdir()) for p in (workspace.root / "queue").iterdir()}
    return {state: names for state, names in found.items() if names}


def test_a_good_file_is_queued_with_its_sidecar_report_and_facts(
    queue: QuestQueue, workspace: Workspace, drop: Write, db: Database
) -> None:
    quest = queue.add(drop("mine.jsonl"))
    assert (quest.state, quest.name, quest.rows, quest.set_aside) == ("normal", "mine.jsonl", 3, 0)
    assert quest.path.name == f"{quest.id}-mine.jsonl" and quest.id == quest.sha256[:12]
    assert "fit for training (3 examples)" in quest.report_path.read_text()
    assert json.loads(quest.path.with_name(quest.path.name + ".meta.json").read_text())["sha256"] == quest.sha256
    assert kinds(db) == ["quest_received", "quest_queued"]
    assert list(workspace.inbox.glob("*.jsonl*")) == []


def test_claims_go_by_priority_then_age(queue: QuestQueue, drop: Write) -> None:
    for name, priority in (("a", "low"), ("b", "normal"), ("c", "normal"), ("d", "high")):
        queue.add(drop(f"{name}.jsonl"), priority)
    claimed = []
    while quest := queue.claim():
        assert quest.state == "active"
        claimed.append(quest.name)
        queue.complete(quest, f"run-{quest.id}", 5, KEY)
    assert claimed == ["d.jsonl", "b.jsonl", "c.jsonl", "a.jsonl"]
    assert queue.counts()["recently_completed"] == 4
    assert queue.completed(KEY) == 4


def test_rows_are_converted_and_bad_ones_passed_over(queue: QuestQueue, drop: Write) -> None:
    good = [{"instruction": f"Say {i}", "output": str(i), "id": i} for i in range(200)]
    quest = queue.add(drop("a.jsonl", lines(good[:100]) + b"{broken\n" + lines(good[100:])))
    assert (quest.state, quest.rows, quest.set_aside) == ("normal", 200, 1)
    read = list(queue.rows(quest))
    assert len(read) == 200
    assert read[7] == {"prompt": "Say 7", "completion": "7", "meta": {"id": 7}}
    assert quest.rejected_path.read_bytes() == b"{broken\n"
    assert "line 101" in quest.report_path.read_text()


def test_above_the_fraction_a_file_fails_whole_and_is_kept(queue: QuestQueue, drop: Write, db: Database) -> None:
    content = lines(rows(10)) + b"nonsense {\n"
    quest = queue.add(drop("a.jsonl", content))
    assert (quest.state, quest.outcome) == ("failed", "rejected")
    assert "1 of 11 rows are bad" in quest.reason
    assert quest.path.read_bytes() == content
    assert kinds(db) == ["quest_received", "quest_rejected"]
    assert queue.claim() is None


def test_the_same_content_twice_is_said_and_not_trained(queue: QuestQueue, drop: Write) -> None:
    first = queue.add(drop("a.jsonl", rows()))
    waiting = queue.add(drop("b.jsonl", rows()))
    assert (waiting.state, waiting.outcome, waiting.id) == ("failed", "duplicate", f"{first.id}.2")
    assert f"in the queue already (normal), as quest {first.id}" in waiting.reason
    assert (active := queue.claim()) and queue.complete(active, "run-1", 9, KEY)
    again = queue.add(drop("c.jsonl", rows()))
    assert again.id == f"{first.id}.3" and "trained already on" in again.reason
    assert f"realm quest retry {first.id}" in again.report_path.read_text()
    assert queue.claim() is None


def test_content_that_failed_or_was_removed_may_come_again(queue: QuestQueue, drop: Write) -> None:
    removed = queue.remove(queue.add(drop("a.jsonl", rows())).id)
    assert (removed.state, removed.outcome) == ("failed", "removed")
    again = queue.add(drop("a.jsonl", rows()))
    assert (again.state, again.id) == ("normal", f"{removed.id}.2")


def test_failing_goes_back_until_no_try_is_left(queue: QuestQueue, drop: Write, db: Database) -> None:
    queue.add(drop("a.jsonl"), "high")
    for tries in (1, 2):
        quest = queue.claim()
        assert quest is not None
        quest = queue.fail(quest, "Loss became NaN.", KEY)
        assert (quest.state, quest.retries) == ("high", tries)
    quest = queue.claim()
    assert quest is not None
    quest = queue.fail(quest, "Loss became NaN.", KEY)
    assert (quest.state, quest.outcome, quest.reason) == ("failed", "failed", "Loss became NaN.")
    assert quest.report_path.read_text().startswith("a.jsonl: training failed. Loss became NaN.")
    left = [r.fact.retries_left for r in Events(db).since(kinds=["quest_failed"])]  # type: ignore[attr-defined]
    assert left == [2, 1, 0]
    assert queue.retry(quest.id).retries == 0


def test_completing_twice_is_harmless_and_a_retry_is_trained_anew(queue: QuestQueue, drop: Write, db: Database) -> None:
    quest = queue.add(drop("a.jsonl"))
    queue.claim()
    assert queue.complete(quest, "run-1", 4, KEY) is True
    assert queue.complete(quest, "run-1", 4, KEY) is False
    assert kinds(db).count("quest_completed") == 1
    queue.retry(quest.id)
    again = queue.claim()
    assert again is not None and again.id == quest.id and queue.was_completed(again, "run-1")
    assert queue.complete(again, "run-1", 4, KEY) is False, "the old run cannot complete the new training"
    assert queue.active() == again
    assert queue.complete(again, "run-2", 4, KEY) is True
    assert queue.completed(KEY) == 2


def test_release_and_skip(queue: QuestQueue, drop: Write) -> None:
    queue.add(drop("a.jsonl"), "low")
    quest = queue.claim()
    assert quest is not None
    assert queue.release(quest).state == "low"
    quest = queue.claim()
    assert quest is not None
    skipped = queue.skip(quest, 17, KEY)
    assert (skipped.state, skipped.outcome, skipped.reason) == ("recently_completed", "skipped", "Skipped at step 17.")
    assert "skipped already" in queue.add(drop("b.jsonl", rows(tag="a.jsonl"))).reason
    assert queue.completed(KEY) == 0


def test_a_person_moves_files_by_hand(queue: QuestQueue, workspace: Workspace, drop: Write, db: Database) -> None:
    a, b = queue.add(drop("a.jsonl")), queue.add(drop("b.jsonl"))
    shutil.move(b.path, workspace.queue("high"))
    assert queue.get(b.id).state == "high"
    assert [q.id for q in queue.list("high")] == [b.id]
    claimed = queue.claim()
    assert claimed is not None and claimed.id == b.id and claimed.priority == "high"
    shutil.move(a.path, workspace.queue("failed"))
    queue.recover()
    assert queue.get(a.id).outcome == "removed"
    assert files(workspace)["failed"] == [a.path.name, a.path.name + ".meta.json", a.path.name + ".report.txt"]
    shutil.move(workspace.queue("failed") / a.path.name, workspace.queue("low"))
    queue.release(claimed)
    queue.complete(claimed, "r", 1, KEY)
    claimed = queue.claim()
    assert claimed is not None and claimed.id == a.id and claimed.outcome == ""


def test_a_file_put_straight_into_the_queue_is_checked_first(
    queue: QuestQueue, workspace: Workspace, drop: Write
) -> None:
    (workspace.queue("high") / "good one.jsonl").write_bytes(lines(rows()))
    (workspace.queue("high") / "bad.jsonl").write_bytes(b"[]\n")
    assert queue.claim() is None, "too fresh: it may still be written"
    assert {q.reason for q in queue.list("high")} == {"Not checked yet."}
    for path in workspace.queue("high").iterdir():
        os.utime(path, (1, 1))
    quest = queue.claim()
    assert quest is not None and quest.name == "good one.jsonl" and quest.path.name.endswith("-good-one.jsonl")
    assert [q.name for q in queue.list("failed")] == ["bad.jsonl"]


def test_an_edited_file_is_another_quest(queue: QuestQueue, workspace: Workspace, drop: Write) -> None:
    quest = queue.add(drop("a.jsonl"))
    quest.path.write_bytes(lines(rows(5, "new")))
    claimed = queue.claim()
    assert claimed is not None and claimed.id != quest.id and claimed.rows == 5
    assert queue.get(quest.id).state == "missing"
    queue.recover()
    assert all(name.startswith(claimed.id) for name in files(workspace)["active"])
    assert list(files(workspace)) == ["active"]


def test_a_rejected_file_is_checked_again_on_retry(queue: QuestQueue, drop: Write) -> None:
    quest = queue.add(drop("a.jsonl", b'{"promt": "x"}\n'))
    with pytest.raises(QuestError, match="still cannot be trained"):
        queue.retry(quest.id)
    assert queue.get(quest.id).state == "failed"
    quest.path.write_bytes(lines(rows()))
    mended = queue.retry(quest.id)  # other content, so another quest
    assert mended.id != quest.id and (mended.state, mended.rows) == ("normal", 3)


def test_only_waiting_quests_are_moved_or_removed(queue: QuestQueue, drop: Write) -> None:
    quest = queue.add(drop("a.jsonl"))
    assert queue.set_priority(quest.id, "low").state == "low"
    with pytest.raises(UsageError, match="no priority 'urgent'"):
        queue.set_priority(quest.id, "urgent")
    with pytest.raises(QuestError, match="nothing to retry"):
        queue.retry(quest.id)
    queue.claim()
    with pytest.raises(QuestError, match="in training") as caught:
        queue.remove(quest.id)
    assert "realm skip" in caught.value.hint
    with pytest.raises(QuestError, match="no quest 'nope'"):
        queue.get("nope")


def test_a_lost_database_is_made_again_from_the_folders(
    queue: QuestQueue, workspace: Workspace, drop: Write, tmp_path: Path
) -> None:
    from realm.db import metadata, open_database

    for name in ("a", "b", "c", "d"):
        queue.add(drop(f"{name}.jsonl"))
    done = queue.claim()
    assert done is not None
    queue.complete(done, "r", 1, KEY)
    queue.claim()
    queue.add(drop("bad.jsonl", b"{\n"))
    fresh = open_database(tmp_path / "fresh.db")
    with fresh.write() as connection:
        metadata.create_all(connection)
    rebuilt = QuestQueue(workspace, fresh, Events(fresh), QuestSettings())
    rebuilt.recover()
    assert rebuilt.counts() == {"high": 0, "normal": 3, "low": 0, "active": 0, "failed": 1, "recently_completed": 1}
    assert rebuilt.add(drop("again.jsonl", rows(tag="a.jsonl"))).outcome == "duplicate"
    fresh.close()


def test_two_threads_never_claim_the_same_quest(queue: QuestQueue, drop: Write) -> None:
    for i in range(12):
        queue.add(drop(f"{i}.jsonl"))
    claimed: list[str] = []

    def work() -> None:
        while quest := queue.claim():
            claimed.append(quest.id)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(set(claimed)) == 12


def test_a_sidecar_says_what_a_file_wants(queue: QuestQueue, drop: Write) -> None:
    path = drop("p.jsonl")
    drop("p.jsonl.meta.json", json.dumps({"source": "practice", "skill": "bin", "level": 3, "extra": [1]}).encode())
    quest = queue.add(path)
    assert (quest.source, quest.priority, quest.skill, quest.level) == ("practice", "low", "bin", 3)
    assert json.loads(quest.path.with_name(quest.path.name + ".meta.json").read_text())["extra"] == [1]
    path = drop("q.jsonl")
    drop("q.jsonl.meta.json", b'{"method": "dpo"}')
    refused = queue.add(path)
    assert "asks for the method 'dpo', which trains on preference (chosen, rejected)" in refused.reason
    assert "the rows have the prompt-completion shape (prompt, completion)" in refused.reason
    assert "Take the method out of the sidecar, and sft trains them" in refused.report_path.read_text()
    path = drop("r.jsonl")
    drop("r.jsonl.meta.json", b"not json")
    quest = queue.add(path)
    assert quest.state == "normal" and "not valid JSON" in quest.report_path.read_text()


@pytest.mark.parametrize(("row", "method", "words"), [
    ({"prompt": "a", "chosen": "b", "rejected": "c"}, "sft", "and dpo trains them"),
    ({"prompt": "a", "chosen": "b", "rejected": "c"}, "orpo", ""),
    ({"prompt": "a", "chosen": "b", "rejected": "c"}, "kto", ""),
    ({"prompt": "a", "completion": "b", "label": True}, "dpo", "and kto trains them"),
    ({"prompt": "a", "completion": "b", "label": True}, "kto", ""),
    ({"prompt": "a", "completion": "b"}, "sparring", ""),
    ({"prompt": "a", "completion": "b"}, "kto", "and sft trains them"),
])  # fmt: skip
def test_a_method_must_be_able_to_use_the_rows(
    row: dict[str, object], method: str, words: str, queue: QuestQueue, drop: Write
) -> None:
    other = {**row, "completion": "d", "label": False} if "label" in row else {**row, "prompt": "x"}
    path = drop("p.jsonl", [row, other])
    drop("p.jsonl.meta.json", json.dumps({"method": method}).encode())
    quest = queue.add(path)
    assert (quest.state, quest.method) == ("failed" if words else "normal", method)
    assert words in quest.report_path.read_text()


def test_one_quest_may_be_claimed_by_its_id(queue: QuestQueue, drop: Write) -> None:
    queue.add(drop("a.jsonl"), "high")
    wanted = queue.add(drop("b.jsonl"), "low")
    claimed = queue.claim(wanted.id)
    assert claimed is not None and claimed.id == wanted.id
    assert queue.claim("nothing") is None


def test_old_practice_is_swept_but_no_file_of_a_person(queue: QuestQueue, drop: Write) -> None:
    for name in ("p1", "p2", "p3", "mine"):
        queue.add(drop(f"{name}.jsonl"), source="person" if name == "mine" else "practice")
    while quest := queue.claim():
        queue.complete(quest, f"run-{quest.id}", 1, KEY)
    assert len(queue.sweep_practice(keep=1)) == 2
    left = queue.list("recently_completed")
    assert sorted(q.source for q in left) == ["person", "practice"]
    queue.recover()
    assert queue.completed(KEY) == 4
    assert queue.add(drop("again.jsonl", rows(tag="p1.jsonl"))).outcome == "duplicate"
