"""The map of words: complete sentences for every fact, and an empty map that leaves every word as it is."""

import tomllib
from dataclasses import fields
from string import Formatter

import pytest

from realm.events import KINDS, LevelGained, QuestRejected, Recorded
from realm.tavern.lore import LORE_FILE, Skin, read_skin, skins
from realm.tavern.pages import STATIC
from realm.tavern.sentences import ICONS, PLAIN

TEMPLATES = STATIC.parent / "templates"


def test_an_empty_file_gives_the_lab_skin() -> None:
    skin = read_skin("")
    assert skin.name == "lab"
    assert skin.word("training run") == "Training run"
    assert skin.icon("training run", "play") == "play"
    assert skin.motto("training run") == ""
    assert skin == skins()["lab"]


def test_the_shipped_file_gives_the_realm_skin() -> None:
    skin = skins()["realm"]
    assert skin.name == "realm"
    assert skin.word("training run") == "Battle"


def test_every_kind_of_fact_has_a_sentence_in_both_skins() -> None:
    lore = tomllib.loads(LORE_FILE.read_text(encoding="utf-8"))["facts"]
    assert set(PLAIN) == set(lore) == set(KINDS)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_sentences_name_only_fields_that_the_fact_has(kind: str) -> None:
    known = {f.name for f in fields(KINDS[kind])}
    for text in (PLAIN[kind], skins()["realm"].facts[kind]):
        assert {name for _, name, _, _ in Formatter().parse(text) if name} <= known


def test_a_sentence_shows_figures_short_and_text_as_it_is() -> None:
    gained = LevelGained(skill="bin", level=3, step=12_000, tokens=5)
    said = skins()["lab"].sentence(Recorded(1, 0.0, "level_gained", gained))
    assert said == "BIN level 3 mastered at step 12\u202f000."
    hostile = QuestRejected(quest="q", name="{0.__class__}", reason="<b>")
    assert "{0.__class__}" in skins()["lab"].sentence(Recorded(1, 0.0, "quest_rejected", hostile))


def test_a_field_that_is_not_there_is_a_question_mark() -> None:
    skin = Skin({}, {"level_gained": "{level} {nothing.__init__}"})
    assert skin.sentence(Recorded(1, 0.0, "level_gained", LevelGained(skill="b", level=2, step=1, tokens=1))) == "2 ?"


def test_no_lore_word_stands_outside_the_lore_file() -> None:
    """Only words that are lore and nothing else: `Quest`, `Level`, `Guild` are domain words or names of places."""
    lore_only = ["Battle", "Damage", "Disciplines", "hearth", "Urgent", "Whenever", "ATK", "The climb", "Turned away"]
    places = [*TEMPLATES.rglob("*.html"), *STATIC.glob("js/*.js"), *STATIC.parent.glob("*.py")]
    texts = {place.name: place.read_text() for place in places}
    assert not [(n, word) for n, text in texts.items() for word in lore_only
                if f">{word}<" in text or f'"{word}"' in text]  # fmt: skip


def test_every_icon_that_is_named_is_drawn() -> None:
    drawn = (TEMPLATES / "icons.svg").read_text()
    lore = tomllib.loads(LORE_FILE.read_text(encoding="utf-8"))["words"]
    named = set(ICONS.values()) | {entry["icon"] for entry in lore.values() if "icon" in entry}
    assert not [name for name in named if f'id="i-{name}"' not in drawn]
