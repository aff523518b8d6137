"""What BIN promises: true lines, levels obeyed, no leak, keys that hold everything, tokens that cover all."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realm.guild.engine import SkillEngine
from realm.guild.skill import Problem, side_of
from realm.guild.skills.binary import BinarySkill, vocabulary
from realm.guild.skills.binary.layout import DIFFICULTIES, TAGS, Difficulty
from tests.guild.binary_reader import Reader

BIN = BinarySkill()
TASKS = {"compute", "error", "blank", "truth", "larger", "property", "overflow", "operands"}
VERDICTS = {"truth": "true|false", "error": r"error\d", "larger": "1|2|same", "overflow": "yes|no"}

some_problem = st.builds(
    lambda level, kind, side, n: BIN.generate(level, f"test/{n}", side=side, kind=kind),
    st.integers(1, 30),
    st.sampled_from(DIFFICULTIES),
    st.sampled_from(("train", "exam")),
    st.integers(0, 10**9),
)


def lines_of(problem: Problem) -> list[str]:
    return problem.answer.split("\n")


def read(problem: Problem) -> Reader:
    """Reads every line of the answer and asserts that it is true; the reader then knows all facts stated."""
    reader = Reader(problem.prompt)
    lines = lines_of(problem)
    stated = 1 + max(i for i, line in enumerate(lines) if reader.is_equation(line))
    for i, line in enumerate(lines[:stated]):
        if reader.is_equation(line):
            assert reader.equation(line), (problem, line)
        elif re.match(r"^(-?\d+|[^:a-z]+):(plus|minus|zero)", line):
            assert i == 0
            check_operands(reader, line)
        else:
            reader.check_work(line, next(later for later in lines[i:] if reader.is_equation(later)))
    check_verdict(reader, problem, lines[stated:])
    return reader


def check_verdict(reader: Reader, problem: Problem, lines: list[str]) -> None:
    """What stands below the equations: the verdict, and above it what it rests on."""
    if problem.meta["task"] not in VERDICTS:
        assert not lines
        return
    facts = list(reader.facts)
    *before, verdict = lines
    assert re.fullmatch(VERDICTS[problem.meta["task"]], verdict)
    assert before == comparisons(problem, reader), problem
    reader.facts[:] = facts  # the question states nothing


def comparisons(problem: Problem, reader: Reader) -> list[str]:
    """The lines between the equations and the verdict, worked out from the question and the results stated."""
    asked = reader.question.removeprefix(TAGS[problem.meta["difficulty"]])
    found = [final.rpartition("=")[2] for final in problem.meta["final"][:-1]]
    match problem.meta["task"]:
        case "truth":
            return [reader.compared(found[0], asked.rpartition("=")[2])]
        case "error":
            said = [claim.rpartition("=")[2] for claim in asked.removeprefix("error?").split(";")]
            wrong = next(i for i, (a, b) in enumerate(zip(found, said, strict=True)) if a != b)
            return [reader.compared(a, b) for a, b in zip(found[: wrong + 1], said, strict=False)]
        case "larger":
            first, second = (
                reader.binary(reader.evaluate(side)[0])  # type: ignore[arg-type]
                for side in asked.removeprefix("larger?").split(",")
            )
            both = [reader.compared(found[-1], first), reader.compared(found[-1], second)]
            return both if found[-1] == first else both[:1]
        case "overflow":
            room = asked.removeprefix("overflow?").partition(":")[0]
            return [f"len:{len(found[0])},{room}"] if room.isdecimal() else []
    raise AssertionError(problem)


def check_operands(reader: Reader, line: str) -> None:
    for pair in line.split(","):
        number, sign, worth = re.fullmatch(r"(.+):(plus|minus|zero)(\d+)", pair).groups()  # type: ignore[union-attr]
        expected = int(worth) * (-1 if sign == "minus" else 1)
        assert (sign == "zero") == (worth == "0")
        if number.isdecimal():
            assert int(number) == expected
        else:
            signed = "±" in reader.question
            assert reader.number(number, len(number) if signed else 0) == expected


@settings(max_examples=400, deadline=None)
@given(some_problem)
def test_every_line_of_every_answer_is_true(problem: Problem) -> None:
    read(problem)


def test_every_line_is_true_at_every_level_in_every_difficulty_and_task() -> None:
    seen: Counter[tuple[str, str]] = Counter()
    for level in range(1, 31):
        for kind in DIFFICULTIES:
            for i in range(60):
                problem = BIN.generate(level, f"true/{i}", kind=kind)
                read(problem)
                seen[kind, problem.meta["task"]] += 1
    assert {task for _, task in seen} == TASKS
    assert len(seen) == len(TASKS) * len(DIFFICULTIES)


@settings(max_examples=400, deadline=None)
@given(some_problem)
def test_the_result_follows_from_the_prompt_alone(problem: Problem) -> None:
    """The expected result, worked out again from the question's text."""
    reader = Reader(problem.prompt)
    question = reader.question.removeprefix(TAGS[problem.meta["difficulty"]])
    lines = lines_of(problem)
    match problem.meta["task"]:
        case "compute" | "property":
            assert [li for li in lines if li.startswith(f"{question}=")] == list(problem.meta["final"])
        case "truth":
            assert lines[-1] == ("true" if reader.equation(question.removeprefix("true?")) else "false")
        case "error":
            wrong = [not reader.equation(claim) for claim in question.removeprefix("error?").split(";")]
            assert wrong.count(True) == 1
            assert lines[-1] == f"error{1 + wrong.index(True)}"
        case "blank":
            before, after = question.removeprefix("fill:").split("?")
            filled = problem.meta["final"][0]
            assert filled.startswith(before) and filled.endswith(after) and reader.equation(filled)
        case "larger":
            a, b = (reader.evaluate(e)[0] for e in question.removeprefix("larger?").split(","))
            assert lines[-1] == ("same" if a == b else "1" if a > b else "2")  # type: ignore[operator]
        case "overflow":
            room, _, expression = question.removeprefix("overflow?").rpartition(":")
            value, width = reader.evaluate(expression)
            assert isinstance(value, int)
            fits = value < 1 << int(room) if room else -(1 << (width - 1)) <= value < 1 << (width - 1)
            assert lines[-1] == ("no" if fits else "yes")
        case "operands":
            wanted = [part.rpartition("=")[2] for part in question.split(",")]
            assert [final.rpartition("=")[2] for final in problem.meta["final"]] == wanted


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 30), st.sampled_from(DIFFICULTIES), st.integers(0, 10**9))
def test_training_never_states_a_held_out_fact(level: int, kind: Difficulty, n: int) -> None:
    """Whatever the text states, read back from the text: level, difficulty, symbols and form make no difference."""
    problem = BIN.generate(level, f"leak/{n}", kind=kind)
    assert_no_held_out_fact(problem)


def assert_no_held_out_fact(problem: Problem) -> None:
    reader = read(problem)
    for line in lines_of(problem):
        if not reader.is_equation(line) or "(" in line:
            continue
        reader.facts.clear()
        reader.equation(line)
        for fact in reader.facts:
            assert side_of(fact.content) == "train", (problem, fact)
    if problem.meta["difficulty"] != "easy":
        question_numbers = set()
        for final in problem.meta["final"]:
            if reader.is_equation(final):
                reader.numbers.clear()
                reader.equation(final)
                question_numbers |= reader.numbers
        for number in question_numbers:
            assert side_of(f"conversion({abs(number)})") == "train", (problem, number)


def test_small_levels_never_state_a_held_out_fact() -> None:
    for level in (1, 2, 3, 4):
        for i in range(1500):
            assert_no_held_out_fact(BIN.generate(level, f"small/{i}"))


def test_an_examination_shares_no_content_with_training_at_any_level() -> None:
    exam = {p.content for level in (1, 2, 3, 5) for p in SkillEngine().generate_eval_batch("bin", level)}
    for level in (1, 2, 3, 4, 5, 8):
        for kind in DIFFICULTIES:
            for i in range(300):
                assert BIN.generate(level, f"apart/{i}", kind=kind).content not in exam


def test_content_ignores_the_clothes() -> None:
    """Problems that read the same in plain integers have one content; and one content is one question."""
    by_content: dict[str, set[str]] = {}
    for level in (1, 2, 9):
        for kind in DIFFICULTIES:
            for i in range(400):
                p = BIN.generate(level, f"clothes/{i}", kind=kind)
                if p.meta["task"] == "compute" and "(" not in p.prompt:
                    reader = Reader(p.prompt)
                    reader.evaluate(reader.question.removeprefix(TAGS[kind]))
                    by_content.setdefault(p.content, set()).add(reader.facts[0].content)
    assert all(found == {content} for content, found in by_content.items())


@settings(max_examples=300, deadline=None)
@given(some_problem)
def test_parameters_of_the_level_are_obeyed(problem: Problem) -> None:
    bits, kind = BIN.spec.level(problem.level).bits, problem.meta["difficulty"]
    reader = Reader(problem.prompt)
    assert reader.question.startswith(TAGS[kind]) and (kind != "easy" or "[" not in reader.question)
    for final in problem.meta["final"]:
        if reader.is_equation(final):
            reader.evaluate(final.rpartition("=")[0])
    least, most = BIN.spec.depth[kind]
    assert reader.nesting <= most
    if problem.meta["task"] in ("compute", "truth", "property"):
        assert reader.nesting >= least
    if problem.meta["task"] in ("compute", "truth", "property", "blank", "operands"):
        for number in reader.numbers:
            assert abs(number).bit_length() <= bits, problem
    for width in re.findall(r"±(\d+)", reader.question):
        assert 2 <= int(width) <= bits


def test_a_level_is_about_its_own_length() -> None:
    for level in (2, 5, 10, 20, 30):
        bits = BIN.spec.level(level).bits
        longest: Counter[int] = Counter()
        for i in range(800):
            p = BIN.generate(level, f"length/{i}", kind="easy")
            reader = Reader(p.prompt)
            for final in p.meta["final"]:
                if reader.is_equation(final):
                    reader.evaluate(final.rpartition("=")[0])
            longest[max((abs(n).bit_length() for n in reader.numbers), default=0)] += 1
        assert longest[bits] + longest[bits - 1] > 0.7 * 800 * 0.8
        assert any(longest[n] for n in range(bits - 1))


def test_the_mix_is_that_of_the_level() -> None:
    for level in (1, 8, 13, 18, 23, 30):
        found = Counter(BIN.generate(level, f"mix/{i}").meta["difficulty"] for i in range(2000))
        for kind, share in BIN.mix(level).items():
            assert abs(found[kind] / 2000 - share) < 0.04, (level, kind, found)


def test_all_operations_come_in_training_and_in_examinations() -> None:
    for side in ("train", "exam"):
        found = {BIN.generate(5, f"all/{i}", side=side, kind="easy").meta["operation"] for i in range(1500)}
        assert found == {*(name for names in BIN.spec.operations.values() for name in names), "even", "power_of_two"}


# Symbol language


def test_renamed_symbols_begin_at_their_level_and_have_their_share() -> None:
    assert not any(BIN.generate(7, f"sym/{i}").meta["symbols"] for i in range(300))
    for level in (8, 20):
        share = sum(BIN.generate(level, f"sym/{i}").meta["symbols"] for i in range(1000)) / 1000
        assert abs(share - BIN.spec.symbols.share) < 0.05


@settings(max_examples=300, deadline=None)
@given(st.integers(8, 30), st.sampled_from(DIFFICULTIES), st.integers(0, 10**9))
def test_the_key_holds_every_symbol_and_none_means_two_things(level: int, kind: Difficulty, n: int) -> None:
    problem = BIN.generate(level, f"key/{n}", kind=kind)
    if not problem.meta["symbols"]:
        assert "\n" not in problem.prompt
        return
    reader = Reader(problem.prompt)
    key = problem.prompt.split("\n")[0].split(",")
    symbols = [pair[0] for pair in key]
    assert len(set(symbols)) == len(symbols)
    pools = {s for pair in BIN.spec.symbols.digits for s in pair} | set(BIN.spec.symbols.operations)
    below = reader.question + problem.answer
    assert {c for c in below if c in pools} <= set(symbols)
    assert not set("⓪①+−×÷≟<>") & set(below)
    assert all(s in below for s in symbols[2:])


# Tokens


def test_the_vocabulary_covers_every_text() -> None:
    tokens = vocabulary()
    assert len(set(tokens)) == len(tokens) and all(tokens)
    pattern = re.compile("|".join(sorted(map(re.escape, tokens), key=len, reverse=True)))
    for level in (1, 3, 8, 15, 30):
        for kind in DIFFICULTIES:
            for i in range(100):
                p = BIN.generate(level, f"tokens/{i}", kind=kind)
                for text in (p.prompt, p.answer):
                    assert "".join(pattern.findall(text)) == text


def test_easy_problems_stay_short() -> None:
    tokens = sorted(map(re.escape, vocabulary()), key=len, reverse=True)
    pattern = re.compile("|".join(tokens))
    problems = [BIN.generate(1, f"short/{i}", kind="easy") for i in range(500)]
    lengths = sorted(len(pattern.findall(p.prompt + p.answer)) for p in problems)
    assert lengths[250] <= 13 and lengths[-1] <= 70


# Grading


def problem_like(kind: Difficulty, task: str, symbols: bool = False) -> Problem:
    for i in range(10_000):
        p = BIN.generate(9 if symbols else 4, f"like/{i}", kind=kind)
        if p.meta["task"] == task and p.meta["symbols"] == symbols:
            return p
    raise AssertionError


@settings(max_examples=300, deadline=None)
@given(some_problem, st.data())
def test_a_result_with_a_wrong_character_is_wrong(problem: Problem, data: st.DataObject) -> None:
    zero, one = problem.meta["digits"]
    final = data.draw(st.sampled_from(problem.meta["final"]))
    at = data.draw(st.integers(0, len(final) - 1))
    for other in {zero, one, "0", "x", ""} - {final[at]}:
        variant = problem.answer.replace(final, final[:at] + other + final[at + 1 :])
        score = BIN.score(problem, variant)
        assert score.value == 0 and not score.correct, (problem, variant)


@pytest.mark.parametrize("kind", DIFFICULTIES)
@pytest.mark.parametrize("task", sorted(TASKS))
def test_wrong_sentences_with_the_right_digits_score_nothing(kind: Difficulty, task: str) -> None:
    p = problem_like(kind, task)
    final = p.meta["final"][-1]
    left, _, right = final.rpartition("=")
    others = [p.prompt, right, f"it is {right}", f"{final} or not", f"not {final}", f"{final}\n{left}={right}"]
    others += [
        f"{left}=⓪\n{p.answer}",
        f"{p.answer}\n{left}=①",
        f"{p.answer}\n{p.answer}",
    ]
    others += [f"{p.answer}\n{word}" for words in VERDICTS.values() for word in words.split("|")]
    others += [p.answer.replace(final, f"{final}⓪"), p.answer.replace(final, f"①{final}")]
    for response in others:
        assert BIN.score(p, response).value == 0, (p, response)


def test_five_in_fifteen_cannot_pass() -> None:
    for i in range(300):
        p = BIN.generate(4, f"fifteen/{i}", kind="easy")
        if p.meta["operation"] == "to_decimal" and p.meta["task"] == "compute":
            assert BIN.score(p, p.answer.replace("=", "=1")).value == 0
            assert BIN.score(p, p.answer + "5").value == 0


def test_faulty_work_lowers_the_value_of_a_right_result() -> None:
    for kind in ("medium", "hard", "expert"):
        p = problem_like(kind, "compute")  # type: ignore[arg-type]
        lines = lines_of(p)
        for i, line in enumerate(lines):
            if line in p.meta["final"]:
                continue
            without = BIN.score(p, "\n".join(lines[:i] + lines[i + 1 :]))
            assert without.correct and 0.5 <= without.value < 1
            assert p.meta["final"][0] in lines[:i] + lines[i + 1 :]


def test_the_answer_in_plain_digits_is_wrong_where_symbols_were_asked() -> None:
    p = problem_like("easy", "compute", symbols=True)
    zero, one = p.meta["digits"]
    assert BIN.score(p, p.answer.replace(zero, "⓪").replace(one, "①")).value == 0
    assert BIN.score(p, p.prompt.split("\n")[0]).value == 0


@settings(max_examples=200, deadline=None)
@given(some_problem, st.text())
def test_any_text_is_graded(problem: Problem, text: str) -> None:
    score = BIN.score(problem, text)
    assert 0 <= score.value <= 1 and score.correct == (text.strip() == problem.answer)
