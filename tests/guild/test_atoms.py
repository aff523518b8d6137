"""Every primitive can be asked alone: deterministic, on its side of the split, right by another way of reckoning."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realm.errors import UsageError
from realm.guild.primitives import CATALOGUE
from realm.guild.primitives.atoms import MAKERS, batch, generate, score
from realm.guild.primitives.words import words
from realm.guild.skill import Problem, side_of

NAMES = sorted(CATALOGUE)
each_primitive = pytest.mark.parametrize("name", NAMES)


def test_every_primitive_has_a_maker_and_no_other() -> None:
    assert set(MAKERS) == set(CATALOGUE)
    with pytest.raises(UsageError, match="no primitive named 'add_two_digits'") as raised:
        generate("add_two_digits", "x")
    assert "add_two_digit" in raised.value.hint


@each_primitive
def test_same_seed_same_problem_and_each_side_keeps_to_itself(name: str) -> None:
    for side in ("train", "exam"):
        problems = batch(name, 40, "law", side=side)  # type: ignore[arg-type]
        assert problems == batch(name, 40, "law", side=side)  # type: ignore[arg-type]
        assert problems and {side_of(p.content) for p in problems} == {side}
        assert len({p.content for p in problems}) == len(problems)
        assert {p.primitives for p in problems} == {(name,)}
        assert {p.level for p in problems} == {CATALOGUE[name].difficulty}
    assert not {p.prompt for p in batch(name, 40, "law")} & {p.prompt for p in batch(name, 40, "law", side="exam")}


@each_primitive
def test_another_seed_asks_something_else_where_there_is_room(name: str) -> None:
    one, other = batch(name, 30, "one"), batch(name, 30, "other")
    assert [p.prompt for p in one] != [p.prompt for p in other]


@each_primitive
def test_the_answer_is_right_by_another_reckoning(name: str) -> None:
    for problem in batch(name, 60, "oracle") + batch(name, 10, "oracle", side="exam"):
        assert reckon(name, problem.prompt) == (
            json.loads(problem.answer) if problem.form == "json" else problem.answer
        )


@each_primitive
def test_its_own_answer_counts_and_no_other(name: str) -> None:
    problems = batch(name, 40, "grade")
    for problem in problems:
        answer = problem.answer
        for said in (answer, f" {answer}\n", f"{answer}.", f"The answer is {answer}", f"Answer: {answer}."):
            assert score(problem, said).correct == (problem.form != "json" or said.strip() == answer), said
        for wrong in ("", problem.prompt, problem.prompt + answer, f"{answer} {answer}", f"{answer}\n{answer}"):
            assert score(problem, wrong).value == 0, (problem, wrong)
        for other in problems:
            if other.answer != answer:
                assert not score(problem, other.answer).correct, (problem, other.answer)
                assert not score(problem, f"{answer} or {other.answer}").correct
                assert not score(problem, f"{other.answer}, {answer}").correct


JUNK = (
    "\0" * 1_000_000, "7" * 1_000_000, "[" * 1_000_000, "{\"a\":" * 40, "[" * 190 + "]" * 190, "```json\n" * 20,
    "٤٢", "４２", "𝟒𝟐", "\ud800", "yes no true false even odd", "NaN", '{"number": Infinity}',
    "-" * 150, "1e999", "0x2a",
)  # fmt: skip


@each_primitive
@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
def test_junk_is_worth_nothing_and_breaks_nothing(name: str, junk: str) -> None:
    for problem in batch(name, 4, "junk"):
        assert score(problem, junk).value == 0
        assert score(problem, junk + problem.answer).value == 0
        assert score(problem, problem.answer + junk).value == 0


@settings(max_examples=300)
@given(name=st.sampled_from(NAMES), seed=st.text(max_size=8), response=st.text(max_size=300))
def test_nothing_written_at_random_counts(name: str, seed: str, response: str) -> None:
    problem = generate(name, seed)
    result = score(problem, response)
    plain = response.strip().strip("`'\"*$.").lower().removeprefix("answer").strip(": =.")
    assert result.value in (0.0, 1.0)
    assert not result.correct or plain == problem.answer.lower() or problem.form in ("json", "list", "logic")


def test_digits_of_other_scripts_are_other_signs() -> None:
    problem = Problem("primitives", 1, "40 + 2 = ?", "42", "x", form="exact")
    assert score(problem, "42").correct
    for said in ("٤٢", "４２", "4２", "42\u200b", "042", "+42", "42.0", "4 2", "42 43"):
        assert not score(problem, said).correct, said
    assert not score(Problem("primitives", 1, "?", "yes", "x", form="word"), "yeſ").correct


def test_json_is_compared_as_json() -> None:
    problem = generate("json_output_format", "x")
    value = json.loads(problem.answer)
    turned = {key: value[key] for key in reversed(value)}
    for said in (json.dumps(turned), json.dumps(value, indent=2), f"```json\n{problem.answer}\n```"):
        assert score(problem, said).correct, said
    more, text = {**value, "more": 1}, problem.answer
    twice = f'{text[:-1]}, "number": {value["number"]}}}'
    decimal = text.replace(f": {value['number']},", f": {value['number']}.0,")
    huge = text.replace(f": {value['number']},", f": {'9' * 250},")
    for wrong in (json.dumps(more), json.dumps([value]), twice, decimal, huge, f"Here: {text}", json.dumps(text)):
        assert not score(problem, wrong).correct, wrong


def test_the_list_of_words_is_sound() -> None:
    spelled = [str(word) for word in words()]
    assert len(set(spelled)) == len(spelled) >= 100
    for word in words():
        assert len(word.syllables) >= 2 and "".join(word.syllables).isalpha() and str(word).islower()
        assert str(word)[:5] not in word.meaning, f"{word} stands in its own meaning"


# -- another way of reckoning: reads the question as a person would ------------------------------------------------
def reckon(name: str, prompt: str) -> Any:
    return READERS[name](prompt.replace("\n", "\n"))


def _evaluated(prompt: str) -> str:
    return str(int(eval(prompt.partition(" = ?")[0])))


def _binary(prompt: str) -> str:
    a, sign, b = re.search(r"([01]+) ([+-]) ([01]+)", prompt).groups()  # type: ignore[union-attr]
    return f"{eval(f'0b{a} {sign} 0b{b}'):b}"


def _bitwise(prompt: str) -> str:
    a, name, b = re.search(r"([01]+) (AND|OR|XOR) ([01]+)", prompt).groups()  # type: ignore[union-attr]
    rule: Callable[[str, str], bool] = {
        "AND": lambda x, y: x == y == "1", "OR": lambda x, y: "1" in x + y, "XOR": lambda x, y: x != y
    }[name]  # fmt: skip
    return "".join(str(int(rule(x, y))) for x, y in zip(a, b, strict=True))


def _numbers(prompt: str) -> list[int]:
    return [int(n) for n in re.findall(r"-?\d+", prompt)]


def _said(prompt: str) -> dict[str, bool]:
    return {name: value == "true" for name, value in re.findall(r"\b([A-Z]) is (true|false)", prompt)}


def _truth(prompt: str) -> str:
    expression = re.search(r"'(.*)'", prompt)[1]  # type: ignore[index]
    if found := re.fullmatch("if (.) then (.)", expression):
        expression = f"(not {found[1]}) or {found[2]}"
    return str(eval(expression, {}, _said(prompt))).lower()


def _rule(prompt: str) -> str:
    rules = dict(re.findall(r"If it is (\w+), it is (\w+)\.", prompt))
    if found := re.search(r"It is not (\w+)\.", prompt):
        return next(a for a, b in rules.items() if b == found[1])
    return str(rules[re.search(r"\. It is (\w+)\.", prompt)[1]])  # type: ignore[index]


def _syllogism(prompt: str) -> str:
    steps = dict(re.findall(r"(?:All|Some) (\w+) are (\w+)\.", prompt))
    return str(steps[re.search(r"besides (\w+)\?", prompt)[1]])  # type: ignore[index]


def _de_morgan(prompt: str) -> str:
    inside = re.search(r"not \((.*)\)", prompt)[1]  # type: ignore[index]
    a, joint, b = re.fullmatch(r"(.*?) (and|or) (.*)", inside).groups()  # type: ignore[union-attr]
    answer = f"{_turned(a)} {'or' if joint == 'and' else 'and'} {_turned(b)}"
    names = re.findall(r"\b[a-z]\b", inside)
    for values in ((x, y) for x in (False, True) for y in (False, True)):
        scope = dict(zip(names, values, strict=True))
        assert eval(f"not ({inside})", {}, scope) == eval(answer, {}, scope)
    return answer


def _turned(side: str) -> str:
    return side.removeprefix("not ") if side.startswith("not ") else f"not {side}"


def _printed(prompt: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(prompt.partition("\nWhat does this program")[0], {})
    return out.getvalue().strip()


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def _by_meaning(meaning: str) -> str:
    return next(str(word) for word in words() if word.meaning == meaning)


def _from_tiles(prompt: str) -> str:
    tiles = re.search(r"(?:word|tiles):? ([a-z ,]+?)(?: build the word|\.)", prompt)[1].replace(",", " ").split()  # type: ignore[index]
    meaning = re.search(r"means: (.*?)\. Answer", prompt)
    fit = [w for w in words() if all(tiles.count(s) >= w.syllables.count(s) for s in w.syllables)]
    fit = [w for w in fit if w.meaning == meaning[1]] if meaning else [w for w in fit if len(w.syllables) == len(tiles)]
    assert len(fit) == 1, (prompt, fit)
    return str(fit[0])


def _several(prompt: str) -> str:
    found = [_by_meaning(clue) for clue in re.findall(r"\d\. (.*?)(?=; \d\.|\. Answer)", prompt)]
    tiles = re.search(r"once: (.*?)\. Find", prompt)[1].split(", ")  # type: ignore[index]
    spelled = [s for name in found for word in words() if str(word) == name for s in word.syllables]
    assert sorted(tiles) == sorted(spelled)
    return ", ".join(found)


def _json(prompt: str) -> object:
    n, word, parts = re.search(r'is (\d+), "word" is (\w+), .* list of ([a-z, ]+)\.', prompt).groups()  # type: ignore[union-attr]
    return {"number": int(n), "word": word, "syllables": parts.split(", ")}


def _word_in(pattern: str) -> Callable[[str], str]:
    return lambda prompt: re.search(pattern, prompt)[1]  # type: ignore[index]


_reversible = _word_in(r"Write (\w+) backwards")
READERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys([n for n in NAMES if n.startswith(("add_", "sub_", "mul_", "div_"))], _evaluated),
    "compare_integers": lambda p: str(max(_numbers(p))),
    "parity": lambda p: "even" if str(_numbers(p)[0])[-1] in "02468" else "odd",
    "digit_sum": lambda p: str(sum(int(c) for c in p if c.isdigit())),
    "modulo": lambda p: str(_numbers(p)[0] - _numbers(p)[1] * (_numbers(p)[0] // _numbers(p)[1])),
    **dict.fromkeys([n for n in NAMES if n.startswith(("binary_add", "binary_sub"))], _binary),
    **dict.fromkeys([n for n in NAMES if n.startswith("bitwise")], _bitwise),
    "binary_compare": lambda p: max(re.findall(r"\b[01]+\b", p.partition("?")[0]), key=lambda b: (len(b), b)),
    "binary_to_decimal": lambda p: str(int(re.findall("[01]+", p)[0], 2)),
    "decimal_to_binary": lambda p: bin(_numbers(p)[0])[2:],
    "truth_table_basic": _truth,
    "implication_eval": _truth,
    "modus_ponens": _rule,
    "modus_tollens": _rule,
    "syllogism_all": _syllogism,
    "syllogism_some": _syllogism,
    "de_morgan": _de_morgan,
    "reverse_string": lambda p: "".join(reversed(_reversible(p))),
    "count_char": lambda p: str(len(re.findall(_word_in("letter (.) stand")(p), _word_in(r"stand in (\w+)")(p)))),
    "substring_check": lambda p: _yes(_word_in(r"contain (\w+)")(p) in _word_in(r"Does (\w+)")(p)),
    "sort_letters": lambda p: "".join(sorted(_word_in(r"letters of (\w+)")(p))),
    "palindrome_check": lambda p: _yes(_word_in(r"Does (\w+)")(p) == "".join(reversed(_word_in(r"Does (\w+)")(p)))),
    "string_length": lambda p: str(len(_word_in(r"has (\w+)\?")(p))),
    **dict.fromkeys(("trace_assignment", "trace_if_else", "trace_loop_fixed", "function_call_trace"), _printed),
    "eval_bool_expr": lambda p: str(eval(_word_in(r"true: (.*?)\?")(p))).lower(),
    "syllable_assembly_ordered": lambda p: _word_in(r"word: (.*?)\.")(p).replace(" ", ""),
    "syllable_assembly_shuffled": _from_tiles,
    "syllable_count": lambda p: str(next(len(w.syllables) for w in words() if str(w) == _word_in(r"word (\w+)\?")(p))),
    "definition_to_word": lambda p: _by_meaning(_word_in(r"means: (.*) \(\d")(p)),
    "word_from_bank": _from_tiles,
    "multi_word_assembly": _several,
    "json_output_format": _json,
}
