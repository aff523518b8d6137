"""Which layer wins, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from realm.config.layers import combine, hyperparameters_for, load, load_with_sources, resolve_hero
from realm.config.sources import TomlText
from realm.errors import ConfigError, UsageError


def problems(text: str, overrides: tuple[str, ...] = (), env: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as error:
        combine([TomlText("realm.toml", text)], overrides, env or {})
    return error.value.problems


def test_later_layers_win_and_are_named(tmp_path: Path) -> None:
    file, other = tmp_path / "realm.toml", tmp_path / "other.toml"
    file.write_text('[campaign]\nhero = "smol"\nname = "one"\nseed = 1\n[quests]\nmax_retries = 1\n')
    other.write_text('[campaign]\nname = "two"\nseed = 2\n[quests]\nmax_retries = 2\n')
    env = {"REALM_CAMPAIGN__SEED": "3", "REALM_QUESTS__MAX_RETRIES": "3", "REALM_HOME": "/somewhere"}
    loaded = load_with_sources(file, ["quests.max_retries=4"], env, config_file=other)
    campaign = loaded.settings.campaign
    assert (campaign.hero, campaign.name, campaign.seed) == ("smol", "two", 3)
    assert loaded.settings.quests.max_retries == 4
    assert loaded.sources["campaign.hero"] == str(file)
    assert loaded.sources["campaign.name"] == str(other)
    assert loaded.sources["campaign.seed"] == "environment"
    assert loaded.sources["quests.max_retries"] == "command line"
    assert loaded.sources["heroes.smol.base_model"] == "catalog/heroes.toml"
    assert "quests.rescan_seconds" not in loaded.sources


def test_a_workspace_without_settings_has_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path / "realm.toml", env={}).campaign.hero == "hatchling"


def test_a_config_file_that_is_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent.toml cannot be read: No such file"):
        load(env={}, config_file=tmp_path / "absent.toml")


def test_all_mistakes_at_once_with_file_line_and_nearest_name() -> None:
    said = problems(
        '# settings\n[campain]\nhero = "smol"\n\n[campaign]\nheroo = "smol"\nskills = [\n  "bin",\n]\n'
        '[services]\ntavern_port = 70000\n[training]\noptim = "adam"\n[presets.x]\nexpert = "hatchlin"\n'
        'sequence_lenght = 3\nbatch_size = 0\n[heroes.new]\nabout = "no model"\n'
        "[hyperparameters.fast]\nlearning_rat = 1\n",
        ("page.skinn=lab", "nonsense"),
        {"REALM_STRAIN__FLOR": "1"},
    )
    expected = [
        "realm.toml, line 3: There is no table 'campain'. Did you mean 'campaign'?",
        "realm.toml, line 6: [campaign] has no key 'heroo'. Did you mean 'hero'?",
        "realm.toml, line 11: services.tavern_port = 70000: must be less than or equal to 65535.",
        "realm.toml, line 13: training.optim = 'adam': must be 'adamw', 'adamw_8bit', 'paged_adamw', "
        "'paged_adamw_8bit', 'muon', 'galore', 'galore_8bit' or 'apollo'.",
        "realm.toml, line 15: presets.x.hero: There is no hero named 'hatchlin'. Did you mean 'hatchling'?",
        "realm.toml, line 16: [presets.x] has no key 'sequence_lenght'. Did you mean 'sequence_length'?",
        "realm.toml, line 17: presets.x.per_device_train_batch_size = 0: must be greater than or equal to 1 or 'auto'.",
        "realm.toml, line 19: heroes.new.base_model is missing.",
        "realm.toml, line 21: [hyperparameters.fast] has no key 'learning_rat'. Did you mean 'learning_rate'?",
        "'page.skinn=lab': [page] has no key 'skinn'. Did you mean 'skin'?",
        "'nonsense' is no setting: write section.key=value, such as campaign.hero=smol.",
        "REALM_STRAIN__FLOR: [strain] has no key 'flor'. Did you mean 'floor'?",
    ]
    assert sorted(said) == sorted(expected)


def test_no_toml_is_told_with_its_line() -> None:
    assert "realm.toml: not valid TOML" in problems("[campaign]\nhero = \n")[0]
    assert "line 2" in problems("[campaign]\nhero = \n")[0]


def test_a_value_in_a_tables_place() -> None:
    assert any("heroes = 3" in said for said in problems("heroes = 3\n"))
    assert any("campaign = 'x'" in said for said in problems('campaign = "x"\n'))


def test_the_same_setting_under_two_names_is_a_mistake() -> None:
    said = problems("[training]\nbatch_size = 1\nper_device_train_batch_size = 2\n")
    assert said == [
        "realm.toml, line 3: 'per_device_train_batch_size' and 'batch_size' are the same setting; keep one."
    ]


def test_dangling_names_in_heroes_and_campaign() -> None:
    said = problems('[campaign]\nhero = "nobody"\n[heroes.DIO]\nadapter = "standart"\n')
    assert any("There is no adapter named 'standart'. Did you mean 'standard'?" in one for one in said)
    assert any("line 2: campaign.hero: There is no hero named 'nobody'." in one for one in said)


def test_the_hero_is_spelled_as_in_the_catalogue() -> None:
    settings = load(overrides=["campaign.hero=dio"], env={})
    assert settings.campaign.hero == "DIO"
    assert resolve_hero(settings, "Dio").base_model == "Qwen/Qwen3-0.6B"
    with pytest.raises(UsageError) as error:
        resolve_hero(settings, "hatchlig")
    assert error.value.hint == "Did you mean 'hatchling'?"


def test_values_of_the_command_line_and_the_environment() -> None:
    settings = load(
        overrides=["services.token=123", "campaign.skills=bin,sy", "campaign.seed = 7", 'campaign.name="a b"'],
        env={
            "REALM_HEROES__ORACLE_YAZE_EXPERT__CONTEXT_WINDOW": "99",
            "REALM_EXPERTS__DIO__TRAINING_DEFAULTS__LR": "0.5",
            "REALM_PAGE__SKIN": "lab",
        },
    )
    assert settings.services.token == "123"
    assert settings.campaign.skills == ("bin", "sy")
    assert (settings.campaign.seed, settings.campaign.name) == (7, "a b")
    assert settings.heroes["oracle-yaze-expert"].context_window == 99
    assert settings.heroes["DIO"].training_defaults["learning_rate"] == 0.5
    assert settings.page.skin == "lab"


def test_hosts_of_their_own_table() -> None:
    text = TomlText("realm.toml", '[hosts]\nvault = "http://box:8767"\n')
    assert combine([text], (), {}).settings.services.hosts == {"vault": "http://box:8767"}


def test_hyperparameters_of_a_hero() -> None:
    text = '[heroes.smol.training_defaults]\nlr = 1e-5\noptim = "muon"\n[training]\nlr = 3e-3\neval_strategy = "no"\n'
    settings = combine([TomlText("realm.toml", text)], (), {}).settings
    used = hyperparameters_for(settings, "smol")
    assert (used.learning_rate, used.optim, used.eval_fraction) == (3e-3, "muon", 0)
    assert used.lr_scheduler_type == "constant_with_warmup"  # the sets of presets have no say in a campaign


def test_a_hyperparameter_directly_under_its_table_is_for_all_trainings() -> None:
    assert load(overrides=["hyperparameters.lr=0.25"], env={}).training == {"learning_rate": 0.25}


def test_hero_synonyms() -> None:
    text = '[experts.x]\nbase_model = "smol"\nlora = "minimal"\noptimizer = "muon"\n'
    hero = combine([TomlText("t", text)], (), {}).settings.heroes["x"]
    assert (hero.adapter, hero.training_defaults) == ("minimal", {"optim": "muon"})


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "realm.toml"
    file.write_bytes(b"\xef\xbb\xbf[campaign]\r\nseed = 4\r\n")
    assert load(file, env={}).campaign.seed == 4


def test_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "realm.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(file, env={})


def test_all_keys_of_an_adapter_are_used() -> None:
    text = '[adapters.mine]\nr = 4\nlora_dropout = 0.1\n[presets.p]\nhero = "DIO"\nbias = "all"\nuse_dora = true\n'
    assert combine([TomlText("realm.toml", text)], (), {}).notices == ()


@pytest.mark.parametrize(
    "color", ["red", "#12345", "#1234567", "#12345g", "#123456\\n", "#fff;} *{color:red", "url(x)"]
)
def test_a_colour_is_six_hexadecimal_digits(color: str) -> None:
    text = f'[heroes.mine]\nbase_model = "hatchling"\ncolor = "{color}"\n'
    [said] = problems(text)
    assert said.startswith("realm.toml, line 3: heroes.mine.color = ")
    assert said.endswith("must be a colour such as #e8a33d.")


@pytest.mark.parametrize(("text", "nearest"), [
    ('[heroes.FLO]\nadapter = "Standard"\n', "There is no adapter named 'Standard'. Did you mean 'standard'?"),
    ('[presets.p]\nhero = "flo"\nhardware = "Cpu"\n', "There is no hardware named 'Cpu'. Did you mean 'cpu'?"),
])  # fmt: skip
def test_only_heroes_answer_to_their_name_in_any_case(text: str, nearest: str) -> None:
    [said] = problems(text)
    assert said.endswith(nearest)
