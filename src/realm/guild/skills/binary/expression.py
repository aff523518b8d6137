"""Expressions over integers and how they are written: circled digits, other symbols, decimals. Knows no task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .operations import OPERATIONS, Operation

ZERO, ONE = "\u24ea", "\u2460"
OVERFLOW = "overflow"
SIGNS = {-1: "minus", 0: "zero", 1: "plus"}
TRUTHS = {False: "no", True: "yes"}


@dataclass(frozen=True, slots=True)
class Node:
    """An operation on operands, each a number or another node. `value` is exact, whatever any width holds."""

    op: Operation
    args: tuple[Expression, ...]
    value: int

    @property
    def numbers(self) -> tuple[int, ...]:
        """The operands' values."""
        return tuple([value_of(arg) for arg in self.args])


Expression = int | Node


def node(name: str, *args: Expression) -> Node:
    """The node of a named operation, with its value worked out."""
    op = OPERATIONS[name]
    return Node(op, args, op.apply(*[value_of(arg) for arg in args]))


def value_of(expression: Expression) -> int:
    """The number that an operand stands for."""
    return expression if isinstance(expression, int) else expression.value


def steps(expression: Expression) -> list[Node]:
    """Each operation with its operands already worked out, innermost first: the facts that the whole rests on."""
    if isinstance(expression, int):
        return []
    if all(isinstance(arg, int) for arg in expression.args):
        return [expression]
    inner = [step for arg in expression.args for step in steps(arg)]
    return [*inner, Node(expression.op, expression.numbers, expression.value)]


def leaves(expression: Expression) -> Iterator[int]:
    """The numbers that stand in the expression, left to right."""
    if isinstance(expression, int):
        yield expression
        return
    for arg in expression.args:
        yield from leaves(arg)


def canonical(expression: Expression) -> str:
    """The content: equal for expressions that ask the same, whatever the clothes.

    Width and symbols do not count, nor the order of operands that may be swapped; `a > b` is `b < a`; reading a number
    and writing it are one fact.
    """
    if isinstance(expression, int):
        return str(expression)
    name, args = expression.op.name, [canonical(arg) for arg in expression.args]
    if name == "greater":
        name, args = "less", args[::-1]
    elif name in ("to_binary", "to_decimal"):
        name = "conversion"
    elif expression.op.commutative and args[0] > args[1]:
        args.reverse()
    return f"{name}({','.join(args)})"


WAY_BACK = {"to_decimal": "to_binary", "to_binary": "to_decimal"}
_CIRCLED = str.maketrans("01", ZERO + ONE)


@dataclass(frozen=True, slots=True)
class Script:
    """How numbers and operations are written: the two digits, the renamed operations, the width of signed numbers."""

    digits: dict[int, int] = field(default_factory=lambda: _CIRCLED)
    """A translation table from `0` and `1`."""
    names: Mapping[str, str] = field(default_factory=dict)
    width: int = 0
    """Bits of two's complement; 0 for unsigned numbers."""

    def number(self, value: int) -> str:
        """A number in binary: unsigned without leading zeros, signed at the full width."""
        if self.width:
            return format(value & ((1 << self.width) - 1), f"0{self.width}b").translate(self.digits)
        return format(value, "b").translate(self.digits)

    def bits(self, text: str) -> str:
        """A string of 0 and 1 in this script's digits."""
        return text.translate(self.digits)

    def symbol(self, op: Operation) -> str:
        return self.names.get(op.name, op.symbol)

    def write(self, expression: Expression) -> str:
        """The expression in binary, with the width in front when it is signed."""
        body = self._body(expression)
        return f"±{self.width}{body}" if self.width else body

    def equation(self, expression: Node) -> str:
        """`expression=result`."""
        return f"{self.write(expression)}={self.result(expression)}"

    def result(self, expression: Node) -> str:
        """What stands right of the equals sign; a result that the width cannot hold is said to overflow."""
        value, kind = expression.value, expression.op.kind
        if kind == "number":
            return self.number(value) if self.holds(value) else OVERFLOW
        if kind == "division":
            return f"{self.number(value)}r{self.number(remainder(expression))}"
        return _spoken(expression)

    def holds(self, value: int) -> bool:
        """Whether the width has room for the value; without a width everything has."""
        if not self.width:
            return True
        half = 1 << (self.width - 1)
        return -half <= value < half

    def decimal_equation(self, expression: Node) -> str:
        """The same in decimal, without any width: `2+3=5`. A conversion is verified by the way back."""
        way_back = WAY_BACK.get(expression.op.name)
        if way_back:
            return self.equation(node(way_back, expression.value))
        return f"{self._decimal(expression)}={_decimal_result(expression)}"

    def _body(self, expression: Expression) -> str:
        if isinstance(expression, int):
            return self.number(expression)
        symbol = self.names.get(expression.op.name, expression.op.symbol)
        if expression.op.arity == 2:
            left, right = expression.args
            return f"{self._operand(left)}{symbol}{self._operand(right)}"
        only = expression.args[0]
        return f"{symbol}{only if expression.op.name == 'to_binary' else self._operand(only)}"

    def _operand(self, expression: Expression) -> str:
        return self.number(expression) if isinstance(expression, int) else f"({self._body(expression)})"

    def _decimal(self, expression: Expression) -> str:
        if isinstance(expression, int):
            return str(expression)
        if expression.op.name == "to_binary":  # in decimal the number stands there already
            return self._decimal(expression.args[0])
        args = [self._decimal_operand(arg) for arg in expression.args]
        return self.symbol(expression.op).join(args) if len(args) == 2 else self.symbol(expression.op) + args[0]

    def _decimal_operand(self, expression: Expression) -> str:
        bare = isinstance(expression, int) or expression.op.name == "to_binary"
        return self._decimal(expression) if bare else f"({self._decimal(expression)})"


def remainder(expression: Node) -> int:
    """What a division leaves."""
    dividend, divisor = expression.numbers
    return dividend % divisor


def _spoken(expression: Node) -> str:
    if expression.op.kind == "truth":
        return TRUTHS[bool(expression.value)]
    if expression.op.kind == "sign":
        return SIGNS[expression.value]
    return str(expression.value)


def _decimal_result(expression: Node) -> str:
    if expression.op.kind == "division":
        return f"{expression.value}r{remainder(expression)}"
    return _spoken(expression)
