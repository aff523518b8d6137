"""Atomic problems on numbers, decimal and binary. Knows no skill's notation: digits are 0-9 and 0-1."""

from __future__ import annotations

from random import Random

from .draft import Draft, Maker, bits, number, truth


def _sum(a: int, b: int) -> Draft:
    return number(f"{a} + {b} = ?", a + b, f"{min(a, b)}+{max(a, b)}")


def add_no_carry(draw: Random) -> Draft:
    a = draw.randint(0, 9)
    return _sum(a, draw.randint(0, 9 - a))


def add_with_carry(draw: Random) -> Draft:
    a = draw.randint(1, 9)
    return _sum(a, draw.randint(10 - a, 9))


def add_two_digit(draw: Random) -> Draft:
    return _sum(draw.randint(10, 99), draw.randint(10, 99))


def _difference(a: int, b: int) -> Draft:
    a, b = max(a, b), min(a, b)
    return number(f"{a} - {b} = ?", a - b, f"{a}-{b}")


def sub_single(draw: Random) -> Draft:
    return _difference(draw.randint(0, 9), draw.randint(0, 9))


def sub_two_digit(draw: Random) -> Draft:
    return _difference(draw.randint(10, 99), draw.randint(10, 99))


def mul_single(draw: Random) -> Draft:
    a, b = draw.randint(2, 99), draw.randint(2, 9)
    return number(f"{a} * {b} = ?", a * b, f"{min(a, b)}*{max(a, b)}")


def div_exact(draw: Random) -> Draft:
    divisor, quotient = draw.randint(2, 12), draw.randint(2, 50)
    whole = divisor * quotient
    return number(f"{whole} / {divisor} = ?", quotient, f"{whole}/{divisor}")


def compare(draw: Random) -> Draft:
    a = draw.randint(-99, 999)
    b = a + draw.choice((-100, -10, -9, -1, 1, 9, 10, 100))
    return number(f"Which is larger, {a} or {b}?", max(a, b), f"larger({min(a, b)},{max(a, b)})")


def parity(draw: Random) -> Draft:
    n = draw.randint(0, 9999)
    return Draft(f"Is {n} even or odd? Answer even or odd.", "odd" if n % 2 else "even", f"parity({n})", "word")


def digit_sum(draw: Random) -> Draft:
    n = draw.randint(10, 9999)
    return number(f"What is the sum of the digits of {n}?", sum(map(int, str(n))), f"digits({n})")


def modulo(draw: Random) -> Draft:
    a, b = draw.randint(10, 199), draw.randint(2, 12)
    return number(f"What is the remainder of {a} divided by {b}?", a % b, f"{a}%{b}")


def binary_add_no_carry(draw: Random) -> Draft:
    a = draw.randint(1, 127)
    return _binary_sum(a, draw.randint(0, 127) & ~a)


def binary_add_with_carry(draw: Random) -> Draft:
    while not (a := draw.randint(1, 127)) & (b := draw.randint(1, 127)):
        pass
    return _binary_sum(a, b)


def _binary_sum(a: int, b: int) -> Draft:
    return bits(f"In binary, {a:b} + {b:b} = ?", a + b, f"b{min(a, b)}+{max(a, b)}")


def binary_sub_no_borrow(draw: Random) -> Draft:
    a = draw.randint(1, 127)
    return _binary_difference(a, a & draw.randint(0, 127))


def binary_sub_with_borrow(draw: Random) -> Draft:
    while not (b := draw.randint(1, 126)) & ~(a := draw.randint(b + 1, 127)):
        pass
    return _binary_difference(a, b)


def _binary_difference(a: int, b: int) -> Draft:
    return bits(f"In binary, {a:b} - {b:b} = ?", a - b, f"b{a}-{b}")


def _pattern(name: str, draw: Random) -> Draft:
    a, b = draw.randint(0, 127), draw.randint(0, 127)
    width = draw.randint(max(a, b, 1).bit_length(), 7)
    value = {"AND": a & b, "OR": a | b, "XOR": a ^ b}[name]
    return Draft(
        f"Bit by bit, {a:0{width}b} {name} {b:0{width}b} = ? Answer with {width} binary digits only.",
        f"{value:0{width}b}",
        f"{name}({min(a, b)},{max(a, b)})",
    )


def binary_compare(draw: Random) -> Draft:
    a = draw.randint(0, 127)
    b = a ^ (1 << draw.randrange(7))
    content = f"blarger({min(a, b)},{max(a, b)})"
    return bits(f"Which binary number is larger, {a:b} or {b:b}?", max(a, b), content)


def to_decimal(draw: Random) -> Draft:
    n = draw.randint(0, 127)
    return number(f"Write the binary number {n:b} in decimal.", n, f"decimal({n})")


def to_binary(draw: Random) -> Draft:
    n = draw.randint(0, 127)
    return bits(f"Write the decimal number {n} in binary.", n, f"binary({n})")


def boolean(draw: Random) -> Draft:
    """A condition on numbers, as a program writes it."""
    a, b, c = draw.randint(0, 20), draw.randint(0, 20), draw.randint(0, 20)
    first, second, joint = draw.choice("<>"), draw.choice(("==", "!=", "<=", ">=")), draw.choice(("and", "or"))
    left = a < b if first == "<" else a > b
    right = {"==": b == c, "!=": b != c, "<=": b <= c, ">=": b >= c}[second]
    text = f"{a} {first} {b} {joint} {b} {second} {c}"
    return truth(f"Is this condition true: {text}?", left and right if joint == "and" else left or right, text)


MAKERS: dict[str, Maker] = {
    "add_single_digit_no_carry": add_no_carry,
    "add_single_digit_with_carry": add_with_carry,
    "add_two_digit": add_two_digit,
    "sub_single_digit": sub_single,
    "sub_two_digit": sub_two_digit,
    "mul_single_digit": mul_single,
    "div_exact": div_exact,
    "compare_integers": compare,
    "parity": parity,
    "digit_sum": digit_sum,
    "modulo": modulo,
    "binary_add_no_carry": binary_add_no_carry,
    "binary_add_with_carry": binary_add_with_carry,
    "binary_sub_no_borrow": binary_sub_no_borrow,
    "binary_sub_with_borrow": binary_sub_with_borrow,
    "bitwise_and": lambda draw: _pattern("AND", draw),
    "bitwise_or": lambda draw: _pattern("OR", draw),
    "bitwise_xor": lambda draw: _pattern("XOR", draw),
    "binary_compare": binary_compare,
    "binary_to_decimal": to_decimal,
    "decimal_to_binary": to_binary,
    "eval_bool_expr": boolean,
}
