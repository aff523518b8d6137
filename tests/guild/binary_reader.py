"""Reads BIN text back on its own: nothing here comes from the generator. Checks each line on Python integers."""

from __future__ import annotations

import re
from dataclasses import dataclass

INFIX = {
    "+": ("add", lambda a, b: a + b),
    "−": ("subtract", lambda a, b: a - b),
    "×": ("multiply", lambda a, b: a * b),
    "÷": ("divide", lambda a, b: (a // b, a % b)),
    "≟": ("equals", lambda a, b: a == b),
    "<": ("less", lambda a, b: a < b),
    ">": ("greater", lambda a, b: a > b),
    "min": ("minimum", min),
    "max": ("maximum", max),
}
PREFIX = {
    "inc": ("increment", lambda a: a + 1),
    "dec": ("decrement", lambda a: a - 1),
    "neg": ("negate", lambda a: -a),
    "abs": ("absolute", abs),
    "sign": ("sign", lambda a: (a > 0) - (a < 0)),
    "double": ("double", lambda a: a + a),
    "half": ("half", lambda a: a >> 1),
    "tobin": ("to_binary", lambda a: a),
    "todec": ("to_decimal", lambda a: a),
    "even": ("even", lambda a: a & 1 == 0),
    "pow2": ("power_of_two", lambda a: bin(a).count("1") == 1 and a > 0),
}
COMMUTATIVE = {"add", "multiply", "equals", "minimum", "maximum"}


@dataclass
class Fact:
    """One operation on numbers that a text states or rests on."""

    name: str
    args: tuple[int, ...]

    @property
    def content(self) -> str:
        name, args = self.name, list(map(str, self.args))
        if name == "greater":
            name, args = "less", args[::-1]
        if name in ("to_binary", "to_decimal"):
            name = "conversion"
        if name in COMMUTATIVE:
            args.sort()
        return f"{name}({','.join(args)})"


class Reader:
    """Reads one problem's lines. `facts` collects every operation met, `numbers` those read from binary digits."""

    def __init__(self, prompt: str) -> None:
        head, _, question = prompt.rpartition("\n")
        key = dict(pair.rsplit("=", 1) for pair in head.split(",")) if head else {}
        assert len(set(key.values())) == len(key), "two symbols mean one thing"
        meaning = {v: k for k, v in key.items()}
        self.key = key
        self.zero, self.one = meaning.get("⓪", "⓪"), meaning.get("①", "①")
        self.infix = {meaning.get(s, s): v for s, v in INFIX.items() if not key or s in meaning}
        self.prefix = {meaning.get(s, s): v for s, v in PREFIX.items() if not key or s in meaning}
        self.question = question
        self.facts: list[Fact] = []
        self.numbers: set[int] = set()
        self.nesting = 0
        words = [*self.infix, *self.prefix, "(", ")"]
        self.token = re.compile(
            rf"[{self.zero}{self.one}]+|-?\d+|" + "|".join(sorted(map(re.escape, words), key=len, reverse=True))
        )

    # Numbers

    def number(self, text: str, width: int = 0) -> int:
        assert text and set(text) <= {self.zero, self.one}, text
        bits = text.replace(self.zero, "0").replace(self.one, "1")
        if width:
            assert len(bits) == width, (text, width)
            return int(bits, 2) - (1 << width if bits[0] == "1" else 0)
        assert bits == "0" or bits[0] == "1", f"leading zero: {text}"
        return int(bits, 2)

    # Expressions

    def evaluate(self, text: str) -> tuple[object, int]:
        """Value and width of an expression in binary or decimal."""
        width = 0
        if found := re.match(r"±(\d+?)(?=\D)", text):
            width, text = int(found[1]), text[found.end() :]
        tokens = self.token.findall(text)
        assert "".join(tokens) == text, (text, tokens)
        value, rest = self._expression(tokens, width) if len(tokens) > 1 else self._operand(tokens, width, 1)
        assert not rest, text
        return value, width

    def _expression(self, tokens: list[str], width: int, deep: int = 1) -> tuple[object, list[str]]:
        self.nesting = max(self.nesting, deep)
        if tokens[0] in self.prefix:
            name, apply = self.prefix[tokens[0]]
            a, rest = self._operand(tokens[1:], width, deep)
            self.facts.append(Fact(name, (a,)))
            return apply(a), rest
        a, rest = self._operand(tokens, width, deep)
        name, apply = self.infix[rest[0]]
        b, rest = self._operand(rest[1:], width, deep)
        self.facts.append(Fact(name, (a, b)))
        return apply(a, b), rest

    def _operand(self, tokens: list[str], width: int, deep: int) -> tuple[int, list[str]]:
        if tokens[0] == "(":
            value, rest = self._expression(tokens[1:], width, deep + 1)
            assert rest[0] == ")" and isinstance(value, int)
            if width:
                assert -(1 << (width - 1)) <= value < 1 << (width - 1), "an inner result overflows"
            return value, rest[1:]
        if re.fullmatch(r"-?\d+", tokens[0]):
            return int(tokens[0]), tokens[1:]
        value = self.number(tokens[0], width)
        self.numbers.add(value)
        return value, tokens[1:]

    # Lines

    def equation(self, line: str) -> bool:
        """Whether an equation is true. Asserts that it can be read."""
        left, right = line.rsplit("=", 1)
        value, width = self.evaluate(left)
        decimal = not set(left) & {self.zero, self.one} and not any(n == "to_binary" for n in self._names(left))
        return right == self._written(value, width, decimal, left)

    def _names(self, left: str) -> list[str]:
        return [self.prefix[t][0] for t in self.token.findall(left) if t in self.prefix]

    def _written(self, value: object, width: int, decimal: bool, left: str) -> str:
        outer = self.facts[-1].name
        if outer == "sign":
            return {-1: "minus", 0: "zero", 1: "plus"}[value]  # type: ignore[index]
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, tuple):
            return "r".join(map(str, value) if decimal else map(self.binary, value))
        if decimal or outer == "to_decimal":
            return str(value)
        assert isinstance(value, int)
        if width and not -(1 << (width - 1)) <= value < 1 << (width - 1):
            return "overflow"
        return self.binary(value, width)

    def binary(self, value: int, width: int = 0) -> str:
        bits = f"{value % (1 << width):0{width}b}" if width else f"{value:b}"
        return bits.replace("0", self.zero).replace("1", self.one)

    def is_equation(self, line: str) -> bool:
        return "=" in line

    def compared(self, found: str, said: str) -> str:
        """Two results side by side up to the first place where they differ."""
        if "overflow" in (found, said):
            if found == said:
                return f"check:{found}{said}"
            return f"check:{found[:1] if said == 'overflow' else found}{said[:1] if found == 'overflow' else said}"
        length = max(len(found), len(said))
        pairs = [a + b for a, b in zip(found.ljust(length, "-"), said.ljust(length, "-"), strict=True)]
        until = next((i + 1 for i, pair in enumerate(pairs) if pair[0] != pair[1]), length)
        return "check:" + ",".join(pairs[:until])

    def check_work(self, line: str, fact: str) -> None:
        """Asserts that a line of work is true of the operation that stands in the equation below it."""
        before = len(self.facts)
        value, width = self.evaluate(fact.rsplit("=", 1)[0])
        stated = self.facts[-1]
        del self.facts[before:]
        name, _, rest = line.partition(":")
        cells = rest.split(",") if rest else []
        getattr(self, f"_{name}")(cells, stated.name, stated.args, value, width)

    def _bit(self, text: str) -> list[int]:
        assert set(text) <= {self.zero, self.one}
        return [int(c == self.one) for c in text]

    def _signs(self, cells, name, args, value, width):  # type: ignore[no-untyped-def]
        words = {-1: "minus", 0: "zero", 1: "plus"}
        assert cells == [words[(v > 0) - (v < 0)] for v in (*args, value)]

    def _pair(self, name: str, args: tuple[int, ...], width: int) -> tuple[int, int, int]:
        a, b = (*args, 1)[:2] if name in ("increment", "decrement") else args
        n = width or max(a.bit_length(), b.bit_length(), 1)
        return a % (1 << n), b % (1 << n), n

    def _carry(self, cells, name, args, value, width):  # type: ignore[no-untyped-def]
        a, b, n = self._pair(name, args, width)
        assert self._bit(cells[0]) == [(a % (2 << i) + b % (2 << i)) >> (i + 1) for i in range(n)]
        assert name in ("add", "increment")

    def _borrow(self, cells, name, args, value, width):  # type: ignore[no-untyped-def]
        a, b, n = self._pair(name, args, width)
        assert self._bit(cells[0]) == [int(a % (2 << i) < b % (2 << i)) for i in range(n)]
        assert name in ("subtract", "decrement")

    def _col(self, cells, name, args, value, width):  # type: ignore[no-untyped-def]
        if len(cells[0]) == 2:
            a, b = args
            n = max(a.bit_length(), b.bit_length(), 1)
            assert [self._bit(c) for c in cells] == [[a >> i & 1, b >> i & 1] for i in reversed(range(n))]
            return
        if name in ("negate", "absolute"):
            name, args = "increment", (~args[0],)
        a, b, n = self._pair(name, args, width)
        assert len(cells) == n
        handed = 0
        for i, cell in enumerate(cells):
            x, y, given, on, digit = self._bit(cell)
            assert (x, y, given) == (a >> i & 1, b >> i & 1, handed)
            if name in ("add", "increment"):
                assert 2 * on + digit == x + y + given
            else:
                assert digit - 2 * on == x - y - given
            handed = on

    def _part(self, cells, name, args, value, width):  # type: ignore[no-untyped-def]
        a, b = map(abs, args)
        parts = [self.number(c) for c in cells]
        every = [a * (b & (1 << i)) for i in range(max(1, b.bit_length()))]
        assert parts == every or parts == ([p for p in every if p] or [0])
        assert sum(parts) == a * b

    def _rest(self, cells, name, args, value, width):  # type: ignore[no-untyped-def]
        a, b = args
        n = max(1, a.bit_length())
        assert [self.number(c) for c in cells] == [(a >> i) % b for i in reversed(range(n))]

    def _quot(self, cells, name, args, value, width):  # type: ignore[no-untyped-def]
        a, b = args
        n = max(1, a.bit_length())
        assert len(cells[0]) == n and int("".join(map(str, self._bit(cells[0]))), 2) == a // b

    def _flip(self, cells, name, args, value, width):  # type: ignore[no-untyped-def]
        assert self.number(cells[0], width) == -args[0] - 1

    def _top(self, cells, name, args, value, width):  # type: ignore[no-untyped-def]
        assert self._bit(cells[0]) == [int(args[0] < 0)]

    def _len(self, cells, name, args, value, width):  # type: ignore[no-untyped-def]
        assert [int(c) for c in cells] == [len(f"{v:b}") for v in args]

    def _at(self, cells, name, args, value, width):  # type: ignore[no-untyped-def]
        a, b = (f"{v:b}" for v in args)
        i = int(cells[0]) - 1
        assert len(a) == len(b) and a[:i] == b[:i] and a[i] != b[i]
        assert [self._bit(c)[0] for c in cells[1:]] == [int(a[i]), int(b[i])]

    def _same(self, cells, name, args, value, width):  # type: ignore[no-untyped-def]
        assert args[0] == args[1]

    def _end(self, cells, name, args, value, width):  # type: ignore[no-untyped-def]
        assert self._bit(cells[0]) == [0 if name == "double" else args[0] & 1]
        assert name in ("double", "half", "even")

    def _place(self, cells, name, args, value, width):  # type: ignore[no-untyped-def]
        worths = [int(c) for c in cells]
        assert sum(worths) == args[0] and all(w == 0 or w & (w - 1) == 0 for w in worths)
        assert [w for w in worths if w] == sorted({w for w in worths if w}, reverse=True)

    def _ones(self, cells, name, args, value, width):  # type: ignore[no-untyped-def]
        assert int(cells[0]) == bin(args[0]).count("1")
