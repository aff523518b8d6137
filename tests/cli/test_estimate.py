"""`realm estimate`: words and JSON, options, the campaign in play, a correction by what was measured here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from realm.arena.fit.remembered import Remembered, memory_settings
from realm.cli import main
from realm.config.layers import load
from realm.config.presets import preset_spec
from realm.errors import ConfigError, UsageError
from realm.workspace import Workspace


@pytest.fixture(autouse=True)
def _here(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REALM_HOME", str(workspace.root))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert run("estimate", *arguments, "--json") == 0
    read: dict[str, object] = json.loads(capsys.readouterr().out)
    return read


def run(*arguments: str) -> int:
    try:
        main(list(arguments))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_a_preset_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("estimate", "hatchling-quick") == 0
    said = capsys.readouterr().out
    assert "Qwen3ForCausalLM" in said and "of 6 GB (cpu)" in said
    assert all(part in said for part in ("weights", "gradients", "optimizer", "activations", "logits", "runtime"))


def test_options_change_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    usual = told(capsys, "hatchling-quick")
    small = told(capsys, "hatchling-quick", "--batch", "1", "--length", "128", "optim=adamw_8bit")
    assert usual["fits"] is True and usual["change"] is None
    assert _number(small, "activations_bytes") < _number(usual, "activations_bytes")
    assert _number(small, "optimizer_bytes") < _number(usual, "optimizer_bytes")


def test_the_campaign_in_play_needs_no_preset(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "--length", "64")["hero"] == "hatchling"


def test_a_size_that_no_configuration_tells_is_estimated_by_shape(capsys: pytest.CaptureFixture[str]) -> None:
    read = told(capsys, "oracle-rauru-cloud")
    assert "shape guessed" in str(read["source"])


def test_what_does_not_fit_names_the_mildest_change(capsys: pytest.CaptureFixture[str]) -> None:
    limit, checkpointing = "hardware.cloud-rtx-4090.available_memory_gb=12", "gradient_checkpointing=false"
    assert run("estimate", "oracle-rauru-cloud", limit, checkpointing) == 0
    assert "Would fit: batch_size=1 gradient_accumulation=8 gradient_checkpointing=true" in capsys.readouterr().out
    assert run("estimate", "oracle-rauru-cloud", "hardware.cloud-rtx-4090.available_memory_gb=1") == 0
    assert "choose a smaller hero" in capsys.readouterr().out


def test_a_measured_peak_corrects_and_is_shown(capsys: pytest.CaptureFixture[str], workspace: Workspace) -> None:
    spec = preset_spec(load(env={}), "hatchling-quick", versions={})
    before = told(capsys, "hatchling-quick")
    measured = int(1.5 * _number(before, "total_bytes"))
    Remembered(workspace.fit).keep_peak("hatchling", "cpu", memory_settings(spec.hyperparameters, ""), measured)
    after = told(capsys, "hatchling-quick")
    assert after["total_bytes"] == before["total_bytes"]
    assert _number(after, "corrected_bytes") == pytest.approx(measured, rel=0.01)
    assert run("estimate", "hatchling-quick") == 0
    assert "measured here on cpu" in capsys.readouterr().out
    other = told(capsys, "hatchling-quick", "adapter=minimal")  # another adapter: that peak says nothing of it
    assert other["corrected_bytes"] is None


def test_limits_are_refused_all_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        main(["--verbose", "estimate", "oracle-rauru-mac", "--batch", "4", "--length", "4096", "bf16=true"])
    assert len(refused.value.problems) == 3
    assert run("estimate", "oracle-rauru-mac", "--batch", "4", "--length", "4096", "bf16=true") == 2


def test_mistakes_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("estimate", "hatchling-quik") == 2
    assert "hatchling-quick" in capsys.readouterr().err
    with pytest.raises(UsageError, match="adapter"):
        main(["--verbose", "estimate", "--adapter", "minimal"])


def _number(read: dict[str, object], key: str) -> float:
    value = read[key]
    assert isinstance(value, int | float)
    return value


def test_print_launch_tells_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("train", "hatchling-quick", "hardware.cpu.processes=2", "--print-launch") == 0
    assert capsys.readouterr().out.strip() == (
        "torchrun --standalone --nproc-per-node=2 --max-restarts=0 -m realm train hatchling-quick "
        "hardware.cpu.processes=2"
    )
