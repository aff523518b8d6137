"""A preset trained by the command and by `ConfigTrainer`: the folder, its metadata, splits, interruption, mistakes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
import torch

from realm import ConfigTrainer
from realm.arena.precision import multiplies_bfloat16
from realm.db import open_database
from realm.errors import ConfigError, QuestError, TrainingError, UsageError
from realm.events import AlertRaised, Events
from realm.guild.progression import Examination
from realm.presets.loop import PresetLoop
from realm.presets.trainer import Silent
from realm.records import CheckpointRecord, StepMetrics
from realm.workspace import Workspace


def realm(home: Workspace, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "REALM_HOME": str(home.root), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "realm", *words], env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.mark.slow
def test_a_file_of_the_older_schema_trains_by_the_command(home: Workspace, file: Path) -> None:
    done = realm(home, "train", "lantern-slim", "--config", str(file), "--verbose")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("'logs_dir' is accepted and not used") == 1
    folder = Path(done.stdout.rpartition("Model: ")[2].strip())
    assert folder.parent == file.parent / "models"
    assert folder.name.startswith("lantern-keeper-sums-tiny-local-01m-20")
    for name in ("adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        assert (folder / name).is_file(), name
    assert not (folder / "optimizer.pt").exists()
    told = json.loads((folder / "metadata.json").read_text())
    assert list(told) == ["expert", "model", "training", "hardware", "evaluation", "metadata"]
    assert told["expert"] == {
        "name": "Lantern Keeper", "role": "sums", "group": "workshop", "specialization": "adding small numbers",
    }  # fmt: skip
    assert told["model"] | {"lora_rank": 4, "lora_alpha": 8} == told["model"]
    training = told["training"]
    assert training["num_samples"] == 40, "the poor rows are left out, and the validation rows are not trained on"
    assert training["dataset"] == str(file.parent / "sums")
    assert (training["sequence_length"], training["batch_size"], training["learning_rate"]) == (128, 1, 3e-3)
    assert told["hardware"]["name"] == "A bench machine"
    evaluation = told["evaluation"]
    assert evaluation["test"]["rows"] == 10 and 0 < evaluation["test"]["loss"] < 20
    assert 0 < evaluation["val_loss"] < 20
    assert evaluation["examinations"] == [], "this expert weighs no skill"
    assert f"Test loss: {evaluation['test']['loss']:.4f} on 10 rows" in done.stdout
    assert "step 2/" in done.stdout and "validation loss" in done.stdout


class Note(Silent):
    """Remembers; ends the training at a step as a person would."""

    def __init__(self, stop_at: int = 0) -> None:
        self.steps: list[StepMetrics] = []
        self.saved: list[str] = []
        self.stop_at = stop_at
        self.loop: PresetLoop | None = None

    def begin(self, loop: PresetLoop) -> None:
        self.loop = loop

    def on_step(self, metrics: StepMetrics) -> None:
        self.steps.append(metrics)
        if metrics.quest_step == self.stop_at:
            raise KeyboardInterrupt

    def on_checkpoint(self, checkpoint: CheckpointRecord, taken: Sequence[Examination]) -> bool:
        self.saved.append(checkpoint.id)
        return True


def test_the_validation_split_gives_the_validation_loss(home: Workspace, file: Path) -> None:
    trainer, note = ConfigTrainer(file, workspace=home.root), Note()
    trainer.run(trainer.build_training_config("lantern-bench"), listener=note, started=note.begin)
    assert note.loop is not None and note.loop.engine.reading is not None
    assert (len(note.loop.engine.reading.train), len(note.loop.engine.reading.held_out)) == (40, 12)
    assert [m.quest_step for m in note.steps if m.val_loss is not None][:1] == [4]


def test_a_configuration_can_be_changed_before_it_is_trained(home: Workspace, file: Path) -> None:
    trainer = ConfigTrainer(file, workspace=home.root)
    config = trainer.build_training_config("lantern-bench")
    assert (config.learning_rate, config.num_epochs, config.sequence_length) == (3e-3, 1, 128)
    config.learning_rate, config.num_epochs, config.max_steps = 1e-3, 2, 3
    told = json.loads((trainer.train_with_config(config) / "metadata.json").read_text())
    assert (told["training"]["learning_rate"], told["training"]["num_epochs"]) == (1e-3, 2)
    with pytest.raises(AttributeError, match="learnig_rate"):
        config.learnig_rate = 1e-4
    with pytest.raises(ConfigError, match="learning_rate = 'fast'"):
        config.learning_rate = "fast"
    config.batch_size, config.sequence_length = 64, 512
    with pytest.raises(ConfigError) as error:
        trainer.train_with_config(config)
    assert len(error.value.problems) == 3  # the bench carries neither, and the expert reads no 512 tokens
    config = trainer.build_training_config("lantern-bench")
    config.examine = ("binn",)
    with pytest.raises(UsageError) as unknown:
        trainer.train_with_config(config)
    assert unknown.value.hint == "Did you mean 'bin'?"


def test_metadata_tells_what_auto_turned_out_to_be(home: Workspace, file: Path) -> None:
    trainer = ConfigTrainer(file, workspace=home.root)
    config = trainer.build_training_config("lantern-bench")
    config.batch_size, config.bf16, config.max_steps = "auto", "auto", 2
    told = json.loads((trainer.train_with_config(config) / "metadata.json").read_text())
    assert told["training"]["batch_size"] == 4, "as many as the profile allows: the rows are short"
    assert told["hardware"]["bf16"] is multiplies_bfloat16(torch.device("cpu"))


def test_an_interrupted_training_goes_on_at_its_checkpoint(home: Workspace, file: Path) -> None:
    trainer, note = ConfigTrainer(file, workspace=home.root), Note(stop_at=6)
    config = trainer.build_training_config("lantern-bench", ["num_epochs=2"])
    with pytest.raises(KeyboardInterrupt):
        trainer.run(config, listener=note, started=note.begin)
    assert note.saved == ["lantern-keeper:lantern-bench@4"]
    with pytest.raises(UsageError, match=r"learning_rate was 0.003, is 0.001") as other:
        trainer.run(trainer.build_training_config("lantern-bench", ["num_epochs=2", "learning_rate=1e-3"]))
    assert "--resume" in other.value.hint
    again = Note()
    finished = trainer.run(config, listener=again, started=again.begin)
    assert again.steps[0].quest_step == 5, "from the sealed checkpoint on"
    assert finished.spec.campaign == "lantern-bench"
    whole = Note()
    uncut = trainer.run(config, how="fresh", listener=whole, started=whole.begin)
    assert uncut.spec.campaign == "lantern-bench-002"
    assert [m.loss for m in whole.steps[4:]] == pytest.approx([m.loss for m in again.steps], rel=1e-5)
    with pytest.raises(UsageError, match="no interrupted training"):
        trainer.run(config, how="resume")
    assert list(home.queue("active").glob("*.jsonl")) == []


def test_each_training_begins_at_the_base_unless_it_names_a_campaign(home: Workspace, file: Path) -> None:
    trainer = ConfigTrainer(file, workspace=home.root)
    config = trainer.build_training_config("lantern-bench", ["max_steps=2"])
    first, second = trainer.run(config), trainer.run(config)
    assert (first.spec.campaign, second.spec.campaign) == ("lantern-bench", "lantern-bench-002")
    assert first.trained.evaluation["test"] == second.trained.evaluation["test"], "the same training, done again"
    assert first.model != second.model
    config.campaign = "long-road"
    assert [trainer.run(config).trained.checkpoint.step for _ in range(2)] == [2, 4]


def test_examined_after_training(home: Workspace, file: Path) -> None:
    trainer = ConfigTrainer(file, workspace=home.root)
    config = trainer.build_training_config("lantern-bench", ["max_steps=2", "examine=bin"])
    taken = trainer.run(config).trained.evaluation["examinations"]
    assert [(one["skill"], one["level"], one["n"]) for one in taken] == [("bin", 1, 8)]


def test_trackers_are_told_and_an_absent_one_stops_nothing(
    home: Workspace, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)  # what an import finds where there is no such package
    trainer, note = ConfigTrainer(file, workspace=home.root), Note()
    trainer.run(
        trainer.build_training_config("lantern-bench", ["max_steps=4", "examine=bin", "report_to=tensorboard,wandb"]),
        listener=note, started=note.begin,
    )  # fmt: skip
    assert [m.quest_step for m in note.steps] == [1, 2, 3, 4]
    (told,) = home.trackers.rglob("lantern-bench/*/events.out.tfevents.*")
    assert b"train/loss" in told.read_bytes() and b"exam/bin/1" in told.read_bytes()
    assert note.loop is not None
    with closing(open_database(home.database)) as db:
        alerts = [r.fact for r in Events(db).replay() if isinstance(r.fact, AlertRaised)]
    assert [(a.alert, a.todo) for a in alerts] == [("tracker-wandb", "Install it: pip install wandb")]


def test_a_person_may_stop_it_and_go_on(home: Workspace, file: Path) -> None:
    trainer, note = ConfigTrainer(file, workspace=home.root), Note()
    config = trainer.build_training_config("lantern-bench")

    def begin(loop: PresetLoop) -> None:
        note.begin(loop)
        loop.stopping.set()  # what Ctrl-C does

    with pytest.raises(TrainingError, match="Stopped at step 0") as error:
        trainer.run(config, listener=note, started=begin)
    assert error.value.hint == "Go on: realm train lantern-bench --resume"
    assert trainer.run(config, how="resume").spec.campaign == "lantern-bench"


def test_nothing_good_enough_to_train_on(home: Workspace, file: Path) -> None:
    text = file.read_text().replace("quality_threshold = 0.6", "quality_threshold = 0.99")
    file.write_text(text)
    with pytest.raises(QuestError, match="holds no row to train on"):
        ConfigTrainer(file, workspace=home.root).train("lantern-bench")
    assert list(home.inbox.rglob("*.jsonl*")) == []


def test_a_preset_with_three_mistakes_names_all_three(home: Workspace, file: Path) -> None:
    text = file.read_text().replace('hyperparameters = "default"', 'hyperparameters = "defualt"', 1)
    text = text.replace("batch_size = 1", "batch_size = 9").replace("sequence_length = 128", "sequnce_length = 128", 1)
    file.write_text(text)
    done = realm(home, "train", "lantern-bench", "--config", str(file))
    assert done.returncode == 2
    said = done.stderr
    for line, words in {
        "sequnce_length": "Did you mean 'sequence_length'?", "defualt": "Did you mean 'default'?",
        "batch_size = 9": "batch size 9 is more than bench (A bench machine) carries: 4.",
    }.items():  # fmt: skip
        number = next(n for n, one in enumerate(text.splitlines(), 1) if line in one)
        assert any(f"{file}, line {number}:" in one and words in one for one in said.splitlines()), (line, said)
    assert not (home.root / "campaigns" / "lantern-keeper").exists()


def test_lists_and_suggestions(home: Workspace, file: Path) -> None:
    datasets = realm(home, "train", "--list-datasets", "--config", str(file), "--json")
    sums = next(one for one in json.loads(datasets.stdout) if one["name"] == "sums")
    assert sums["splits"] == ["train", "val", "test"]
    suggested = json.loads(realm(home, "train", "--suggest", "--config", str(file), "--json").stdout)
    assert suggested["presets"] and suggested["hardware"]
