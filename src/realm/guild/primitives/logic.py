"""Atomic problems of logic. Words that mean nothing stand for the things, so that only the rule can answer."""

from __future__ import annotations

from random import Random

from .draft import WORD, Draft, Maker, invented, truth


def truth_table(draw: Random) -> Draft:
    a, b = draw.sample("ABCDEFGHJKLMPQRSTUVWXYZ", 2)
    values = draw.random() < 0.5, draw.random() < 0.5
    denied = draw.random() < 0.4, draw.random() < 0.4
    joint = draw.choice(("and", "or"))
    said = [f"not {name}" if no else name for name, no in zip((a, b), denied, strict=True)]
    sides = [value != no for value, no in zip(values, denied, strict=True)]
    holds = all(sides) if joint == "and" else any(sides)
    expression = f"{said[0]} {joint} {said[1]}"
    return truth(f"{_given(a, b, values)} Is '{expression}' true?", holds, f"{_given(a, b, values)} {expression}")


def implication(draw: Random) -> Draft:
    a, b = draw.sample("ABCDEFGHJKLMPQRSTUVWXYZ", 2)
    values = draw.random() < 0.5, draw.random() < 0.5
    given = _given(a, b, values)
    return truth(f"{given} Is 'if {a} then {b}' true?", not values[0] or values[1], f"{given} {a}->{b}")


def _given(a: str, b: str, values: tuple[bool, bool]) -> str:
    first, second = ("true" if value else "false" for value in values)
    return f"{a} is {first} and {b} is {second}."


def _rules(draw: Random) -> tuple[list[str], str]:
    """Two rules on four invented words, in any order, as a text."""
    names = invented(draw, 4)
    rules = [f"If it is {names[0]}, it is {names[1]}.", f"If it is {names[2]}, it is {names[3]}."]
    return names, " ".join(draw.sample(rules, 2))


def modus_ponens(draw: Random) -> Draft:
    names, rules = _rules(draw)
    return _word(f"{rules} It is {names[0]}. What else is it?", names[1])


def modus_tollens(draw: Random) -> Draft:
    names, rules = _rules(draw)
    return _word(f"{rules} It is not {names[1]}. What else is it surely not?", names[0])


def _chain(draw: Random, first: str) -> Draft:
    a, b, c, d, e = invented(draw, 5)
    lines = [f"{first} {a}s are {b}s.", f"All {b}s are {c}s.", f"All {d}s are {e}s."]
    text = " ".join(draw.sample(lines, 3))
    return _word(f"{text} What are {first.lower()} {a}s for sure, besides {b}s?", f"{c}s")


def _word(question: str, answer: str) -> Draft:
    return Draft(f"{question} {WORD}", answer, question, "word")


def de_morgan(draw: Random) -> Draft:
    a, b = sorted(draw.sample("abcdefghjklmpqrstuvwxyz", 2))
    first, second = draw.random() < 0.4, draw.random() < 0.4
    joint = draw.choice(("and", "or"))
    inside = f"{'not ' * first}{a} {joint} {'not ' * second}{b}"
    answer = f"{'not ' * (not first)}{a} {'or' if joint == 'and' else 'and'} {'not ' * (not second)}{b}"
    return Draft(
        f"Write without brackets, keeping the order of the letters: not ({inside}). Answer with the formula only.",
        answer,
        f"not({inside})",
        "logic",
    )


MAKERS: dict[str, Maker] = {
    "truth_table_basic": truth_table,
    "implication_eval": implication,
    "modus_ponens": modus_ponens,
    "modus_tollens": modus_tollens,
    "syllogism_all": lambda draw: _chain(draw, "All"),
    "syllogism_some": lambda draw: _chain(draw, "Some"),
    "de_morgan": de_morgan,
}
