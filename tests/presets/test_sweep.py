"""Sweeps really train: killed and gone on with, pruned, judged out of the ledgers, begun only once under a name."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from realm.cli import main
from realm.config.layers import combine
from realm.config.sources import TomlText
from realm.config.sweep_file import read_sweep
from realm.errors import ConfigError, UsageError
from realm.presets import sweep as sweeps
from realm.presets.trainer import ConfigTrainer
from realm.workspace import Workspace

from .conftest import rows

ON_THE_BENCH = """
[sweep]
preset = "lantern-bench"
objective = "val_loss"
trials = 3
sampler = "random"
startup_trials = 1
seed = 2
{more}
[space]
learning_rate = {{ choices = [3e-3, 1e-7] }}

[set]
max_steps = 12
"""


def begun(home: Workspace, file: Path, sweep: Path) -> sweeps.SweepRun:
    return sweeps.SweepRun(home, read_sweep(sweep), ConfigTrainer(file, workspace=home.root), None)


def test_a_sweep_finds_the_better_value_and_prunes_the_other(home: Workspace, file: Path, tmp_path: Path) -> None:
    path = tmp_path / "rates.toml"
    path.write_text(ON_THE_BENCH.format(more=""))
    said: list[str] = []
    trials = begun(home, file, path).go_on(said.append)
    good = [trial for trial in trials if trial.values["learning_rate"] == 3e-3]
    poor = [trial for trial in trials if trial.values["learning_rate"] == 1e-7]
    assert len(trials) == 3 and good and poor, "the seed was chosen so that both occur"
    assert {trial.state for trial in good} == {"complete"}
    assert poor[-1].state == "pruned" and any("pruned at" in words for words in said)
    assert trials[0].campaigns == ["sweep-rates-000"]
    _, study = sweeps.load(home, "rates")
    top = sweeps.best(study)
    assert top.values == {"learning_rate": 3e-3}
    assert {trial.value for trial in good} == {top.value}, "paired seeds: the same values give the same loss"
    before = len(study.get_trials())
    assert len(begun(home, file, path).go_on(said.append)) == before, "it has all its trials"
    path.write_text(ON_THE_BENCH.format(more="").replace("1e-7", "1e-6"))
    with pytest.raises(ConfigError, match="begun with other values"):
        begun(home, file, path)
    with pytest.raises(UsageError, match="There is no sweep named 'rats'"):
        sweeps.load(home, "rats")


def test_each_trial_trains_with_every_seed(home: Workspace, file: Path, tmp_path: Path) -> None:
    path = tmp_path / "paired.toml"
    path.write_text(ON_THE_BENCH.format(more="seeds = [1, 2]").replace("trials = 3", "trials = 1"))
    only = begun(home, file, path).go_on(lambda _words: None)[0]
    assert only.campaigns == ["sweep-paired-000-seed1", "sweep-paired-000-seed2"]
    spent = [json.loads(home.campaign_training("lantern-keeper", name).read_text())["spec"] for name in only.campaigns]
    assert [(json.loads(s)["seed"], json.loads(s)["hyperparameters"]["seed"]) for s in spent] == [(1, 1), (2, 2)]


def test_what_breaks_a_limit_is_refused_before_anything_is_written(home: Workspace, file: Path, tmp_path: Path) -> None:
    path = tmp_path / "wide.toml"
    path.write_text(ON_THE_BENCH.format(more="") + "\n[space.batch_size]\nlow = 1\nhigh = 64\n")
    with pytest.raises(ConfigError, match="batch size 64 is more than bench"):
        begun(home, file, path)
    path.write_text(ON_THE_BENCH.format(more="").replace('"val_loss"', '"binn/1"'))
    with pytest.raises(UsageError) as error:
        begun(home, file, path)
    assert error.value.hint == "Did you mean 'bin'?"
    assert not (home.root / "sweeps").exists()


@pytest.mark.slow
def test_a_sweep_that_was_killed_goes_on(
    home: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REALM_HOME", str(home.root))

    def said(*words: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["sweep", *words])
        assert not ended.value.code
        return capsys.readouterr().out

    data, path = tmp_path / "sums.jsonl", tmp_path / "hatch.toml"
    data.write_text(rows(0, 60))
    path.write_text("""
[sweep]
preset = "hatchling-quick"
objective = "bin/1"
trials = 3
file = "sums.jsonl"

[space]
learning_rate = { low = 1e-3, high = 1e-2, log = true }

[set]
max_steps = 6
save_steps = 3
batch_size = 1
sequence_length = 64
""")
    environment = {**os.environ, "REALM_HOME": str(home.root), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "realm", "sweep"]
    killed = subprocess.Popen([*command, str(path)], env=environment, stdout=subprocess.PIPE, text=True)
    assert killed.stdout
    for words in killed.stdout:
        if words.startswith("trial 1:"):
            break
    checkpoints = home.checkpoints("hatchling", "sweep-hatch-001")
    until = time.monotonic() + 120
    while not list(checkpoints.glob("checkpoint-*/realm.json")) and time.monotonic() < until:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    _, study = sweeps.load(home, "hatch")
    chosen = [trial.params for trial in study.get_trials()]
    assert len(chosen) == 2
    done = subprocess.run([*command, str(path)], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    told = json.loads(said("show", "hatch", "--json"))
    assert [trial["state"] for trial in told["trials"]] == ["complete"] * 3
    assert [trial["values"] for trial in told["trials"][:2]] == chosen, "the trial in hand kept its values"
    assert told["trials"][1]["campaigns"] == ["sweep-hatch-001"]
    assert told["best"]["value"] == max(trial["value"] for trial in told["trials"])
    runs = list(home.runs("hatchling", "sweep-hatch-001").iterdir())
    assert len(runs) == 1, "the killed run went on; it did not begin anew"
    preset = combine([TomlText("best", said("best", "hatch", "--preset"))], (), {}).settings.presets["hatch-best"]
    assert preset.overrides["learning_rate"] == told["best"]["values"]["learning_rate"]
    wrong = path.with_name("wrong.toml")
    wrong.write_text(path.read_text().replace("learning_rate", "learnig_rate"))
    with pytest.raises(SystemExit) as refused:
        main(["sweep", str(wrong)])
    assert refused.value.code == 2
    assert "Did you mean 'learning_rate'?" in capsys.readouterr().err
    assert not (home.root / "sweeps" / "wrong").exists()
