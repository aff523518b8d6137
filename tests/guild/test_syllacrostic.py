"""SY's puzzles: what the level table says holds in each of them, one solution, and a held-out side that stays apart."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from hashlib import blake2b
from itertools import pairwise, product
from math import ceil
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from realm.errors import SkillError
from realm.guild.skill import Problem, load_spec
from realm.guild.skills.syllacrostic import SyllacrosticSkill
from realm.guild.skills.syllacrostic.clues import share_of
from realm.guild.skills.syllacrostic.lexicon import held_out, lexicon
from realm.guild.skills.syllacrostic.skill import DESCRIPTION
from realm.guild.skills.syllacrostic.spec import SyLevel, SySpec

SKILL = SyllacrosticSkill()
BY_TEXT = {word.text: word for word in lexicon().words}
LEVELS = range(1, 51)


@cache
def some(level: int, n: int = 8, side: str = "train") -> tuple[Problem, ...]:
    return tuple(SKILL.generate(level, f"sy/{level}/some/{i}", side=side) for i in range(n))  # type: ignore[arg-type]


def texts(problem: Problem) -> list[str]:
    return ["".join(parts) for parts in problem.meta["words"]]


def clue_lines(problem: Problem) -> list[str]:
    return [line for line in problem.prompt.split("\n") if re.match(r"(\d+\.|[A-L]\.|[ivx]+\.|-) \[[_ ]+\] ", line)]


# The ladder


def test_the_first_ten_levels_are_those_of_the_design() -> None:
    rows = [SKILL.spec.level(n) for n in range(1, 11)]
    assert [row.words for row in rows] == [
        (4, 4), (4, 5), (5, 5), (5, 6), (6, 6), (6, 7), (7, 7), (7, 8), (8, 9), (9, 10),
    ]  # fmt: skip
    assert [row.syllables for row in rows] == [
        (2, 3), (2, 3), (2, 4), (3, 4), (3, 5), (3, 5), (4, 5), (4, 6), (4, 6), (4, 6),
    ]  # fmt: skip
    assert [row.zipf for row in rows] == [5.5, 5.0, 4.5, 4.0, 3.5, 3.0, 2.8, 2.5, 2.5, 2.0]
    assert [row.overlap for row in rows] == [0, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    assert [row.herrings for row in rows] == [
        (0, 0), (0, 0), (0, 0), (0, 1), (1, 2), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6),
    ]  # fmt: skip


def test_formats_come_at_the_levels_of_the_design() -> None:
    new = {
        level: set(SKILL.spec.level(level).formats) - (set(SKILL.spec.level(level - 1).formats) if level > 1 else set())
        for level in LEVELS
    }
    assert {level: names for level, names in new.items() if names} == {
        1: {"json_words"}, 5: {"json_list"}, 10: {"json_map"}, 15: {"table"}, 20: {"numbered"}, 25: {"lines"},
        29: {"comma"}, 40: {"counts"},
    }  # fmt: skip


def test_from_level_eleven_on_one_thing_changes_at_a_time() -> None:
    rows = yaml.safe_load(DESCRIPTION.read_text(encoding="utf-8"))["levels"]
    assert len(rows) == 50
    for row in rows[10:]:
        assert len(row) == 2, row
        assert SKILL.spec.level(row["level"]) != SKILL.spec.level(row["level"] - 1).model_copy(
            update={"level": row["level"]}
        )


ORDERS = ("alphabetical", "by_length", "shuffled")
NEVER_EASIER = {
    "fewest words": lambda row: row.words[0],
    "most words": lambda row: row.words[1],
    "fewest syllables": lambda row: row.syllables[0],
    "most syllables": lambda row: row.syllables[1],
    "rarity": lambda row: -row.zipf,
    "overlap": lambda row: row.overlap,
    "fewest herrings": lambda row: row.herrings[0],
    "most herrings": lambda row: row.herrings[1],
    "fewest hints": lambda row: -row.hints[0],
    "most hints": lambda row: -row.hints[1],
    "definitions": lambda row: -row.definitions,
    "truncated": lambda row: row.truncated,
    "kept words": lambda row: -row.kept_words,
    "order": lambda row: ORDERS.index(row.order),
    "single blanks": lambda row: row.single_blanks,
}


@pytest.mark.parametrize("dimension", NEVER_EASIER)
def test_no_dimension_ever_gets_easier(dimension: str) -> None:
    hardness = [NEVER_EASIER[dimension](row) for row in SKILL.spec.levels]
    assert hardness == sorted(hardness)
    assert hardness[0] < hardness[-1] or dimension == "most hints"  # two from first to last


@pytest.mark.parametrize("field", ["channels", "layouts", "labels", "formats"])
def test_what_may_come_only_grows(field: str) -> None:
    rows: list[set[str]] = [set(getattr(row, field)) for row in SKILL.spec.levels]
    assert all(before <= after for before, after in pairwise(rows)) and rows[0] < rows[-1]
    assert all(len(getattr(row, field)) == len(set(getattr(row, field))) for row in SKILL.spec.levels)


def test_what_is_measured_in_puzzles_climbs_with_the_level() -> None:
    """The table may say what it likes: mean tiles, herrings and rarity of what is made, over bands of ten levels."""
    bands = [[p for level in range(start, start + 3) for p in some(level)] for start in (1, 5, 10, 46)]

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    tiles = [mean([len(p.meta["bank"]) for p in band]) for band in bands]
    rarity = [mean([-BY_TEXT[text].zipf for p in band for text in texts(p)]) for band in bands]
    hints = [mean([-n for p in band for n in p.meta["hints"]]) for band in bands]
    assert tiles == sorted(tiles) and rarity[:3] == sorted(rarity[:3])
    assert hints[2] < hints[3]


# What the level says holds


@pytest.mark.parametrize("level", LEVELS)
def test_a_puzzle_is_what_its_level_says(level: int) -> None:
    row = SKILL.spec.level(level)
    for problem in (*some(level), *some(level, 2, "exam")):
        words, bank = problem.meta["words"], problem.meta["bank"]
        assert row.words[0] <= len(words) <= row.words[1]
        assert all(row.syllables[0] <= len(parts) <= row.syllables[1] for parts in words)
        assert all(BY_TEXT[text].zipf >= row.zipf for text in texts(problem))
        assert [list(BY_TEXT[text].syllables) for text in texts(problem)] == words
        tiles = Counter(part for parts in words for part in parts)
        herrings = Counter(bank) - tiles
        assert herrings.total() == len(bank) - tiles.total() == problem.meta["herrings"]
        assert row.herrings[0] <= herrings.total() <= row.herrings[1]
        assert not herrings.keys() & tiles.keys()
        shared = sum(n for part, n in tiles.items() if sum(part in parts for parts in words) > 1)
        assert shared == 0 if row.overlap == 0 else shared >= row.overlap * tiles.total()
        assert problem.meta["format"] in row.formats and problem.meta["layout"] in row.layouts
        assert problem.meta["label"] in row.labels and set(problem.meta["channels"]) <= set(row.channels)
        obeys_hints(row, problem)


def obeys_hints(row: SyLevel, problem: Problem) -> None:
    n = len(problem.meta["words"])
    assert all(1 <= hints <= row.hints[1] for hints in problem.meta["hints"])
    assert problem.meta["definitions"] >= ceil(n * row.definitions - 1e-9)
    assert problem.meta["cut"] <= share_of(problem.meta["definitions"], row.truncated)
    assert problem.meta["counted"] == n - share_of(n, row.single_blanks)


@pytest.mark.parametrize("level", [8, 20, 50])
def test_weak_and_cut_clues_are_nearly_as_many_as_the_level_says(level: int) -> None:
    """Some words have nothing beside their definition, and some definitions are too short to be cut."""
    row = SKILL.spec.level(level)
    clues = sum(len(p.meta["words"]) for p in some(level, 40))
    defined = sum(p.meta["definitions"] for p in some(level, 40))
    assert row.definitions <= defined / clues < row.definitions + 0.12
    assert sum(p.meta["cut"] for p in some(level, 40)) / defined > row.truncated - 0.12


def test_the_bank_stands_in_the_order_of_the_level() -> None:
    for level in (1, 10):
        assert all(p.meta["bank"] == sorted(p.meta["bank"]) for p in some(level))
    for level in (11, 16):
        assert all(p.meta["bank"] == sorted(p.meta["bank"], key=len) for p in some(level))
        assert any(p.meta["bank"] != sorted(p.meta["bank"], key=lambda t: (len(t), t)) for p in some(level))
    assert not any(p.meta["bank"] == sorted(p.meta["bank"], key=len) for p in some(17))


def test_all_layouts_and_labels_hold_the_bank_and_every_clue() -> None:
    seen = set()
    for problem in some(50, 80):
        seen.add((problem.meta["layout"], problem.meta["label"]))
        lines = clue_lines(problem)
        assert len(lines) == len(problem.meta["words"]), problem.prompt
        marks = [line.split(" ")[0] for line in lines]
        if problem.meta["label"] == "bullet":
            assert set(marks) == {"-"}
        elif problem.meta["format"] in ("json_map", "table"):
            assert [mark.rstrip(".") for mark in marks] == problem.meta["keys"]
        request = problem.prompt.split("\n")[-1]
        rest = Counter(re.findall("[a-z]+", problem.prompt.split("\n", 1)[1].replace(request, "")))
        assert all(rest[tile] >= n for tile, n in Counter(problem.meta["bank"]).items())
    assert {layout for layout, _ in seen} == {"list", "by_letter", "table", "inline", "per_clue"}
    assert {label for _, label in seen} == {"number", "letter", "roman", "bullet"}


def test_blanks_tell_the_number_of_tiles_or_nothing() -> None:
    for level in (1, 28, 50):
        for problem in some(level):
            blanks = [re.search(r"\[([_ ]+)\]", line).group(1) for line in clue_lines(problem)]  # type: ignore[union-attr]
            told = [blank for blank in blanks if blank != "____"]
            assert len(told) == problem.meta["counted"]
            pairs = zip(blanks, problem.meta["words"], strict=True)
            assert all(blank == "____" or blank.count("_") == len(parts) for blank, parts in pairs)


def test_no_clue_names_an_answer_of_its_puzzle() -> None:
    for level in LEVELS:
        for problem in some(level):
            told = set(re.findall("[a-z]+", "\n".join(clue_lines(problem)).lower()))
            assert not told & set(texts(problem)), problem.prompt


def test_primitives_say_what_is_exercised() -> None:
    for problem in some(1):
        assert {"definition_to_word", "multi_word_assembly", "json_output_format"} <= set(problem.primitives)
        assert "word_from_bank" not in problem.primitives
    for problem in some(50, 80):
        assert ("json_output_format" in problem.primitives) == problem.meta["format"].startswith("json")
        assert ("syllable_count" in problem.primitives) == (problem.meta["format"] == "counts")
        assert {"word_from_bank", "syllable_assembly_shuffled"} <= set(problem.primitives)


# One solution


@pytest.mark.parametrize("level", [1, 2, 3, 6])
def test_no_other_words_of_the_table_solve_a_puzzle(level: int) -> None:
    """By brute force, reading the clues off the prompt: every word the tiles can make, in every combination."""
    for problem in some(level, 12):
        bank = Counter(problem.meta["bank"])
        makeable = [w for w in lexicon().words if not Counter(w.syllables) - bank]
        choices = [[w for w in makeable if says(line, w)] for line in clue_lines(problem)]
        solutions = [c for c in product(*choices) if solves(c, bank, problem.meta["herrings"])]
        assert [[w.text for w in found] for found in solutions] == [texts(problem)], problem.prompt


def says(line: str, word: Any) -> bool:
    """Whether a clue may hold for a word, by the definition alone where it has one."""
    blanks, clue = re.match(r"\S+ \[([_ ]+)\] (.*)", line).groups()  # type: ignore[union-attr]
    if blanks.count("_") != len(word.syllables):
        return False
    defined = [w for w in lexicon().words if w.told and clue.startswith(w.hints["definition"][0])]
    return not defined or any(w.sense in word.senses for w in defined)


def solves(words: tuple[Any, ...], bank: Counter[str], herrings: int) -> bool:
    used = Counter(part for word in words for part in word.syllables)
    return len(set(words)) == len(words) and not used - bank and bank.total() - used.total() == herrings


# Seeds and sides


def test_puzzles_are_the_same_on_every_machine() -> None:
    """A digest taken once: it changes with the words, the level table or the program, and with nothing else."""
    told = [(p.prompt, p.answer) for level in (1, 5, 10, 23, 37, 50) for side in ("train", "exam")
            for p in some(level, 3, side)]  # fmt: skip
    assert blake2b(json.dumps(told).encode(), digest_size=8).hexdigest() == DIGEST


DIGEST = "ba117a8dc4974b54"


def test_what_is_kept_with_a_problem_can_be_written_as_json() -> None:
    for problem in some(50):
        assert json.loads(json.dumps(dict(problem.meta))) == problem.meta


@pytest.mark.parametrize("level", [1, 2, 5, 10, 50])
def test_words_of_the_examinations_are_never_trained_on(level: int) -> None:
    one_in = SKILL.spec.held_out.one_word_in
    for problem in some(level, 150):
        assert not any(held_out(text, one_in) for text in texts(problem))
    for problem in some(level, 20, "exam"):
        apart = sum(held_out(text, one_in) for text in texts(problem))
        assert apart == max(1, int(0.2 * len(problem.meta["words"]) + 0.5))


def test_training_clues_name_no_word_of_the_examinations() -> None:
    secret = {w.text for w in lexicon().words if w.told and held_out(w.text, SKILL.spec.held_out.one_word_in)}
    for level in (1, 10, 30, 50):
        for problem in some(level, 40):
            for line in clue_lines(problem):
                for hint in line.split("; ")[1:]:
                    if hint.startswith("category: ") or hint in ("noun", "verb", "adjective", "adverb"):
                        continue  # the same few words for everybody
                    assert hint.rsplit(": ")[-1].removeprefix("a kind of ").removeprefix("a way to ") not in secret, (
                        line
                    )


def test_a_format_can_be_asked_for() -> None:
    for name in SKILL.mix(50):
        assert SKILL.generate(50, "x", kind=name).meta["format"] == name  # type: ignore[arg-type]
    with pytest.raises(SkillError, match="no answer format"):
        SKILL.generate(50, "x", kind="limerick")  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None)
@given(level=st.integers(1, 50), seed=st.text(max_size=20))
def test_any_seed_gives_a_sound_puzzle(level: int, seed: str) -> None:
    problem = SKILL.generate(level, seed)
    assert SKILL.score(problem, problem.answer).correct
    assert problem == SyllacrosticSkill().generate(level, seed)


# The description


def broken(tmp_path: Path, change: dict[str, Any]) -> str:
    content = yaml.safe_load(DESCRIPTION.read_text(encoding="utf-8"))
    content["levels"][0] |= change
    file = tmp_path / "sy.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(SkillError) as caught:
        load_spec(file, SySpec)
    return caught.value.message


def test_mistakes_in_the_description_are_named(tmp_path: Path) -> None:
    assert "is more than the most" in broken(tmp_path, {"words": [5, 4]})
    assert "overlap" in broken(tmp_path, {"overlap": 1.5})
    assert "formats" in broken(tmp_path, {"add_formats": ["limerick"]})
    assert "colour" in broken(tmp_path, {"colour": "red"})
