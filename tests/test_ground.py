"""The ground floor: the workspace and its lock, the database's two doors, names with nearest guesses."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from realm import errors
from realm.db import Database, open_database
from realm.errors import ConfigError, RealmError, UsageError, WorkspaceError, WorkspaceLocked
from realm.events import BlockerCleared, CampaignStarted, Events, QuestRemoved, fact_table
from realm.registry import Registry, nearest
from realm.workspace import Workspace, safe_name


def test_every_error_has_a_type_a_code_and_a_place_in_the_drawn_tree() -> None:
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, RealmError)]
    assert len(classes) >= 15
    for c in classes:
        assert c.__name__ in (errors.__doc__ or ""), f"{c.__name__} is missing in the tree"
        assert c.exit_code in (1, 2)
    assert WorkspaceLocked("x", pid=1).type == "workspace_locked"
    assert ConfigError(["a", "b"]).problems == ["a", "b"]


def test_create_is_safe_to_repeat_and_keeps_settings(workspace: Workspace) -> None:
    workspace.settings.write_text("# mine\n")
    assert workspace.create() is False
    assert workspace.settings.read_text() == "# mine\n"


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="cannot be made"):
        Workspace(tmp_path / "file" / "realm").create()


def test_a_missing_workspace_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError) as caught:
        Workspace(tmp_path).require()
    assert "realm init" in caught.value.hint


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", ".hidden", "a\0b", "a\nb", "x" * 201])
def test_hostile_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        safe_name(name)


@given(st.text(max_size=60))
def test_a_safe_name_stays_inside(name: str) -> None:
    try:
        safe_name(name)
    except UsageError:
        return
    assert (Path("/base") / name).parent == Path("/base")


def test_the_lock_names_its_holder_and_is_free_after_a_kill(workspace: Workspace) -> None:
    code = f"""
import time
from realm.workspace import Workspace
with Workspace({str(workspace.root)!r}).hold():
    print("held", flush=True); time.sleep(60)
"""
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout and holder.stdout.readline() == "held\n"
    with pytest.raises(WorkspaceLocked) as caught, workspace.hold():
        pass
    assert caught.value.pid == holder.pid == workspace.holder()
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert workspace.holder() is None
    with workspace.hold():
        assert workspace.holder() == os.getpid()


def test_requests_are_left_and_withdrawn(workspace: Workspace) -> None:
    workspace.request("pause")
    assert workspace.requests() == {"pause"}
    assert workspace.is_meant("pause", "any quest") and not workspace.is_meant("skip", "any quest")
    workspace.request("skip", "alder")
    assert workspace.is_meant("skip", "alder") and not workspace.is_meant("skip", "birch")
    workspace.withdraw("skip")
    workspace.withdraw("pause")
    workspace.withdraw("pause")
    assert workspace.requests() == set()


def test_the_reading_door_cannot_write(db: Database) -> None:
    with pytest.raises(OperationalError, match="readonly"), db.read() as connection:
        connection.execute(fact_table.delete())


def test_writers_in_parallel_wait_for_each_other(db: Database) -> None:
    events = Events(db)

    def write() -> None:
        for _ in range(25):
            with db.write() as connection:
                connection.scalar(select(func.max(fact_table.c.id)))  # reading first is what makes others fail
                events.append_in(connection, CampaignStarted(hero="h", campaign="c"))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert events.last_id() == 100


def test_a_failed_transaction_leaves_nothing(db: Database) -> None:
    events = Events(db)
    with pytest.raises(RuntimeError), db.write() as connection:
        events.append_in(connection, CampaignStarted(hero="h", campaign="c"))
        raise RuntimeError
    assert events.last_id() == 0


def test_facts_are_read_back_in_order_narrowed_and_replayed(db: Database) -> None:
    events = Events(db, clock=lambda: 12.5)
    for i in range(7):
        events.append(CampaignStarted(hero="a" if i % 2 else "b", campaign="c"))
    assert [r.id for r in events.since(2, limit=3)] == [3, 4, 5]
    assert [r.id for r in events.newest(2)] == [7, 6]
    assert [r.id for r in events.replay(0, limit=2)] == list(range(1, 8))
    assert [r.id for r in events.since(hero="a")] == [2, 4, 6]
    assert events.since(kinds=["level_gained"]) == []
    first = events.since()[0].as_json()
    assert first == {"id": 1, "time": 12.5, "kind": "campaign_started", "hero": "b", "campaign": "c"}


def test_the_newest_of_several_kinds_are_what_a_look_at_all_facts_finds(db: Database) -> None:
    events = Events(db)
    for i in range(30):
        events.append(
            (
                CampaignStarted(hero="a"),
                BlockerCleared(blocker="b", hero="a" if i % 2 else "b"),
                QuestRemoved(quest="q", name="n"),
            )[i % 3]
        )
    everything = events.newest(100)
    for kinds in (["campaign_started"], ["blocker_cleared", "quest_removed", "blocker_cleared"], ["level_gained"], []):
        for hero in (None, "a", "b"):
            wanted = [r for r in everything if r.kind in kinds and hero in (None, r.fact.hero)]
            assert events.newest(7, kinds=kinds, hero=hero) == wanted[:7]


def test_migrations_make_the_declared_tables(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    import realm.guild.ledger
    import realm.quests.queue
    import realm.vault.ledger
    import realm.watchtower.metrics
    import realm.weaver.ledger  # noqa: F401 - each declares its tables
    from realm.db import metadata

    db = open_database(tmp_path / "realm.db")
    db.upgrade()
    db.upgrade()
    with db.write() as connection:
        difference = compare_metadata(MigrationContext.configure(connection), metadata)
    db.close()
    assert difference == []


def test_the_registry_guesses_and_refuses_twins() -> None:
    registry: Registry[int] = Registry("number")
    registry.register("seven", lambda: 7)
    assert registry.get("seven") == 7
    with pytest.raises(UsageError) as caught:
        registry.get("sevn")
    assert caught.value.hint == "Did you mean 'seven'?"
    with pytest.raises(UsageError, match="Two numbers"):
        registry.register("seven", lambda: 8)
    assert nearest("zzz", ["seven"]) is None
