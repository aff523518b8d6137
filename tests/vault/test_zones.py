"""Zones: copied and compared, fetched back and resumed, refused in words; one suite for a folder and for memory."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from realm.config.schema import RetentionSettings, StorageSettings, ZoneSettings
from realm.errors import CheckpointError, ServiceError, UsageError
from realm.events import Events
from realm.records import CheckpointRecord
from realm.vault import files, manifest, transfer
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger
from realm.vault.manifest import Manifest
from realm.vault.scan import scan
from realm.vault.zones import Zone
from realm.workspace import Workspace

from .conftest import FILES, KEY, facts, writer


@pytest.fixture(params=["folder", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "folder":
        yield str(tmp_path / "warm")
        return
    import fsspec

    root = f"/{uuid.uuid4().hex}"
    yield f"memory:/{root}"
    memory = fsspec.filesystem("memory")
    if memory.exists(root):
        memory.rm(root, recursive=True)


@pytest.fixture
def zoned(workspace: Workspace, ledger: CheckpointLedger, events: Events, url: str) -> Keeper:
    storage = StorageSettings(warm=ZoneSettings(url=url))
    policy = RetentionSettings(keep_newest=6, keep_daily=0, min_free_bytes=0)
    return Keeper(workspace, ledger, events, policy, storage)


@pytest.fixture
def saved(zoned: Keeper) -> list[CheckpointRecord]:
    return [zoned.save(KEY, writer(step), facts(step)) for step in (1, 2, 3)]


def warm_file(zoned: Keeper, record: CheckpointRecord, name: str, content: bytes | None) -> None:
    """Change, or remove, a file of a copy behind the vault's back."""
    fs, root = zoned.storage.zones["warm"]._open()
    path = f"{root}/{zoned.storage.place(record, 'warm').path}/{name}"
    if content is None:
        fs.rm_file(path)
    else:
        fs.pipe_file(path, content)


def test_a_copy_is_compared_and_known(zoned: Keeper, saved: list[CheckpointRecord]) -> None:
    place = zoned.storage.copy(saved[0], "warm")
    assert place.state == "verified" and place.path.startswith("hatchling/first-light/checkpoint-1-")
    assert [each.zone for each in zoned.catalogue.locations([saved[0].id])[saved[0].id]] == ["hot", "warm"]
    assert zoned.storage.zones["warm"].found() == [place.path]
    assert zoned.storage.verify(saved[0], "warm") == ""
    assert zoned.storage.copy(saved[0], "warm").path == place.path  # again is no mistake


def test_moved_away_and_fetched_back(zoned: Keeper, saved: list[CheckpointRecord], events: Events) -> None:
    first = saved[0]
    zoned.storage.copy(first, "warm")
    zoned.storage.remove(first, "hot", "for a test")
    stored = zoned.ledger.get(first.id)
    assert stored.state == "stored" and not zoned.folder(stored).exists()
    assert events.newest(1)[0].kind == "checkpoint_moved"
    told: list[int] = []
    folder = zoned.storage.fetch(stored, told=told.append)
    assert files.verify(folder).id == first.id and sum(told) == first.size_bytes
    assert zoned.ledger.get(first.id).state == "present"
    assert events.newest(1)[0].kind == "checkpoint_fetched"
    assert zoned.storage.fetch(zoned.ledger.get(first.id)) == folder  # what is here need not come


@pytest.mark.parametrize("victim", [*FILES, "realm.json"])
@pytest.mark.parametrize("damage", ["changed", "removed", "cut off"])
def test_a_damaged_copy_is_found_and_never_taken(
    victim: str, damage: str, zoned: Keeper, saved: list[CheckpointRecord]
) -> None:
    first = saved[0]
    zoned.storage.copy(first, "warm")
    zoned.storage.remove(first, "hot", "for a test")
    content = {"changed": b"x" * 9, "removed": None, "cut off": b""}[damage]
    warm_file(zoned, first, victim, content)
    stored = zoned.ledger.get(first.id)
    assert victim in zoned.storage.verify(stored, "warm")
    with pytest.raises(CheckpointError, match="no whole copy in any zone"):
        zoned.storage.fetch(stored)
    assert zoned.storage.place(stored, "warm").state == "damaged"
    assert not zoned.folder(stored).exists()


def test_a_fetch_goes_on_where_it_was_cut_off(
    zoned: Keeper, saved: list[CheckpointRecord], workspace: Workspace
) -> None:
    first = saved[0]
    zoned.storage.copy(first, "warm")
    zoned.storage.remove(first, "hot", "for a test")
    zone, at = zoned.storage.zones["warm"], zoned.storage.place(first, "warm").path
    read = zone.read
    asked: list[tuple[str, int]] = []

    def broken(at: str, name: str, offset: int) -> Iterator[bytes]:
        asked.append((name, offset))
        content = b"".join(read(at, name, offset))
        yield content[: len(content) // 2] if name == "optimizer.pt" else content

    zone.read = broken  # type: ignore[method-assign]
    with pytest.raises(CheckpointError, match="no whole copy"):
        zoned.storage.fetch(zoned.ledger.get(first.id))
    zone.read = lambda at, name, offset: (asked.append((name, offset)), read(at, name, offset))[1]  # type: ignore[method-assign]
    asked.clear()
    folder = zoned.storage.fetch(zoned.ledger.get(first.id))
    assert files.verify(folder).id == first.id
    size = len(FILES["optimizer.pt"])
    assert ("optimizer.pt", size // 2) in asked and "config.json" not in {name for name, _ in asked}
    assert at and list(workspace.incoming.iterdir()) == []


def test_what_is_read_is_neither_moved_nor_removed(zoned: Keeper, saved: list[CheckpointRecord]) -> None:
    first = saved[0]
    with zoned.leases.reading(first.id, "a test"):
        with pytest.raises(CheckpointError, match=r"being read \(a test\)"):
            zoned.storage.remove(first, "hot", "for a test")
        assert {one.reason for one in zoned.plan().decisions if one.checkpoint == first.id} == {"being read (a test)"}
    zoned.storage.remove(first, "hot", "for a test")
    assert zoned.ledger.get(first.id).state == "dropped"


def test_who_comes_while_it_is_removed_is_told(zoned: Keeper, saved: list[CheckpointRecord]) -> None:
    with zoned.leases.removing(saved[0].id) as free:
        assert free
        with pytest.raises(CheckpointError, match="just being removed"):
            zoned.leases.take(saved[0].id, "a test")
    zoned.leases.release(zoned.leases.take(saved[0].id, "a test"))


def test_a_lease_ends_by_itself(db, ledger) -> None:  # type: ignore[no-untyped-def]
    from realm.vault.leases import Leases

    now = [1000.0]
    leases = Leases(db, lambda: now[0])
    token = leases.take("h:c@1", "a test", seconds=10)
    now[0] += 9
    assert leases.readers() == {"h:c@1": "a test"} and leases.renew(token, 10)
    now[0] += 11
    assert leases.readers() == {} and not leases.renew(token)
    with leases.removing("h:c@1") as free:
        assert free


def test_limits_move_what_is_worth_least_and_nothing_is_lost(
    zoned: Keeper, saved: list[CheckpointRecord], events: Events
) -> None:
    size = saved[0].size_bytes
    zoned.policy = zoned.policy.model_copy(update={"max_bytes": 2 * size + 10, "keep_parents": False})
    done = zoned.retain(KEY)
    assert [(one.checkpoint, one.to) for one in done.plan.of("move")] == [(saved[0].id, "warm")] and not done.failed
    assert [record.state for record in map(zoned.ledger.get, (one.id for one in saved))] == [
        "stored", "present", "present",
    ]  # fmt: skip
    assert not zoned.retain(KEY).plan.of("move") and files.verify(zoned.storage.fetch(zoned.ledger.get(saved[0].id)))


def test_a_zone_that_cannot_be_reached_keeps_the_checkpoint_where_it_is(
    workspace: Workspace, ledger: CheckpointLedger, events: Events, tmp_path: Path
) -> None:
    (tmp_path / "blocked").write_text("a file where a folder should be")
    storage = StorageSettings(warm=ZoneSettings(url=str(tmp_path / "blocked" / "warm")))
    policy = RetentionSettings(keep_newest=6, keep_daily=0, min_free_bytes=0, max_bytes=1, keep_parents=False)
    keeper = Keeper(workspace, ledger, events, policy.model_copy(update={"enabled": False}), storage)
    records = [keeper.save(KEY, writer(step), facts(step)) for step in (1, 2)]
    keeper.policy = policy
    done = keeper.retain(KEY)
    assert [one.checkpoint for one, _ in done.failed] == [records[0].id]
    assert "cannot be" in done.failed[0][1]
    assert keeper.newest_good(KEY) is not None and ledger.get(records[0].id).state == "present"
    with pytest.raises(ServiceError, match="warm zone"):
        keeper.storage.copy(records[0], "warm")


def test_room_is_made_before_the_disk_is_full(workspace: Workspace, ledger: CheckpointLedger, events: Events) -> None:
    free = [10**9]
    policy = RetentionSettings(keep_newest=9, keep_daily=0, min_free_bytes=1000, keep_parents=False)
    keeper = Keeper(workspace, ledger, events, policy, free_bytes=lambda: free[0])
    records = [keeper.save(KEY, writer(step), facts(step)) for step in (1, 2, 3)]
    free[0] = 1000 + records[0].size_bytes // 2
    keeper.save(KEY, writer(4), facts(4))
    assert ledger.get(records[0].id).state == "dropped"
    assert "no room" in ledger.reason(records[0].id)


def test_the_last_whole_checkpoint_is_not_deleted(zoned: Keeper, saved: list[CheckpointRecord]) -> None:
    for record in saved[:2]:
        zoned.storage.delete(record, zoned.storage.copies(record), "for a test")
    with pytest.raises(CheckpointError, match="last whole checkpoint"):
        zoned.storage.delete(saved[2], ["hot"], "for a test")
    zoned.storage.copy(saved[2], "warm")
    zoned.storage.delete(saved[2], ["warm"], "for a test")
    assert zoned.storage.copies(zoned.ledger.get(saved[2].id)) == ["hot"]


def test_scan_finds_what_a_new_database_does_not_know(
    zoned: Keeper, saved: list[CheckpointRecord], workspace: Workspace
) -> None:
    for record in saved[:2]:
        zoned.storage.copy(record, "warm")
        zoned.storage.remove(record, "hot", "for a test")
    from realm.vault import campaign_rows

    campaign_rows.remove(zoned.ledger.db, [KEY])
    model = workspace.models / "tiny"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"weights")
    (workspace.queue("recently_completed") / "q.jsonl").write_text("{}\n")
    seen = scan(workspace, zoned)
    assert seen.found == [saved[0].id, saved[1].id, "base_model:tiny", "dataset:q.jsonl"]
    found = zoned.ledger.get(saved[0].id)
    assert found.state == "stored" and zoned.storage.place(found, "warm").state == "unverified"
    assert zoned.storage.verify(found, "warm") == ""
    assert scan(workspace, zoned).found == []
    (workspace.queue("recently_completed") / "q.jsonl").unlink()
    warm_file(zoned, found, "realm.json", None)
    assert set(scan(workspace, zoned).missing) == {found.id, "dataset:q.jsonl"}


def test_a_foreign_manifest_names_nothing_outside_and_nothing_that_runs(tmp_path: Path) -> None:
    made = files.seal(tmp_path / "checkpoint-1-20260101-0000", writer(1), facts(1))
    body = json.loads(manifest.encode(made))
    body.pop("seal")
    entry = body["files"]["config.json"]
    for name in ("../evil", "/etc/passwd", "a/../../b", "a\\b", "realm.json", "", "a//b", "a\0b"):
        body["files"] = {name: entry}
        body["seal"] = hashlib.sha256(json.dumps(
            {k: v for k, v in body.items() if k != "seal"}, sort_keys=True, separators=(",", ":")
        ).encode()).hexdigest()  # fmt: skip
        with pytest.raises(CheckpointError, match="files"):
            manifest.decode(json.dumps(body).encode())
    for name in ("evil.pkl", "modeling.py", "pytorch_model.bin", "sub/optimizer.pt"):
        hostile = _with_file(made, name)
        with pytest.raises(CheckpointError, match="can run code"):
            transfer.receive(hostile, lambda *_: iter([b"x"]), tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damaged_bytes_do_not_stay(tmp_path: Path) -> None:
    made = files.seal(tmp_path / "checkpoint-1-20260101-0000", writer(1), facts(1))

    def read(name: str, offset: int) -> Iterator[bytes]:
        yield (b"\0" * made.files[name].size_bytes)[offset:]

    with pytest.raises(CheckpointError, match="arrived damaged"):
        transfer.receive(made, read, tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists() and not any((tmp_path / "in").glob("*.part"))


def test_more_than_was_said_is_not_written(tmp_path: Path) -> None:
    made = files.seal(tmp_path / "checkpoint-1-20260101-0000", writer(1), facts(1))
    sent = 0

    def endless(name: str, offset: int) -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"\0" * 100_000

    with pytest.raises(CheckpointError, match="arrived damaged"):
        transfer.receive(made, endless, tmp_path / "in", tmp_path / "out")
    assert sent == 1


def _with_file(made: Manifest, name: str) -> Manifest:
    return made.model_copy(update={"files": {name: next(iter(made.files.values()))}})


@pytest.mark.parametrize(
    ("url", "told"),
    [("relative/folder", "no whole path"), ("nosuch://bucket", "nosuch")],
)
def test_an_address_that_cannot_be_is_said(url: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Zone("warm", ZoneSettings(url=url)).found()


def test_names_from_outside_are_no_paths() -> None:
    zone = Zone("warm", ZoneSettings(url=f"{os.sep}somewhere"))
    for name in ("..", "a/b", ".hidden", ""):
        with pytest.raises(UsageError):
            zone.place(KEY, name)
