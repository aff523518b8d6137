"""SY's graders: each form read exactly, nothing paid for guessing, nothing that makes them fall over."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realm.guild.skill import Problem
from realm.guild.skills.syllacrostic import SyllacrosticSkill
from realm.guild.skills.syllacrostic.formats import FORMS
from realm.guild.skills.syllacrostic.lexicon import lexicon
from realm.guild.skills.syllacrostic.spec import Format

SKILL = SyllacrosticSkill()
ALL: dict[Format, list[Problem]] = {
    name: [SKILL.generate(50, f"sy/grader/{name}/{i}", kind=name) for i in range(3)] for name in FORMS
}
FORMATS = list(FORMS)
JSON: list[Format] = ["json_words", "json_list", "json_map"]
LISTS: list[Format] = [name for name in FORMATS if name != "counts"]


def words(problem: Problem) -> list[str]:
    return ["".join(parts) for parts in problem.meta["words"]]


def value(problem: Problem, response: str) -> float:
    score = SKILL.score(problem, response)
    assert score.correct == (score.value == 1.0) and 0 <= score.value <= 1 and score.reason
    return score.value


def written(problem: Problem, given: list[list[str]]) -> str:
    return FORMS[problem.meta["format"]].write(given, problem.meta["keys"])


@pytest.mark.parametrize("name", FORMATS)
def test_the_answer_in_capitals_or_with_space_around_it_is_right(name: Format) -> None:
    for problem in ALL[name]:
        assert value(problem, problem.answer) == 1
        assert value(problem, f"\n\n {problem.answer} \n") == 1
        if name not in JSON:
            assert value(problem, problem.answer.upper()) == 1


@pytest.mark.parametrize("name", JSON)
def test_json_in_a_fence_or_laid_out_otherwise_is_read(name: Format) -> None:
    for problem in ALL[name]:
        loose = json.dumps(json.loads(problem.answer), indent=2)
        for response in (f"```json\n{loose}\n```", f"```\n{problem.answer}\n```", loose, f" ```JSON \n{loose}\n ```"):
            assert value(problem, response) == 1
        for response in (f"Here it is:\n```json\n{loose}\n```", f"```json\n{loose}", f"{loose}\n```", f"`{loose}`"):
            assert value(problem, response) == 0


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in JSON])
def test_a_fence_around_text_is_not_what_was_asked_for(name: Format) -> None:
    for problem in ALL[name]:
        assert value(problem, f"```\n{problem.answer}\n```") == 0


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("other", FORMATS)
def test_each_form_is_read_by_its_own_grader_only(name: Format, other: Format) -> None:
    for problem in ALL[name]:
        response = FORMS[other].write(problem.meta["words"], problem.meta["keys"])
        assert (value(problem, response) == 1) == (name == other)
        assert name == other or value(problem, response) == 0


@pytest.mark.parametrize("name", LISTS)
def test_one_wrong_word_is_never_correct(name: Format) -> None:
    for problem in ALL[name]:
        given = problem.meta["words"]
        for i in range(len(given)):
            swapped = [*given]
            swapped[i], swapped[i - 1] = swapped[i - 1], swapped[i]
            assert value(problem, written(problem, swapped)) == (len(given) - 2) / len(given)


@pytest.mark.parametrize("name", LISTS)
def test_a_word_that_the_bank_cannot_build_costs_everything(name: Format) -> None:
    for problem in ALL[name]:
        for strange in (["zyz", "zyva"], ["wörter"], [""], [*problem.meta["words"][0], "s"]):
            assert value(problem, written(problem, [strange, *problem.meta["words"][1:]])) == 0


@pytest.mark.parametrize("name", LISTS)
def test_a_word_too_many_too_few_or_twice_costs_everything(name: Format) -> None:
    for problem in ALL[name]:
        given = problem.meta["words"]
        names = [*problem.meta["keys"], "99"]
        form = FORMS[name]
        assert value(problem, form.write(given[:-1], names[: len(given) - 1])) == 0
        assert value(problem, form.write([*given, given[0]], names)) == 0
        assert value(problem, form.write([*given[:-1], given[0]], names[:-1])) == 0


def test_syllables_split_otherwise_are_wrong() -> None:
    for problem in ALL["json_words"]:
        given = json.loads(problem.answer)
        given[0]["syllables"] = ["".join(given[0]["syllables"])]
        assert value(problem, json.dumps(given)) == (len(given) - 1) / len(given)


def test_a_key_twice_pays_for_neither_value() -> None:
    for problem in ALL["json_map"]:
        pairs = [f'"{key}": "{word}"' for key, word in zip(problem.meta["keys"], words(problem), strict=True)]
        assert value(problem, "{" + ", ".join(pairs) + "}") == 1
        assert value(problem, "{" + ", ".join([pairs[0].replace(words(problem)[0], "in"), *pairs]) + "}") == 0


@pytest.mark.parametrize("name", FORMATS)
def test_listing_all_options_pays_nothing(name: Format) -> None:
    everything = [list(word.syllables) for word in lexicon().words[:3000]]
    for problem in ALL[name]:
        bank = problem.meta["bank"]
        for response in (
            " ".join(bank), ", ".join(bank), "\n".join(bank), json.dumps(bank), problem.prompt,
            problem.prompt + "\n" + problem.answer, problem.answer + "\n" + problem.answer,
            written(problem, everything) if name in ("lines", "comma", "numbered", "json_list", "json_words") else "",
            "\n".join(" ".join(row) for row in everything),
            json.dumps({"answers": words(problem), "words": words(problem)}),
        ):  # fmt: skip
            assert value(problem, response) == 0, response[:200]


def test_counts_are_all_or_nothing() -> None:
    for problem in ALL["counts"]:
        lines = problem.answer.split("\n")
        assert value(problem, "\n".join(line.upper().replace(": ", ":  ") for line in lines)) == 1
        for wrong in (lines[:2], lines[::-1], [*lines, "words: 3"], [lines[0] + "0", *lines[1:]], [*lines[:2], "x"]):
            assert value(problem, "\n".join(wrong)) == 0


@pytest.mark.parametrize("name", LISTS)
def test_long_words_of_real_tiles_are_read_in_no_time(name: Format) -> None:
    """What can be laid in countless ways, or in none just at its end, must not be tried way by way."""
    for problem in ALL[name]:
        for tiles in (problem.meta["bank"], sorted(problem.meta["bank"], key=len)[:3]):
            for end in ("", "!"):
                long = ("".join(tiles) * 500)[: len(problem.answer)] + end
                assert value(problem, written(problem, [[long], *problem.meta["words"][1:]])) < 1


BAD = [
    "\0", "\0" * 1_000_000, "x" * 1_000_000, "[" * 100_000, "[" * 3_000, '{"a":' * 500, "1" * 4_999, "NaN",
    "[1e999]", '{"1": null}', "[[[]]]", '["a", 5]', "\ud800", "｛｝", "أهلا", "水", "́" * 500, "K", "ſ", "| | |\n" * 300,
    "```json\n" * 200, "```json\n```", "``````", "1. \n2. ", "|", "||", "| clue | word |", ",", "," * 3_000,
    '[{"word": [], "syllables": {}}]', '[{"word": "in", "syllables": [1]}]', "-Infinity", '"' * 3_000, "\\u0000",
]  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_nothing_makes_a_grader_fall_over_or_pay(name: Format, bad: str) -> None:
    for problem in ALL[name]:
        for response in (bad, bad + problem.answer, problem.answer + bad, problem.answer[:40] + bad):
            assert value(problem, response) < 1
        assert value(problem, bad) == 0


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(FORMATS), response=st.text(max_size=400))
def test_any_text_is_graded_and_worth_nothing(name: Format, response: str) -> None:
    assert value(ALL[name][0], response) == 0


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(FORMATS), place=st.integers(0, 400), by=st.text(max_size=3))
def test_an_answer_with_a_changed_character_is_never_more_than_the_answer(name: Format, place: int, by: str) -> None:
    problem = ALL[name][1]
    at = place % len(problem.answer)
    changed = problem.answer[:at] + by + problem.answer[at + 1 :]
    if value(problem, changed) == 1:
        assert meaning(changed) == meaning(problem.answer), (changed, problem.answer)


def meaning(text: str) -> str:
    """A text without what is allowed to differ: spaces and capitals, and dashes of a table's rule."""
    return "".join(text.lower().split()).replace(":-", "-").replace("-:", "-").replace("-", "")


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(JSON),
    value_given=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    ),
)
def test_any_json_is_graded_and_worth_nothing(name: Format, value_given: object) -> None:
    assert value(ALL[name][0], json.dumps(value_given)) == 0
