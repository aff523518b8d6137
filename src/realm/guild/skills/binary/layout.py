"""From a Draft to a prompt and an answer: tags, symbol key, order of the lines. Knows no randomness and no split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from .expression import ONE, SIGNS, ZERO, Node, Script, leaves, steps
from .operations import OPERATIONS
from .tasks import Draft
from .work import work

Difficulty = Literal["easy", "medium", "hard", "expert"]
DIFFICULTIES: tuple[Difficulty, ...] = ("easy", "medium", "hard", "expert")
TAGS: dict[Difficulty, str] = {"easy": "", "medium": "[verify]", "hard": "[show-work]", "expert": "[trace]"}


def prompt(draft: Draft, difficulty: Difficulty, script: Script, answer: str) -> str:
    """The question; with renamed symbols the key that it and its `answer` need stands on a line above it."""
    question = TAGS[difficulty] + draft.ask(script)
    return f"{_key(script, question + answer)}\n{question}" if script.names else question


def _key(script: Script, text: str) -> str:
    """Both digits and each renamed operation of the text, with what they stand for."""
    digits = [f"{script.bits('0')}={ZERO}", f"{script.bits('1')}={ONE}"]
    used = [f"{symbol}={OPERATIONS[name].symbol}" for name, symbol in script.names.items() if symbol in text]
    return ",".join(digits + used)


def facts(draft: Draft) -> tuple[Node, ...]:
    """The equations that the answer rests on, whole."""
    return draft.before + draft.shown


def answer(draft: Draft, difficulty: Difficulty, script: Script) -> list[str]:
    """The lines of the answer. What leads to an equation stands above it, so that it helps to find it."""
    lines = list(_operand_lines(draft, script)) if difficulty == "expert" else []
    for fact in draft.before:
        lines += _worked(fact, difficulty, script)
    for fact in draft.shown:
        lines += _worked(fact, difficulty, script)
    if difficulty != "easy":
        lines += [script.decimal_equation(fact) for fact in draft.shown]
    return [*lines, *draft.check(script), draft.verdict] if draft.verdict else lines


def _worked(whole: Node, difficulty: Difficulty, script: Script) -> list[str]:
    """The equation of the whole, below those of its steps, each below its own work."""
    lines: list[str] = []
    flat = steps(whole)
    for step in flat:
        if difficulty in ("hard", "expert"):
            lines += work(step, script, full=difficulty == "expert")
        lines.append(script.equation(step))
    if len(flat) > 1:
        lines.append(script.equation(whole))
    return lines


def _operand_lines(draft: Draft, script: Script) -> Iterator[str]:
    numbers = dict.fromkeys(number for fact in draft.shown for number in leaves(fact))
    yield ",".join(f"{script.number(n)}:{SIGNS[(n > 0) - (n < 0)]}{abs(n)}" for n in numbers)


def finals(draft: Draft, script: Script) -> tuple[str, ...]:
    """The lines that are the result: the equations asked for and, where there is one, the verdict."""
    equations = [script.equation(fact) for fact in draft.shown]
    return (*equations, draft.verdict) if draft.verdict else tuple(equations)
