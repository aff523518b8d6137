"""Atomic problems on small programs: what does this print? Knows no interpreter; a test runs every program."""

from __future__ import annotations

from random import Random

from .draft import Draft, Maker, number


def _prints(program: list[str], value: int) -> Draft:
    text = "\n".join(program)
    return number(f"{text}\nWhat does this program print?", value, text)


def assignment(draw: Random) -> Draft:
    a, b, c = draw.randint(1, 20), draw.randint(1, 9), draw.randint(1, 9)
    x, y = draw.sample("abcnmxyz", 2)
    program = [f"{x} = {a}", f"{y} = {x} + {b}", f"{x} = {y} - {c}", f"print({x})"]
    return _prints(program, a + b - c)


def branch(draw: Random) -> Draft:
    a, bound, up, down = draw.randint(0, 20), draw.randint(3, 17), draw.randint(1, 9), draw.randint(1, 9)
    x = draw.choice("abcnmxyz")
    program = [f"{x} = {a}", f"if {x} > {bound}:", f"    {x} = {x} + {up}", "else:", f"    {x} = {x} - {down}"]
    return _prints([*program, f"print({x})"], a + up if a > bound else a - down)


def loop(draw: Random) -> Draft:
    start, times, step = draw.randint(0, 9), draw.randint(2, 5), draw.randint(1, 6)
    x = draw.choice("abcnmxyz")
    program = [f"{x} = {start}", f"for i in range({times}):", f"    {x} = {x} + {step}", f"print({x})"]
    return _prints(program, start + times * step)


def call(draw: Random) -> Draft:
    factor, more, given = draw.randint(2, 5), draw.randint(1, 9), draw.randint(1, 9)
    name, x = draw.choice(("f", "g", "h")), draw.choice("abcnmxyz")
    program = [f"def {name}({x}):", f"    return {x} * {factor} + {more}", f"print({name}({given}))"]
    return _prints(program, given * factor + more)


MAKERS: dict[str, Maker] = {
    "trace_assignment": assignment,
    "trace_if_else": branch,
    "trace_loop_fixed": loop,
    "function_call_trace": call,
}
