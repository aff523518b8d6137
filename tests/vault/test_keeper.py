from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from realm.config.schema import RetentionSettings
from realm.db import Database
from realm.errors import CheckpointError, DiskFull, WorkspaceError
from realm.events import CheckpointQuarantined, Events
from realm.vault import files
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger
from realm.workspace import Workspace

from .conftest import FILES, KEY, facts, writer


def names(workspace: Workspace) -> list[str]:
    return sorted(p.name for p in workspace.checkpoints(KEY.hero, KEY.campaign).iterdir())


def test_saved_is_found_again(keeper: Keeper, workspace: Workspace, ledger: CheckpointLedger) -> None:
    record = keeper.save(KEY, writer(7), facts(7))
    assert keeper.newest_good(KEY) == record == ledger.newest(KEY)
    assert keeper.progress(record) == facts(7).progress
    assert Path(record.path).parent == workspace.checkpoints(KEY.hero, KEY.campaign)
    assert workspace.current_model.is_symlink()
    assert workspace.current_model.resolve() == Path(record.path)
    assert not Path(workspace.current_model.readlink()).is_absolute()


def test_no_checkpoint_yet(keeper: Keeper) -> None:
    assert keeper.newest_good(KEY) is None
    assert keeper.recover(KEY).registered == []


def test_a_step_saved_twice_in_a_minute(keeper: Keeper, workspace: Workspace, ledger: CheckpointLedger) -> None:
    """At the end of a quest whose last step was also a regular save: the progress differs, the step does not."""
    keeper.save(KEY, writer(7), facts(7))
    again = keeper.save(KEY, writer(7), facts(7))
    assert names(workspace) == [Path(again.path).name]
    assert ledger.list(KEY) == [again] == [keeper.newest_good(KEY)]


@pytest.mark.parametrize("victim", [*FILES, "realm.json"])
@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "add"])
def test_a_bad_one_goes_to_quarantine_and_the_one_before_is_used(
    victim: str, damage: str, keeper: Keeper, workspace: Workspace, ledger: CheckpointLedger, events: Events
) -> None:
    keeper.save(KEY, writer(1), facts(1))
    bad = keeper.save(KEY, writer(2), facts(2))
    _damage(Path(bad.path) / victim, damage)
    found = keeper.newest_good(KEY)
    assert found is not None and found.step == 1
    assert workspace.current_model.resolve() == Path(found.path)
    row = ledger.get(bad.id)
    assert row.state == "quarantined" and Path(row.path).is_dir()
    assert workspace.quarantine in Path(row.path).parents
    fact = events.newest(1)[0].fact
    assert isinstance(fact, CheckpointQuarantined)
    assert fact.reason == ledger.reason(bad.id) != ""
    assert Path(row.path + ".reason.txt").read_text().strip() == fact.reason


def _damage(path: Path, damage: str) -> None:
    content = path.read_bytes()
    if damage == "truncate":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    elif damage == "remove":
        path.unlink()
    else:
        path.with_suffix(".bin").write_bytes(b"\x80\x04.")


def test_all_bad_means_none(keeper: Keeper, ledger: CheckpointLedger) -> None:
    for step in (1, 2):
        _damage(Path(keeper.save(KEY, writer(step), facts(step)).path) / "model.safetensors", "flip")
    assert keeper.newest_good(KEY) is None
    assert {r.state for r in ledger.list(KEY)} == {"quarantined"}
    assert keeper.save(KEY, writer(2), facts(2)).state == "present"  # the step is trained again
    assert keeper.newest_good(KEY) is not None


def test_a_folder_of_another_step_is_refused(keeper: Keeper) -> None:
    first, second = (keeper.save(KEY, writer(step), facts(step)) for step in (1, 2))
    shutil.rmtree(second.path)
    shutil.copytree(first.path, second.path)
    found = keeper.newest_good(KEY)
    assert found is not None and found.step == 1


def test_full_disk_changes_nothing(keeper: Keeper, workspace: Workspace, ledger: CheckpointLedger) -> None:
    good = keeper.save(KEY, writer(1), facts(1))

    def write(folder: Path) -> None:
        writer(2)(folder)
        with open("/dev/full", "wb", buffering=0) as device:
            device.write(b"x")

    with pytest.raises(DiskFull):
        keeper.save(KEY, write, facts(2))
    assert names(workspace) == [Path(good.path).name]
    assert ledger.list(KEY) == [good]


def test_retention_after_each_save(keeper: Keeper, workspace: Workspace, ledger: CheckpointLedger) -> None:
    for step in range(1, 4):
        keeper.save(KEY, writer(step), facts(step))
    ledger.examined(f"{KEY}@2", 0.9, {"n": 100})
    for step in range(4, 9):
        keeper.save(KEY, writer(step), facts(step, levels={"bin": 1} if step >= 5 else {}))
    assert [r.step for r in ledger.present(KEY)] == [2, 5, 6, 7, 8]
    assert len(names(workspace)) == 5
    assert ledger.get(f"{KEY}@1").state == "dropped"


def test_recover_registers_what_was_sealed_only(keeper: Keeper, workspace: Workspace, ledger: CheckpointLedger) -> None:
    folder = workspace.checkpoints(KEY.hero, KEY.campaign) / "checkpoint-5-20260102-0304"
    files.seal(folder, writer(5), facts(5))
    assert keeper.recover(KEY).registered == [f"{KEY}@5"]
    assert ledger.newest(KEY) is not None
    assert keeper.recover(KEY).registered == []


def test_recover_marks_what_is_gone(keeper: Keeper, ledger: CheckpointLedger) -> None:
    keeper.save(KEY, writer(1), facts(1))
    lost = keeper.save(KEY, writer(2), facts(2))
    shutil.rmtree(lost.path)
    assert keeper.recover(KEY).gone == [lost.id]
    assert (ledger.get(lost.id).state, ledger.reason(lost.id)) == ("dropped", "its folder is gone")


def test_recover_after_a_kill_between_quarantine_and_its_row(
    keeper: Keeper, workspace: Workspace, ledger: CheckpointLedger
) -> None:
    record = keeper.save(KEY, writer(1), facts(1))
    aside = workspace.quarantine / KEY.hero / KEY.campaign
    aside.mkdir(parents=True)
    shutil.move(record.path, aside)
    assert keeper.recover(KEY).quarantined == [record.id]
    assert ledger.get(record.id).path == str(aside / Path(record.path).name)


def test_recover_never_takes_in_what_is_damaged(keeper: Keeper, workspace: Workspace, events: Events) -> None:
    folder = workspace.checkpoints(KEY.hero, KEY.campaign) / "checkpoint-5-20260102-0304"
    files.seal(folder, writer(5), facts(5))
    _damage(folder / "optimizer.pt", "flip")
    assert keeper.recover(KEY).quarantined == [folder.name]
    assert not folder.exists()
    assert events.newest(1)[0].kind == "checkpoint_quarantined"
    assert keeper.newest_good(KEY) is None


@pytest.mark.parametrize("registered", ["older", "newer"])
def test_recover_of_two_saves_of_one_step(
    registered: str, keeper: Keeper, workspace: Workspace, ledger: CheckpointLedger
) -> None:
    parent = workspace.checkpoints(KEY.hero, KEY.campaign)
    older, newer = parent / "checkpoint-5-20260102-0304", parent / "checkpoint-5-20260102-0305"
    a = files.seal(older, writer(5), facts(5))
    b = files.seal(newer, writer(5), facts(5, created=1_700_000_099.0))
    ledger.register(*((a, older) if registered == "older" else (b, newer)))
    keeper.recover(KEY)
    assert names(workspace) == [newer.name]
    assert [r.path for r in ledger.list(KEY)] == [str(newer)]


def test_a_copied_workspace_lives_on_its_own(
    keeper: Keeper, workspace: Workspace, ledger: CheckpointLedger, db: Database, events: Events, tmp_path: Path
) -> None:
    for step in (1, 2):
        keeper.save(KEY, writer(step), facts(step))
    copied = Workspace(tmp_path / "copy")
    shutil.copytree(workspace.root, copied.root, symlinks=True)
    other = Keeper(copied, ledger, events, RetentionSettings(keep_newest=1))
    other.recover(KEY)
    found = other.newest_good(KEY)
    assert found is not None and copied.root in Path(found.path).parents
    assert [one.checkpoint for one in other.retain(KEY).plan.of("drop")] == [f"{KEY}@1"]
    assert len(names(workspace)) == 2  # the original is untouched


def test_a_folder_in_the_way_of_the_link_is_said(keeper: Keeper, workspace: Workspace) -> None:
    workspace.current_model.mkdir()
    with pytest.raises(WorkspaceError, match="a folder of its own"):
        keeper.save(KEY, writer(1), facts(1))


def test_a_checkpoint_is_found_by_its_campaigns_name(keeper: Keeper, ledger: CheckpointLedger) -> None:
    with pytest.raises(CheckpointError, match=f"of {KEY.hero} there are: none yet"):
        keeper.named(KEY.hero, "", "")
    first, second = (keeper.save(KEY, writer(step), facts(step)) for step in (1, 2))
    assert keeper.named(KEY.hero, KEY.campaign, "")[0].id == keeper.named(KEY.hero, "", "latest")[0].id == second.id
    with pytest.raises(CheckpointError, match="champion is not there"):
        keeper.named(KEY.hero, KEY.campaign, "champion")
    ledger.examined(first.id, 0.9, {"n": 100, "levels": {"bin": 1}})
    for which in ("", "champion", "1"):
        record, folder = keeper.named(KEY.hero, KEY.campaign, which)
        assert (record.id, folder) == (first.id, Path(first.path))
    with pytest.raises(CheckpointError, match=f"{KEY.hero}:{KEY.campaign}") as unknown:
        keeper.named(KEY.hero, "elsewhere", "")
    assert "realm campaign list" in unknown.value.hint
    with pytest.raises(CheckpointError, match="@7 is not there"):
        keeper.named(KEY.hero, KEY.campaign, "7")
    _damage(Path(second.path) / "model.safetensors", "flip")
    with pytest.raises(CheckpointError):
        keeper.named(KEY.hero, KEY.campaign, "latest")
