"""`realm config`, `realm presets` and the dry run, as a person calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from realm.cli import main
from realm.cli.train_dry_run import dry_run, list_hardware, list_heroes, preset_run
from realm.errors import ConfigError
from realm.workspace import Workspace

OLDER_FILE = Path(__file__).parents[1] / "config" / "data" / "training.toml"


@pytest.fixture(autouse=True)
def here(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("REALM_HOME", str(workspace.root))
    return workspace


def realm(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def test_show_as_text_with_sources(capsys: pytest.CaptureFixture[str], here: Workspace) -> None:
    assert realm("config", "show", "campaign", "--sources") == 0
    said = capsys.readouterr().out
    assert f'campaign.hero = "hatchling"   # {here.settings}' in said
    assert "campaign.seed = 0   # default" in said


def test_show_as_json_keeps_the_token_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REALM_SERVICES__TOKEN", "secret-word")
    assert realm("config", "show", "--json") == 0
    said = capsys.readouterr().out
    assert json.loads(said)["services"]["token"] == "(set)"
    assert "secret-word" not in said


def test_show_an_unknown_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert realm("config", "show", "campain") == 2
    assert "Did you mean 'campaign'?" in capsys.readouterr().err


def test_set_and_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert realm("config", "set", "services.tavern_port", "9001") == 0
    capsys.readouterr()
    assert realm("config", "show", "services.tavern_port", "--json") == 0
    assert json.loads(capsys.readouterr().out) == 9001


def test_a_mistake_is_told_and_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert realm("config", "set", "services.tavern_prt", "9001") == 2
    said = capsys.readouterr().err
    assert "Did you mean 'tavern_port'?" in said and "Next:" in said


def test_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert realm("config", "schema") == 0
    assert json.loads(capsys.readouterr().out)["title"] == "RealmSettings"


def test_presets_with_another_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert realm("presets", "--json", "--config", str(OLDER_FILE)) == 0
    names = [preset["name"] for preset in json.loads(capsys.readouterr().out)]
    assert {"purah-rented", "oracle-rauru-mac"} <= set(names)


def test_dry_run_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    dry_run("purah-laptop", ["learning_rate=1e-3"], OLDER_FILE)
    said = capsys.readouterr().out
    for part in ("purah-laptop", "learning rate 0.001", "rank 4 on q_proj, v_proj", "an estimate from", "python_path"):
        assert part in said


@pytest.mark.parametrize(
    ("teacher", "words"),
    [
        ("Hatchling:elder@40", "Hatchling:elder@40; it scores every token"),
        ("http://127.0.0.1:8000/v1#qwen", "so its answers are the text to learn (sequence-level)"),
    ],
)
def test_dry_run_shows_who_teaches(teacher: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    dry_run("hatchling-quick", ["method=distill", f"teacher={teacher}"])
    told = capsys.readouterr().out
    assert words in next(line for line in told.splitlines() if line.startswith("  teacher"))
    with pytest.raises(ConfigError, match="hatchling-quick: teacher: The method distill needs a teacher"):
        dry_run("hatchling-quick", ["method=distill"])


def test_dry_run_warns_of_memory_and_names_a_change(capsys: pytest.CaptureFixture[str]) -> None:
    dry_run("oracle-rauru-windows", ["hardware.windows-rtx-5060.available_memory_gb=12"])
    assert "Would fit: batch_size=1 gradient_accumulation=8" in capsys.readouterr().out


def test_dry_run_as_json_holds_the_spec(capsys: pytest.CaptureFixture[str]) -> None:
    dry_run("hatchling-quick", as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["spec"]["hero"] == "hatchling" and len(told["hash"]) == 64
    assert told["memory"]["total_bytes"] > 0


def test_dry_run_refuses_what_the_hardware_cannot_carry() -> None:
    with pytest.raises(ConfigError) as error:
        dry_run("purah-desk", config_file=OLDER_FILE)
    assert len(error.value.problems) == 4


@pytest.mark.parametrize("override", ["lr=0.5", "training.learning_rate=0.5", "hyperparameters.lr=0.5"])
def test_the_command_line_wins_over_the_preset(override: str) -> None:
    spec, _, _ = preset_run("hatchling-quick", [override])
    assert spec.hyperparameters.learning_rate == 0.5


def test_lists(capsys: pytest.CaptureFixture[str]) -> None:
    list_heroes()
    list_hardware(OLDER_FILE)
    said = capsys.readouterr().out
    assert "oracle-sheik-debugger" in said and "Qwen/Qwen3-0.6B" in said
    assert "unsupported: the installed PyTorch has no kernels" in said and "0.60 USD/h" in said
    assert said.count("this machine") == 1


def test_doctor_names_keys_that_are_not_used(capsys: pytest.CaptureFixture[str], here: Workspace) -> None:
    here.settings.write_text('[output]\nlogs_dir = "elsewhere"\n')
    realm("doctor")
    said = capsys.readouterr().out
    assert "warn  settings: " in said
    assert "'logs_dir' is accepted and not used: logs stay in the workspace" in said
