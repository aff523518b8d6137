"""A package brings a training method and a model family: settings accept their names, and a hero trains by them."""

from __future__ import annotations

from pathlib import Path

import pytest

from realm.arena.engine import Engine
from realm.config.layers import hyperparameters_for, load, resolve_hero
from realm.errors import ConfigError
from realm.heroes import hero as heroes
from realm.records import Progress
from tests.arena.arena_support import Notes, small_hero, small_rows
from tests.guild.packages import install_module

PLUGIN = '''
def method():
    from realm.arena.methods.sft import SupervisedFineTuning

    class Reversed(SupervisedFineTuning):
        """Supervised fine-tuning that reads its rows from the end."""

        seen = []

        def course(self, rows, *, seed):
            rows = list(rows)[::-1]
            self.seen.append(rows[0]["prompt"])
            return super().course(rows, seed=seed)

    return Reversed


def family():
    from realm.heroes.families import TransformersFamily

    class Plain(TransformersFamily):
        id = "plain"

        def answer(self, model, tokenizer, prompts, **how):
            return ["plain"] * len(prompts)

    return Plain()
'''
CHOSEN = ["training.method=reversed", "heroes.hatchling.family=plain", "training.max_length=64"]


@pytest.fixture(autouse=True)
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {"realm.methods": {"reversed": "realm_plain:method"}, "realm.families": {"plain": "realm_plain:family"}}
    install_module(tmp_path / "packages", "realm-plain", PLUGIN, entries)
    monkeypatch.syspath_prepend(tmp_path / "packages")


def test_a_hero_of_another_family_trains_by_another_method() -> None:
    settings = load(overrides=CHOSEN, env={})
    profile = resolve_hero(settings, "hatchling")
    hero = heroes.load(profile, seed=0)
    assert (hero.family.id, hero.family.answer(hero.model, hero.tokenizer, ["?"], max_new_tokens=1)) == (
        "plain",
        ["plain"],
    )
    small = small_hero()
    engine = Engine.open(small, hyperparameters_for(settings, "hatchling"), progress=Progress())
    rows = small_rows(30)
    result = engine.train(rows, run="r", quest="q", hooks=Notes())
    assert result.outcome == "completed" and result.steps > 0
    assert type(engine.method("reversed")).__name__ == "Reversed"
    assert engine.method("reversed").seen == [rows[-1]["prompt"]]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("training.method=reversd", "is no training method (did you mean 'reversed'?)"),
        ("training.method=stf", "is no training method (did you mean 'sft'?)"),
        ("training.method=qqq", "is no training method (known: "),
        ("heroes.hatchling.family=transformer", "is no model family (did you mean 'transformers'?)"),
        ("heroes.hatchling.family=plane", "is no model family (did you mean 'plain'?)"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(override: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(overrides=[override], env={})
    assert said in caught.value.message


def test_without_the_package_its_names_are_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(tmp_path / "packages")])
    with pytest.raises(ConfigError, match="is no training method"):
        load(overrides=["training.method=reversed"], env={})
