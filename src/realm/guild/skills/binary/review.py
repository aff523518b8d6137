"""Proposed answers of BIN: what a response claims, whether it may be shown, and the check that a verdict rests on.

A proposal is the claim alone, always in BIN's own layout: the equation asked for, or the verdict of a task that has
one. So a right and a wrong one differ in what they claim and in nothing else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable

from realm.guild.review import LONGEST, Review
from realm.guild.skill import Problem, side_of

from .expression import OVERFLOW, SIGNS, TRUTHS
from .work import check

EQUATIONS = frozenset({"compute", "property"})
"""Tasks whose result is one equation, whose left side is the question."""
VERDICTS = frozenset({"truth", "error", "larger", "overflow"})
"""Tasks that end in a verdict; `blank` and `operands` end in an equation whose left side is itself the answer."""
WORDS = frozenset({*TRUTHS.values(), *SIGNS.values(), "true", "false", "1", "2", "same"})
_WORD_KINDS = (
    frozenset(TRUTHS.values()),
    frozenset(SIGNS.values()),
    frozenset({"true", "false"}),
    frozenset({"1", "2", "same"}),
)


class BinaryReview(Review):
    """The claim of an equation is the result that stands right of the question, else of the last equation of its kind.

    Verdicts are `true` and `false` below the right answer and a `check:` line, as in BIN's own auxiliary tasks.
    """

    right, wrong = "true", "false"

    def takes(self, problem: Problem) -> bool:
        return problem.form in EQUATIONS | VERDICTS

    def proposal(self, problem: Problem, response: str) -> str | None:
        if len(response) > LONGEST * len(problem.answer) + 200:
            return None
        lines = response.strip().split("\n")
        right = problem.meta["final"][-1]
        if problem.form in VERDICTS:
            return lines[-1] if _same_kind(right, lines[-1], "") else None
        head, _, result = right.rpartition("=")
        equations = [line.rpartition("=") for line in lines if "=" in line]
        said = [(left, claim) for left, _, claim in equations if _fits(problem, result, claim)]
        claims = {claim for left, claim in said if left == head} or {claim for _, claim in said[-1:]}
        return f"{head}={claims.pop()}" if len(claims) == 1 else None

    def may_show(self, problem: Problem, proposal: str) -> bool:
        """A claim about a number is what the task `truth` asks about: one on its examination side is not shown."""
        _, found, claim = proposal.rpartition("=")
        if not found or _kind(claim, problem.meta["digits"]) not in {"binary", "overflow"}:
            return True
        if claim == OVERFLOW:
            return False  # which number it claims cannot be told, so neither can its side
        value = _value(claim, problem.meta["digits"], signed=bool(problem.meta["width"]))
        return side_of(f"truth({problem.content},{value})") == "train"

    def group(self, problem: Problem) -> Hashable:
        meta = problem.meta
        return problem.form, meta["operation"], meta["difficulty"], bool(meta["width"]), meta["symbols"]

    def style(self, problem: Problem, proposal: str) -> Counter[str]:
        """Zeros and ones of both sides, whatever they are written with, and the last; a verdict as it stands."""
        digits = problem.meta["digits"]
        head, found, result = proposal.rpartition("=")
        if not found:
            return Counter({proposal: len(proposal)})
        head, result = _plain(head, digits), _plain(result, digits)
        return Counter(head) + Counter(f"result {mark}" for mark in result) + Counter({f"ends {result[-1:]}": 1})

    def ask_verdict(self, problem: Problem, proposal: str) -> str:
        return f"{problem.prompt}\n{proposal}\ntrue?"

    def verdict(self, problem: Problem, proposal: str, *, is_right: bool) -> str:
        found = problem.meta["final"][-1].rpartition("=")[2]
        said = proposal.rpartition("=")[2]
        word = super().verdict(problem, proposal, is_right=is_right)
        return "\n".join((problem.answer, _check(found, said), word))

    def ask_correction(self, problem: Problem, proposal: str) -> str:
        """A proposal with its verdict: what follows is the right answer."""
        return f"{problem.prompt}\n{proposal}\n{self.wrong}"


def _plain(text: str, digits: str) -> str:
    """A text with `0` and `1` for the two digits and one mark for all other symbols."""
    return "".join("01"[digits.index(m)] if m in digits else m if m.isalnum() else "-" for m in text)


def _check(found: str, said: str) -> str:
    """Words are compared whole, numbers from the left."""
    return f"check:{found}{said}" if _is_word(found) else check(found, said)


def _is_word(result: str) -> bool:
    return result in WORDS or result.startswith("error")


def _fits(problem: Problem, result: str, claim: str) -> bool:
    """Whether a claim is written as BIN writes such a result: unsigned without leading zeros, signed at full width."""
    digits, width = problem.meta["digits"], problem.meta["width"]
    if not _same_kind(result, claim, digits):
        return False
    if _kind(claim, digits) not in {"binary", "division"}:
        return True
    parts = claim.split("r")
    return all(len(part) == width if width else len(part) == 1 or part[0] == digits[1] for part in parts)


def _same_kind(right: str, said: str, digits: str) -> bool:
    kinds = {_kind(right, digits), _kind(said, digits)}
    return "" not in kinds and (len(kinds) == 1 or kinds == {"binary", "overflow"})


def _kind(result: str, digits: str) -> str:
    """What sort of result it is; empty for what BIN never writes."""
    for words in _WORD_KINDS:
        if result in words and not (digits and result.isdecimal()):
            return " ".join(sorted(words))
    if result == OVERFLOW:
        return "overflow"
    if re.fullmatch("error[1-9]", result):
        return "error"
    if digits and re.fullmatch(f"[{re.escape(digits)}]{{1,80}}", result):
        return "binary"
    if digits and re.fullmatch(f"[{re.escape(digits)}]{{1,80}}r[{re.escape(digits)}]{{1,80}}", result):
        return "division"
    return "decimal" if digits and re.fullmatch("-?(0|[1-9][0-9]{0,20})", result) else ""


def _value(bits: str, digits: str, *, signed: bool) -> int:
    number = int("".join("01"[digits.index(bit)] for bit in bits), 2)
    return number - (1 << len(bits)) if signed and bits[0] == digits[1] else number
