"""Drawing operands and expressions for a level. Knows the level's numbers and a source of randomness, no text.

Expressions are built so that they are right at once: nothing is drawn and thrown away here.
"""

from __future__ import annotations

from random import Random
from typing import TypeVar

from .expression import Expression, Node, node, value_of
from .operations import OPERATIONS

INNER = ("add", "subtract", "multiply", "increment", "decrement", "double", "half", "minimum", "maximum")
"""Operations that may stand inside an unsigned expression."""
INNER_SIGNED = ("add", "subtract", "multiply", "negate", "absolute")
ONE_TO_ONE = ("add", "subtract", "increment", "decrement", "double")
"""Operations that can be undone: a blank below them has one solution."""

SAME, AKIN = 0.15, 0.15
"""Shares of operands that equal the other one, and that differ from it in a single digit."""

T = TypeVar("T")


class Draw:
    """One problem's randomness, with the level's bits. All methods draw; none repeats itself."""

    __slots__ = ("bits", "getrandbits", "random")

    def __init__(self, rng: Random, bits: int, shorter: tuple[float, ...]) -> None:
        """`shorter`: the chance that the longest operand has the level's bits, one bit less, two bits less, ..."""
        self.random = rng.random
        self.getrandbits = rng.getrandbits
        self.bits = self._length(bits, shorter)

    def _length(self, bits: int, shorter: tuple[float, ...]) -> int:
        x = self.random()
        for less, share in enumerate(shorter):
            x -= share
            if x < 0:
                return max(1, bits - less)
        return 1 + int(self.random() * bits)

    def choice(self, items: tuple[T, ...]) -> T:
        return items[int(self.random() * len(items))]

    def chance(self, share: float) -> bool:
        return self.random() < share

    def long(self) -> int:
        """A number of exactly this problem's bits (0 or 1 where that is one bit)."""
        n = self.bits
        return self.getrandbits(1) if n == 1 else self.getrandbits(n - 1) | 1 << (n - 1)

    def up_to(self, top: int) -> int:
        """A number from 0 to `top`."""
        return int(self.random() * (top + 1)) if top < 1 << 50 else self.getrandbits(top.bit_length()) % (top + 1)

    def any(self) -> int:
        """A number of at most this problem's bits; often much shorter, so that lengths differ."""
        n = self.bits if self.chance(0.7) else 1 + int(self.random() * self.bits)
        return self.getrandbits(n)

    def signed(self) -> int:
        n = self.width
        return self.getrandbits(n) - (1 << (n - 1))

    def beside(self, a: int) -> int:
        """A second number: at times the same one, or one that differs in a single digit, else any.

        Left to chance, long operands would hardly ever be equal or near, and a comparison would end at its first digit.
        """
        x = self.random()
        if x < SAME:
            return a
        if x < SAME + AKIN and a > 1:
            return a ^ 1 << int(self.random() * (a.bit_length() - 1))
        return self.any()

    def signed_beside(self, a: int) -> int:
        return a if self.chance(SAME) else self.signed()

    @property
    def width(self) -> int:
        """The width of signed numbers: this problem's bits, at least two."""
        return max(2, self.bits)

    def pair(self) -> tuple[int, int]:
        a = self.long()
        b = self.beside(a)
        return (a, b) if self.random() < 0.5 else (b, a)

    # One operation

    def simple(self, name: str) -> Node:
        """An unsigned operation on numbers."""
        if OPERATIONS[name].arity == 1:
            return node(name, self._single(name))
        a, b = self.pair()
        if name == "subtract":
            a, b = max(a, b), min(a, b)
        elif name == "divide":
            a, b = self._division()
        elif name == "equals" and self.chance(0.3):
            b = a
        return node(name, a, b)

    def _single(self, name: str) -> int:
        if name == "power_of_two" and self.random() < 0.5:
            return 1 << int(self.random() * self.bits)
        number = self.long()
        return max(number, 1) if name == "decrement" else number

    def _division(self) -> tuple[int, int]:
        dividend = self.long()
        if dividend and self.chance(SAME):
            return dividend, dividend
        divisor = self.getrandbits(1 + int(self.random() * self.bits)) or 1
        exact = self.random() < 0.4
        return (dividend - dividend % divisor if exact else dividend), divisor

    def simple_signed(self, name: str) -> Node:
        """A signed operation on numbers of `width` bits; it may overflow."""
        a = self.signed()
        if OPERATIONS[name].arity == 1:
            return node(name, a)
        if name == "multiply" and self.random() < 0.8:
            return node(name, a, self._factor(a))
        return node(name, a, self.signed_beside(a))

    def _factor(self, a: int) -> int:
        """A factor that keeps the product inside the width, where there is one."""
        most = ((1 << (self.width - 1)) - 1) // max(1, abs(a))
        return self.up_to(2 * most) - most

    # Nested

    def nested(
        self, depth: int, *, outer: tuple[str, ...] = INNER, inner: tuple[str, ...] = INNER, first: str = ""
    ) -> Node:
        """An unsigned expression; what stands inside never has more than the problem's bits and one.

        `outer` are the candidates for the outermost operation; `first`, where given, is the innermost.
        """
        expression: Expression = self.long()
        if first:
            expression, depth = node(first, expression), depth - 1
        limit = (2 << self.bits) - 1
        for _ in range(depth - 1):
            expression = self._wrap(self.choice(inner), expression, limit)
        name = self.choice(outer)
        return self._wrap(name, expression, 1 << 200)

    def _wrap(self, name: str, inside: Expression, limit: int) -> Node:
        """`name` on `inside` and, where it takes two, a fresh number; another operation where that cannot be."""
        value = value_of(inside)
        if name == "decrement" and value == 0:
            name = "increment"
        if name in ("increment", "double", "add", "multiply") and not self._fits(name, value, limit):
            name = "half" if name == "double" else "subtract" if name != "increment" else "decrement"
        if OPERATIONS[name].arity == 1:
            return node(name, inside)
        return self._beside(name, inside, value, limit)

    def _fits(self, name: str, value: int, limit: int) -> bool:
        return (2 * value if name == "double" else value + 1) <= limit

    def _beside(self, name: str, inside: Expression, value: int, limit: int) -> Node:
        other = self.beside(value) if value.bit_length() <= self.bits else self.any()
        if name == "subtract":
            return node(name, inside, other) if value >= other else node(name, other, inside)
        if name == "divide":
            return node(name, inside, max(1, other))
        if name == "add":
            other = min(other, limit - value)
        elif name == "multiply":
            return node(name, inside, self._small_factor(value, limit))
        return node(name, inside, other) if self.random() < 0.5 else node(name, other, inside)

    def _small_factor(self, value: int, limit: int) -> int:
        """At most four bits: more partial products would bury the rest."""
        return self.up_to(min(15, (1 << self.bits) - 1, limit // max(1, value)))

    def nested_signed(self, depth: int, *, outer: tuple[str, ...] = INNER_SIGNED) -> Node:
        """A signed expression whose inner results all fit; the last may overflow."""
        half = 1 << (self.width - 1)
        expression: Expression = self.signed()
        for _ in range(depth - 1):
            expression = self._wrap_signed(self.choice(INNER_SIGNED), expression, half)
        name = self.choice(outer)
        if OPERATIONS[name].arity == 1:
            return node(name, expression)
        other = self._factor(value_of(expression)) if name == "multiply" else self.signed()
        return node(name, expression, other) if self.random() < 0.5 else node(name, other, expression)

    def _wrap_signed(self, name: str, inside: Expression, half: int) -> Node:
        value = value_of(inside)
        if OPERATIONS[name].arity == 1:
            return node(name, inside) if value != -half else node("add", inside, self.up_to(half - 1))
        if name == "multiply":
            return node(name, inside, self._factor(value))
        least, most = max(-half, -half - value), min(half - 1, half - 1 - value)
        other = least + self.up_to(most - least)
        if name == "add":
            return node(name, inside, other)
        return node(name, inside, -other) if -other < half else node("add", inside, other)
