"""The work shown above an equation: carries, borrows, partial products, places. Knows no task and no prompt.

A line of work holds neither an operation nor an equals sign, so that it never states a fact that might be held out.
Columns run from the right, as one computes; comparisons and divisions run from the left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import zip_longest

from .expression import OVERFLOW, SIGNS, Node, Script

Work = Callable[[Node, Script, bool], Iterator[str]]

LINE_NAMES = (
    "carry:",
    "borrow:",
    "part:",
    "rest:",
    "quot:",
    "len:",
    "at:",
    "same",
    "end:",
    "place:",
    "ones:",
    "col:",
    "signs:",
    "flip:",
    "top:",
    "check:",
)
"""What a line of work begins with."""


def work(step: Node, script: Script, *, full: bool) -> list[str]:
    """The lines above the equation of one operation on numbers; `full` shows every position."""
    lines = list(_signs(step)) if script.width else []
    return lines + list(_WORK[step.op.name](step, script, full))


def check(found: str, said: str) -> str:
    """Two results side by side, character by character from the left, up to the first that differs; `-` where one ends.

    A verdict that rests on this line needs a look at its last pair only.
    """
    pairs = []
    for pair in zip_longest(_characters(found), _characters(said), fillvalue="-"):
        pairs.append("".join(pair))
        if pair[0] != pair[1]:
            break
    return "check:" + ",".join(pairs)


def _characters(result: str) -> list[str]:
    return [result] if result == OVERFLOW else list(result)


def _signs(step: Node) -> Iterator[str]:
    """The sign rule: the signs of the operands, then that of the exact result."""
    if step.op.name != "sign":
        yield "signs:" + ",".join(SIGNS[(v > 0) - (v < 0)] for v in (*step.numbers, step.value))


def _columns(a: int, b: int, script: Script) -> tuple[str, str]:
    """Both bit patterns, rightmost digit first, at the same length."""
    n = script.width or max(a.bit_length(), b.bit_length(), 1)
    mask = (1 << n) - 1
    return format(a & mask, f"0{n}b")[::-1], format(b & mask, f"0{n}b")[::-1]


def _add(step: Node, script: Script, full: bool) -> Iterator[str]:
    a, b = (*step.numbers, 1)[:2]
    carry, carries, cells = 0, "", []
    for x, y in zip(*_columns(a, b, script), strict=True):
        total = int(x) + int(y) + carry
        cells.append(f"{x}{y}{carry}{total >> 1}{total & 1}")
        carry = total >> 1
        carries += str(carry)
    yield _table("carry:", carries, cells, script, full)


def _subtract(step: Node, script: Script, full: bool) -> Iterator[str]:
    a, b = (*step.numbers, 1)[:2]
    borrow, borrows, cells = 0, "", []
    for x, y in zip(*_columns(a, b, script), strict=True):
        difference = int(x) - int(y) - borrow
        cells.append(f"{x}{y}{borrow}{int(difference < 0)}{difference & 1}")
        borrow = int(difference < 0)
        borrows += str(borrow)
    yield _table("borrow:", borrows, cells, script, full)


def _table(name: str, row: str, cells: list[str], script: Script, full: bool) -> str:
    """The row of carries, or one cell per column: both digits, carry in, carry out, digit of the result."""
    return script.bits("col:" + ",".join(cells)) if full else script.bits(name + row)


def _multiply(step: Node, script: Script, full: bool) -> Iterator[str]:
    """One partial product per digit of the second factor, of the magnitudes; without `full` only those that count."""
    a, b = (abs(number) for number in step.numbers)
    parts = [(a << i) * (b >> i & 1) for i in range(max(b.bit_length(), 1))]
    shown = parts if full else [part for part in parts if part] or [0]
    yield "part:" + ",".join(script.bits(format(part, "b")) for part in shown)


def _divide(step: Node, script: Script, full: bool) -> Iterator[str]:
    """Long division from the left: the rest after each digit, and with `full` the digit of the quotient."""
    a, b = step.numbers
    rest, rests, quotient = 0, [], ""
    for digit in format(a, "b"):
        rest = 2 * rest + int(digit)
        quotient += "1" if rest >= b else "0"
        rest %= b
        rests.append(script.number(rest))
    if full:
        yield "quot:" + script.bits(quotient)
    yield "rest:" + ",".join(rests)


def _negate(step: Node, script: Script, full: bool) -> Iterator[str]:
    """All digits flipped; with `full` also the columns of adding one to them."""
    flipped = ~step.numbers[0]
    yield "flip:" + script.number(flipped)
    if full:
        yield from _add(Node(step.op, (flipped,), 0), script, full)


def _absolute(step: Node, script: Script, full: bool) -> Iterator[str]:
    if step.numbers[0] < 0:
        yield from _negate(step, script, full)


def _sign(step: Node, script: Script, full: bool) -> Iterator[str]:
    yield "top:" + script.number(step.numbers[0])[0]


def _compare(step: Node, script: Script, full: bool) -> Iterator[str]:
    """Lengths first; at equal lengths the first place from the left where the digits differ."""
    a, b = (format(number, "b") for number in step.numbers)
    yield f"len:{len(a)},{len(b)}"
    if full:
        n = max(len(a), len(b))
        yield script.bits("col:" + ",".join(map("".join, zip(a.zfill(n), b.zfill(n), strict=True))))
    if a == b:
        yield "same"
    elif len(a) == len(b):
        place = next(i for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y)
        yield f"at:{place + 1},{script.bits(a[place])},{script.bits(b[place])}"


def _last_digit(step: Node, script: Script, full: bool) -> Iterator[str]:
    last = 0 if step.op.name == "double" else step.numbers[0] & 1
    yield "end:" + script.bits(str(last))


def _places(step: Node, script: Script, full: bool) -> Iterator[str]:
    """The worth of the places from the left: those that hold a one, with `full` the others as 0."""
    number = step.numbers[0]
    worths = [number & (1 << i) for i in reversed(range(max(number.bit_length(), 1)))]
    yield "place:" + ",".join(str(worth) for worth in (worths if full else [w for w in worths if w] or [0]))


def _ones(step: Node, script: Script, full: bool) -> Iterator[str]:
    yield f"ones:{step.numbers[0].bit_count()}"


_WORK: dict[str, Work] = {
    "add": _add,
    "increment": _add,
    "subtract": _subtract,
    "decrement": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "negate": _negate,
    "absolute": _absolute,
    "sign": _sign,
    "equals": _compare,
    "less": _compare,
    "greater": _compare,
    "minimum": _compare,
    "maximum": _compare,
    "double": _last_digit,
    "half": _last_digit,
    "even": _last_digit,
    "to_binary": _places,
    "to_decimal": _places,
    "power_of_two": _ones,
}
