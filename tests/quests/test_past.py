from __future__ import annotations

import json
from pathlib import Path

import pytest

from realm.config.schema import QuestSettings
from realm.db import Database
from realm.events import Events
from realm.quests.past import ROWS_PER_FILE, TrainedRows, generated, real_rows
from realm.quests.plan import plan_facts
from realm.quests.queue import QuestQueue
from realm.records import CampaignKey
from realm.workspace import Workspace


@pytest.fixture
def queue(workspace: Workspace, db: Database) -> QuestQueue:
    return QuestQueue(workspace, db, Events(db), QuestSettings())


def train(queue: QuestQueue, folder: Path, name: str, rows: int, meta: dict[str, object] | None = None) -> str:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(f'{{"question": "{name} {i}", "answer": "{i}"}}\n' for i in range(rows)))
    if meta is not None:
        (folder / f"{name}.jsonl.meta.json").write_text(json.dumps(meta))
    quest = queue.claim(queue.add(path).id)
    assert quest is not None
    queue.complete(quest, f"run-{name}", 1, CampaignKey("h", "c"))
    return quest.id


def test_rows_of_completed_files_of_a_person_only(queue: QuestQueue, tmp_path: Path) -> None:
    notes = train(queue, tmp_path, "notes", 3, {"made_by": "Ada"})
    train(queue, tmp_path, "practice", 3, {"source": "practice", "made_by": "realm practice"})
    train(queue, tmp_path, "sparring", 3, {"made_by": "realm spar"})
    train(queue, tmp_path, "own-binary", 3, {"skill": "bin"})
    waiting = tmp_path / "waiting.jsonl"
    waiting.write_text('{"question": "w", "answer": "1"}\n')
    queue.add(waiting)
    rows = list(real_rows(queue, 10))
    assert {row.quest for row in rows} == {notes}
    assert [(row.number, row.row["prompt"]) for row in rows] == [(1, "notes 0"), (2, "notes 1"), (3, "notes 2")]
    assert rows[0].name == "notes.jsonl" and len(rows[0].sha256) == 64


def test_the_newest_files_and_their_first_rows(queue: QuestQueue, tmp_path: Path) -> None:
    for name in ("first", "second", "third"):
        last = train(queue, tmp_path, name, ROWS_PER_FILE + 5)
    rows = list(real_rows(queue, 2))
    assert len(rows) == 2 * ROWS_PER_FILE and rows[0].quest == last
    assert list(real_rows(queue, 0)) == []


def test_a_file_that_is_gone_is_passed_over(queue: QuestQueue, tmp_path: Path) -> None:
    train(queue, tmp_path, "kept", 2)
    gone = train(queue, tmp_path, "gone", 2)
    found = real_rows(queue, 5)
    assert next(found).quest == gone
    rest = real_rows(queue, 5)
    queue.get(gone).path.unlink()
    assert {row.row["prompt"] for row in rest} == {"kept 0", "kept 1"}


def test_who_generated_it() -> None:
    assert generated({"made_by": "realm practice"}) and generated({"skill": "sy"})
    assert not generated({}) and not generated({"made_by": 7, "skill": ""})


def test_a_plan_in_words() -> None:
    meta = {
        "reason": "because",
        "parameters": {"mix": {"bin/1": 0.35, "bin/2": 0.65}},
        "variety": {"bin/1": {"unique": 0.871}},
        "grounding": [{"name": "notes.jsonl", "rows": [3, 4]}],
    }
    assert plan_facts(meta) == [
        ("why", "because"),
        ("mix", "bin/1 35%, bin/2 65%"),
        ("variety", "bin/1 87% different"),
        ("real rows", "2 of notes.jsonl"),
    ]
    assert plan_facts({"reason": 3, "parameters": [1], "variety": {"x": 1}, "grounding": ["?", {"rows": 2}]}) == []


def test_trained_rows_are_known_again(queue: QuestQueue, tmp_path: Path) -> None:
    trained = TrainedRows(queue)
    assert trained.lookup().where({"prompt": "notes 1", "completion": "1"}) == ""
    notes = train(queue, tmp_path, "notes", 3)
    practice = train(queue, tmp_path, "practice", 2, {"source": "practice"})
    waiting = tmp_path / "waiting.jsonl"
    waiting.write_text('{"question": "w", "answer": "1"}\n')
    queue.add(waiting)
    known = trained.lookup()
    assert known.where({"prompt": "notes 1", "completion": "1"}) == f"quest {notes} (notes.jsonl)"
    assert known.where({"prompt": "notes 1", "completion": "1", "meta": {"id": 9}}).startswith("quest")
    assert known.where({"prompt": "practice 0", "completion": "0"}) == f"quest {practice} (practice.jsonl)"
    for prompt in ("notes 1 ", "notes 3", "w"):
        assert known.where({"prompt": prompt, "completion": "1"}) == ""


def test_only_so_many_trained_rows_are_known(queue: QuestQueue, tmp_path: Path) -> None:
    train(queue, tmp_path, "older", 5)
    train(queue, tmp_path, "newer", 5)
    known = TrainedRows(queue, known_rows=4).lookup()
    found = {name: sum(bool(known.where({"prompt": f"{name} {i}", "completion": str(i)})) for i in range(5))
             for name in ("older", "newer")}  # fmt: skip
    assert found == {"older": 0, "newer": 4}
