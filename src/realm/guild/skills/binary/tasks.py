"""The tasks of BIN: to compute, and seven that ask for something else about a computation. Each makes a Draft: what is
asked and what must be shown, in integers and without a layout. Knows no key, no split, no grading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from .draw import INNER, INNER_SIGNED, ONE_TO_ONE, Draw
from .expression import Expression, Node, Script, canonical, depth, node, steps, value_of

SIGNED_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Draft:
    """A problem before it is written.

    `ask` writes the question in a script. `shown` are the equations of the answer, `before` those that lead to them;
    `verdict` is the last line where the answer is not an equation.
    """

    task: str
    ask: Callable[[Script], str]
    shown: tuple[Node, ...]
    content: str
    width: int = 0
    before: tuple[Node, ...] = ()
    verdict: str = ""
    also: tuple[str, ...] = ()
    """Contents of facts that the question gives away beyond the equations shown."""


Task = Callable[[Draw, int], Draft]


def compute(whole: Node, width: int) -> Draft:
    """Work out an expression: the answer is the equation."""
    return Draft("compute", lambda script: script.write(whole), (whole,), canonical(whole), width)


def truth(draw: Draw, levels_deep: int) -> Draft:
    """Is this equation true? The answer is the right equation, then the verdict."""
    whole, width = _number(draw, levels_deep)
    claim = whole.value if draw.chance(0.5) else _near(draw, whole.value, width)
    wrong = replace(whole, value=claim)
    return Draft(
        "truth",
        lambda script: f"true?{script.equation(wrong)}",
        (whole,),
        f"truth({canonical(whole)},{claim})",
        width,
        verdict="true" if claim == whole.value else "false",
    )


def error(draw: Draw, levels_deep: int) -> Draft:
    """Which of these equations is wrong? They are the steps of one computation, or two that stand alone."""
    if levels_deep == 1:
        facts = [_number(draw, 1, signed=False)[0] for _ in range(2)]
    else:
        facts = list(steps(draw.nested(levels_deep, outer=INNER)))
    at = int(draw.random() * len(facts))
    stated = [fact if i != at else replace(fact, value=_near(draw, fact.value, 0)) for i, fact in enumerate(facts)]
    contents = sorted(f"{canonical(fact)}={fact.value}" for fact in stated)
    return Draft(
        "error",
        lambda script: "error?" + ";".join(script.equation(fact) for fact in stated),
        tuple(facts),
        f"error({';'.join(contents)})",
        verdict=f"error{at + 1}",
    )


def blank(draw: Draw, levels_deep: int) -> Draft:
    """Fill the blank: one number of an equation is missing, and only one number fits."""
    whole = draw.nested(levels_deep, outer=ONE_TO_ONE, inner=ONE_TO_ONE)
    hidden = _Hidden(whole, int(draw.random() * 2))
    return Draft(
        "blank",
        lambda script: f"fill:{hidden.write(script)}={script.result(whole)}",
        (whole,),
        f"blank({hidden.canonical()},{whole.value})",
    )


def larger(draw: Draw, levels_deep: int) -> Draft:
    """Which of two expressions is larger? The answer works out both."""
    first, second = draw.nested(levels_deep, outer=INNER), draw.nested(1, outer=INNER)
    if draw.chance(0.5):
        first, second = second, first
    a, b = first.value, second.value
    contents = sorted((canonical(first), canonical(second)))
    return Draft(
        "larger",
        lambda script: f"larger?{script.write(first)},{script.write(second)}",
        (first, second),
        f"larger({';'.join(contents)})",
        verdict="same" if a == b else f"{1 if a > b else 2}",
        also=(canonical(node("less", min(a, b), max(a, b))), canonical(node("equals", a, b))),
    )


def property_of(draw: Draw, levels_deep: int) -> Draft:
    """Is it divisible by two, is it a power of two?"""
    name = draw.choice(("even", "power_of_two"))
    whole = draw.simple(name) if levels_deep == 1 else draw.nested(levels_deep, outer=(name,))
    return replace(compute(whole, 0), task="property")


def overflow(draw: Draw, levels_deep: int) -> Draft:
    """Does the result need more digits than there are?"""
    signed = draw.chance(0.4)
    if signed:
        whole, width = _number(draw, levels_deep, signed=True)
        yes, room = not Script(width=width).holds(whole.value), "signed"
        ask: Callable[[Script], str] = lambda script: f"overflow?{script.write(whole)}"  # noqa: E731
    else:
        whole, width = draw.nested(levels_deep, outer=("add", "increment", "double", "multiply")), 0
        digits = max(draw.bits, whole.value.bit_length() - (1 if draw.chance(0.4) else 0))
        yes, room = whole.value >> digits > 0, str(digits)
        ask = lambda script: f"overflow?{digits}:{script.write(whole)}"  # noqa: E731
    content = f"overflow({room},{canonical(whole)})" if not signed else f"overflow({width}s,{canonical(whole)})"
    return Draft("overflow", ask, (whole,), content, width, verdict="yes" if yes else "no")


def operands(draw: Draw, levels_deep: int) -> Draft:
    """Find two numbers from their sum and their difference. With work: the half of both together is the larger one."""
    a, b = sorted(draw.pair(), reverse=True)
    total, difference = node("add", a, b), node("subtract", a, b)
    before: tuple[Node, ...] = ()
    if levels_deep > 1:
        both = node("add", total.value, difference.value)
        before = (both, node("half", both.value), node("subtract", total.value, a))
    return Draft(
        "operands",
        lambda script: (
            f"find:?{script.symbol(total.op)}?={script.result(total)},"
            f"?{script.symbol(difference.op)}?={script.result(difference)}"
        ),
        (total, difference),
        f"operands({total.value},{difference.value})",
        before=before,
    )


AUXILIARY: dict[str, Task] = {
    "error": error,
    "blank": blank,
    "truth": truth,
    "larger": larger,
    "property": property_of,
    "overflow": overflow,
    "operands": operands,
}


def _number(draw: Draw, levels_deep: int, *, signed: bool | None = None) -> tuple[Node, int]:
    """An expression that gives a number, and its width (0: unsigned)."""
    if draw.chance(SIGNED_SHARE) if signed is None else signed:
        if levels_deep == 1:
            return draw.simple_signed(draw.choice(INNER_SIGNED)), draw.width
        return draw.nested_signed(levels_deep, outer=INNER_SIGNED), draw.width
    if levels_deep == 1:
        return draw.simple(draw.choice(INNER)), 0
    return draw.nested(levels_deep, outer=INNER), 0


def _near(draw: Draw, value: int, width: int) -> int:
    """A wrong result that looks like a right one: one digit flipped, or one off; an overflow becomes a number."""
    half = 1 << (width - 1) if width else 0
    if width and not -half <= value < half:
        return draw.signed()
    flip = 1 << int(draw.random() * (width or max(1, value.bit_length())))
    if not width:
        return value ^ flip if draw.chance(0.7) else value + 1
    pattern = (value & (2 * half - 1)) ^ flip
    return pattern - 2 * half if pattern >= half else pattern


class _Hidden:
    """An expression with one of its innermost numbers hidden."""

    def __init__(self, whole: Node, which: int) -> None:
        self.path = _innermost(whole)
        inner = self.path[-1]
        self.argument = which % len(inner.args)

    def write(self, script: Script) -> str:
        return _with_blank(self.path, self.argument, script)

    def canonical(self) -> str:
        return _canonical_blank(self.path, self.argument)


def _innermost(whole: Node) -> list[Node]:
    path = [whole]
    while True:
        below = [arg for arg in path[-1].args if isinstance(arg, Node)]
        if not below:
            return path
        path.append(below[0])


def _with_blank(path: list[Node], argument: int, script: Script) -> str:
    here, rest = path[0], path[1:]
    parts: list[str] = []
    for i, arg in enumerate(here.args):
        if isinstance(arg, Node):
            parts.append(f"({_with_blank(rest, argument, script)})")
        else:
            parts.append("?" if not rest and i == argument else script.number(arg))
    symbol = script.symbol(here.op)
    return symbol.join(parts) if len(parts) == 2 else symbol + parts[0]


def _canonical_blank(path: list[Node], argument: int) -> str:
    here, rest = path[0], path[1:]
    parts = [
        _canonical_blank(rest, argument) if isinstance(arg, Node) else "?" if not rest and i == argument else str(arg)
        for i, arg in enumerate(here.args)
    ]
    if here.op.commutative:
        parts.sort()
    return f"{here.op.name}({','.join(parts)})"


__all__ = ["AUXILIARY", "Draft", "Expression", "Task", "compute", "depth", "value_of"]
