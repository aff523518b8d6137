"""The operations of BIN on Python integers: what each is written as, what it gives, which primitives it exercises.

Knows no text layout and no randomness.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["number", "truth", "sign", "decimal", "division"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `symbol` is how it is written in plain (not renamed) problems; `apply` gives an int or a truth.

    A division gives its quotient; the remainder follows from the operands.
    """

    name: str
    symbol: str
    arity: int
    apply: Callable[..., int]
    kind: Kind = "number"
    commutative: bool = False


def _sign(a: int) -> int:
    return (a > 0) - (a < 0)


def _is_power_of_two(a: int) -> bool:
    return a > 0 and a & (a - 1) == 0


OPERATIONS: dict[str, Operation] = {
    op.name: op
    for op in (
        Operation("add", "+", 2, lambda a, b: a + b, commutative=True),
        Operation("subtract", "−", 2, lambda a, b: a - b),
        Operation("multiply", "×", 2, lambda a, b: a * b, commutative=True),
        Operation("divide", "÷", 2, lambda a, b: a // b, kind="division"),
        Operation("increment", "inc", 1, lambda a: a + 1),
        Operation("decrement", "dec", 1, lambda a: a - 1),
        Operation("negate", "neg", 1, lambda a: -a),
        Operation("absolute", "abs", 1, abs),
        Operation("sign", "sign", 1, _sign, kind="sign"),
        Operation("equals", "≟", 2, lambda a, b: a == b, kind="truth", commutative=True),
        Operation("less", "<", 2, lambda a, b: a < b, kind="truth"),
        Operation("greater", ">", 2, lambda a, b: a > b, kind="truth"),
        Operation("minimum", "min", 2, min, commutative=True),
        Operation("maximum", "max", 2, max, commutative=True),
        Operation("double", "double", 1, lambda a: 2 * a),
        Operation("half", "half", 1, lambda a: a // 2),
        Operation("to_binary", "tobin", 1, lambda a: a),
        Operation("to_decimal", "todec", 1, lambda a: a, kind="decimal"),
        Operation("even", "even", 1, lambda a: a % 2 == 0, kind="truth"),
        Operation("power_of_two", "pow2", 1, _is_power_of_two, kind="truth"),
    )
}
"""Every operation by name. Whether the operands are signed is the problem's matter (a width), not the operation's."""


def has_carry(a: int, b: int) -> bool:
    """Whether adding the bit patterns carries anywhere."""
    return a & b != 0


def has_borrow(a: int, b: int) -> bool:
    """Whether subtracting the bit pattern of b from that of a borrows anywhere."""
    return ~a & b != 0


def primitives(name: str, args: tuple[int, ...]) -> tuple[str, ...]:
    """The catalogue's primitives that one operation on these operands exercises."""
    match name, args:
        case "add", (a, b):
            return (_add_primitive(a, b),)
        case "subtract", (a, b):
            return (_sub_primitive(a, b),)
        case "increment", (a,):
            return (_add_primitive(a, 1),)
        case "decrement", (a,):
            return (_sub_primitive(a, 1),)
        case "divide", (a, b):
            return ("div_exact" if a % b == 0 else "modulo",)
        case _:
            return _FIXED[name]


def _add_primitive(a: int, b: int) -> str:
    return "binary_add_with_carry" if has_carry(a, b) else "binary_add_no_carry"


def _sub_primitive(a: int, b: int) -> str:
    return "binary_sub_with_borrow" if has_borrow(a, b) else "binary_sub_no_borrow"


_FIXED: dict[str, tuple[str, ...]] = {
    "multiply": ("mul_single_digit",),
    "negate": ("bitwise_xor",),
    "absolute": ("bitwise_xor",),
    "sign": ("compare_integers",),
    "equals": ("binary_compare",),
    "less": ("binary_compare",),
    "greater": ("binary_compare",),
    "minimum": ("binary_compare",),
    "maximum": ("binary_compare",),
    "double": ("mul_single_digit",),
    "half": ("div_exact",),
    "to_binary": ("decimal_to_binary",),
    "to_decimal": ("binary_to_decimal",),
    "even": ("parity",),
    "power_of_two": ("bitwise_and",),
}
