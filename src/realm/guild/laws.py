"""Laws that every skill obeys, as plain functions: each tells what breaks it. For tests, and for who writes a skill.

Each law takes a skill and yields one sentence for each breach; none means that it holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from realm.guild.primitives import CATALOGUE
from realm.guild.skill import Problem, Side, Skill, side_of

Law = Callable[[Skill], Iterator[str]]
MEGABYTE = 1_000_000
SLOWEST_SECONDS = 2.0
"""Processor time that grading one response of a megabyte may take."""
DEEP = 100_000
SIDES: tuple[Side, ...] = ("train", "exam")

ZEROS = {
    "fullwidth": "０",
    "Arabic-Indic": "٠",
    "Devanagari": "०",
    "mathematical bold": "𝟎",
}
"""Scripts whose ten digits stand in a row, by their zero."""
OTHER_DIGITS = {
    "superscript": "⁰¹²³⁴⁵⁶⁷⁸⁹",
    "circled": "⓪①②③④⑤⑥⑦⑧⑨",
    "negative circled": "⓿❶❷❸❹❺❻❼❽❾",
    "sans-serif circled": "🄋➀➁➂➃➄➅➆➇➈",
    "ASCII": "0123456789",
} | {name: "".join(chr(ord(zero) + n) for n in range(10)) for name, zero in ZEROS.items()}


def own_answer_is_right(skill: Skill) -> Iterator[str]:
    """A problem's own answer scores 1 and counts as right, with space around it too."""
    for problem in _sample(skill):
        for response in (problem.answer, f" \n{problem.answer}\n "):
            score = skill.score(problem, response)
            if score.value != 1.0 or not score.correct:
                yield f"level {problem.level}: {problem.prompt!r}: its own answer scores {score.value} ({score.reason})"


def same_seed_same_problem(skill: Skill) -> Iterator[str]:
    for level in _levels(skill):
        for side in SIDES:
            one, two = (_batch(skill, level, 10, "same", side) for _ in range(2))
            if one != two:
                yield f"level {level}: the same seed gave another problem"


def sides_never_meet(skill: Skill) -> Iterator[str]:
    """Held-out problems are never generated for training, nor the other way round."""
    for level in _levels(skill):
        for side in SIDES:
            for problem in _batch(skill, level, 100, "sides", side):
                if side_of(problem.content) != side:
                    yield f"level {level}: {problem.content!r} was made for the side {side} and belongs to the other"


def primitives_are_named(skill: Skill) -> Iterator[str]:
    """Each problem names what it exercises, out of the catalogue and the skill's own description."""
    for problem in _sample(skill, 50):
        unknown = set(problem.primitives) - (set(skill.spec.primitives) & set(CATALOGUE))
        if unknown or not problem.primitives:
            yield f"level {problem.level}: primitives {problem.primitives!r} (not known: {sorted(unknown)})"


def another_answer_is_wrong(skill: Skill) -> Iterator[str]:
    for level in _levels(skill):
        problems = _batch(skill, level, 50, "another")
        for problem, other in pairwise(problems):
            if other.answer != problem.answer and (score := skill.score(problem, other.answer)).correct:
                yield f"level {level}: {problem.prompt!r}: {other.answer!r} counts as right ({score.reason})"


def echo_and_silence_are_worth_nothing(skill: Skill) -> Iterator[str]:
    """Neither nothing, nor the question, nor its first line with the answer behind it, nor the answer twice."""
    for problem in _sample(skill):
        prompt, answer = problem.prompt, problem.answer
        key = prompt.split("\n")[0]
        for response in ("", " ", prompt, key, f"{key}\n{answer}", f"{prompt}\n{answer}", f"{answer}\n{prompt}"):
            yield from _overpaid(skill, problem, response, "an echo")
        yield from _overpaid(skill, problem, f"{answer}\n{answer}", "the answer twice")


def rubbish_is_worth_nothing(skill: Skill) -> Iterator[str]:
    """A megabyte, NUL, half characters, JSON nested deeply, empty fences: no crash, no credit, no waiting."""
    for problem in _sample(skill, 2):
        for what, response in rubbish(problem):
            began = time.process_time()
            yield from _overpaid(skill, problem, response, what)
            if (seconds := time.process_time() - began) > SLOWEST_SECONDS:
                yield f"level {problem.level}: {what}: grading took {seconds:.1f} s of processor time"


def other_digits_are_other_characters(skill: Skill) -> Iterator[str]:
    """The answer in the digits of another script is not the answer."""
    for problem in _sample(skill):
        for script, response in in_other_digits(problem.answer):
            yield from _overpaid(skill, problem, response, f"{script} digits", credit=True)


def listing_all_options_is_no_answer(skill: Skill) -> Iterator[str]:
    """The right answer among others is not right, in whatever order and however they are parted."""
    for level in _levels(skill):
        problems = _batch(skill, level, 20, "options")
        for problem in problems:
            for response in listings(problem, problems):
                yield from _overpaid(skill, problem, response, "a list of answers", credit=True)


def truncation_is_not_right(skill: Skill) -> Iterator[str]:
    """An answer that stops early is worth less than the whole."""
    for problem in _sample(skill, 5):
        for end in range(len(problem.answer)):
            cut = problem.answer[:end]
            if cut.strip() != problem.answer and skill.score(problem, cut).value >= 1:
                yield f"level {problem.level}: {problem.prompt!r}: {cut!r} scores in full"


LAWS: tuple[Law, ...] = (
    own_answer_is_right,
    same_seed_same_problem,
    sides_never_meet,
    primitives_are_named,
    another_answer_is_wrong,
    echo_and_silence_are_worth_nothing,
    rubbish_is_worth_nothing,
    other_digits_are_other_characters,
    listing_all_options_is_no_answer,
    truncation_is_not_right,
)


def rubbish(problem: Problem) -> Iterator[tuple[str, str]]:
    """Responses that are worth nothing, each with what it is."""
    answer = problem.answer
    yield "a megabyte of one letter", "a" * MEGABYTE
    yield "a megabyte of the answer's first character", answer[0] * MEGABYTE
    yield "a megabyte of the answer", (answer + "\n") * (MEGABYTE // (len(answer) + 1) + 2)
    yield "a megabyte of the question", (problem.prompt + "\n") * (MEGABYTE // (len(problem.prompt) + 1) + 2)
    yield "NUL", "\0"
    yield "many NULs", "\0" * 10_000
    yield "the answer between NULs", f"\0{answer}\0"
    yield "half a character", "\ud800"
    yield "brackets nested deeply", "[" * DEEP
    yield "closed brackets nested deeply", "[" * DEEP + "]" * DEEP
    yield "objects nested deeply", '{"a":' * DEEP + "1" + "}" * DEEP
    yield "the answer in a hundred thousand brackets", "[" * DEEP + answer + "]" * DEEP
    yield "an empty fence", "```\n```"
    yield "a fence that is never closed", "```json\n"
    yield "ten thousand fences", "```\n" * 10_000
    yield "a fence of an empty object", "```json\n{}\n```"
    yield "a number that is none", "NaN"
    yield "a number of 5000 digits", "9" * 5000


def in_other_digits(answer: str) -> Iterator[tuple[str, str]]:
    """The answer with all its digits, ASCII and circled, in those of a script that it does not use."""
    ours = OTHER_DIGITS["ASCII"] + OTHER_DIGITS["circled"]
    for script, digits in OTHER_DIGITS.items():
        written = answer.translate(str.maketrans(ours, digits * 2))
        if written != answer and not set(answer) & set(digits):
            yield script, written


def listings(problem: Problem, others: Sequence[Problem]) -> Iterator[str]:
    """The right answer among those of other problems that were asked in the same form."""
    options = list(dict.fromkeys(o.answer for o in others if o.form == problem.form and o.answer != problem.answer))
    for between in ("\n", " ", ", ", " or "):
        if options:
            yield between.join([problem.answer, options[0]])
            yield between.join([options[0], problem.answer])
            yield between.join([*options[:5], problem.answer])


def _overpaid(skill: Skill, problem: Problem, response: str, what: str, *, credit: bool = False) -> Iterator[str]:
    """A breach when a response that is not right is paid: at all, or with `credit` in full."""
    score = skill.score(problem, response)
    if score.correct or score.value >= 1 or (score.value > 0 and not credit):
        yield f"level {problem.level}: {problem.prompt!r}: {what} scores {score.value} ({score.reason})"


def _levels(skill: Skill) -> list[int]:
    return sorted({1, 2, min(8, skill.levels), max(1, skill.levels // 2), skill.levels} & {*range(1, skill.levels + 1)})


def _sample(skill: Skill, n: int = 20) -> Iterator[Problem]:
    """Problems of some levels, from both sides."""
    for level in _levels(skill):
        for side in SIDES:
            yield from _batch(skill, level, n, "sample", side)


def _batch(skill: Skill, level: int, n: int, name: str, side: Side = "train") -> list[Problem]:
    return [skill.generate(level, f"{skill.id}/{level}/{name}/{i}", side=side) for i in range(n)]
