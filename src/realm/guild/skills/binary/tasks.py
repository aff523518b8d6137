"""The tasks of BIN: to compute, and seven that ask for something else about a computation. Each makes a Draft: what is
asked and what must be shown, in integers and without a layout. Knows no key, no split, no grading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from .draw import INNER, INNER_SIGNED, ONE_TO_ONE, Draw
from .expression import Expression, Node, Script, canonical, node, steps, value_of
from .work import check

SIGNED_SHARE = 0.25
"""Share of the auxiliary tasks on a number that are about signed numbers."""
GROWING = ("add", "increment", "double", "multiply")
"""Operations whose result may need more digits than the operands."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A problem before it is written.

    `ask` writes the question in a script. `shown` are the equations of the answer, `before` those that lead to them;
    `check` writes what the verdict rests on, and `verdict` is the last line where the answer is not an equation.
    """

    task: str
    ask: Callable[[Script], str]
    shown: tuple[Node, ...]
    content: str
    width: int = 0
    before: tuple[Node, ...] = ()
    check: Callable[[Script], tuple[str, ...]] = lambda script: ()
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
        check=lambda script: (check(script.result(whole), script.result(wrong)),),
        verdict="true" if claim == whole.value else "false",
    )


def error(draw: Draw, levels_deep: int) -> Draft:
    """Which of these equations is wrong? They are the steps of one computation, or two that stand alone."""
    if levels_deep == 1:
        facts = [_number(draw, 1, signed=False)[0] for _ in range(2)]
    else:
        facts = list(steps(draw.nested(levels_deep)))
    at = int(draw.random() * len(facts))
    stated = [fact if i != at else replace(fact, value=_near(draw, fact.value, 0)) for i, fact in enumerate(facts)]
    contents = sorted(f"{canonical(fact)}={fact.value}" for fact in stated)
    return Draft(
        "error",
        lambda script: "error?" + ";".join(script.equation(fact) for fact in stated),
        tuple(facts),
        f"error({';'.join(contents)})",
        check=lambda script: tuple(
            check(script.result(right), script.result(said))
            for right, said in zip(facts[: at + 1], stated, strict=False)
        ),
        verdict=f"error{at + 1}",
    )


def blank(draw: Draw, levels_deep: int) -> Draft:
    """Fill the blank: one number of an equation is missing, and only one number fits."""
    whole = draw.nested(levels_deep, outer=ONE_TO_ONE, inner=ONE_TO_ONE)
    hidden = _hide(whole, int(draw.random() * 2))
    return Draft(
        "blank",
        lambda script: f"fill:{script.write(hidden)}={script.result(whole)}",
        (whole,),
        f"blank({canonical(hidden)},{whole.value})",
    )


def larger(draw: Draw, levels_deep: int) -> Draft:
    """Which of two is larger? Expressions are worked out first; the answer names the maximum, then whose it is."""
    if levels_deep == 1:
        return _larger(*draw.pair())
    deep, flat = draw.nested(levels_deep - 1), draw.nested(1)
    return _larger(deep, flat) if draw.chance(0.5) else _larger(flat, deep)


def _larger(first: Expression, second: Expression) -> Draft:
    a, b = value_of(first), value_of(second)
    worked_out = tuple(side for side in (first, second) if isinstance(side, Node))
    contents = sorted((canonical(first), canonical(second)))
    return Draft(
        "larger",
        lambda script: f"larger?{script.write(first)},{script.write(second)}",
        (*worked_out, node("maximum", a, b)),
        f"larger({';'.join(contents)})",
        check=lambda script: tuple(
            check(script.number(max(a, b)), script.number(side)) for side in ((a, b) if a >= b else (a,))
        ),
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
    if draw.chance(0.4):
        whole, width = _number(draw, levels_deep, signed=True)
        room, fits = f"±{width}", Script(width=width).holds(whole.value)
        return _overflow(whole, width, "overflow?", room, fits)
    whole = draw.nested(levels_deep, outer=GROWING)
    digits = max(draw.bits, whole.value.bit_length() - (1 if draw.chance(0.4) else 0))
    fits = whole.value >> digits == 0
    return _overflow(whole, 0, f"overflow?{digits}:", str(digits), fits, f"len:{len(f'{whole.value:b}')},{digits}")


def _overflow(whole: Node, width: int, before: str, room: str, fits: bool, *lengths: str) -> Draft:
    return Draft(
        "overflow",
        lambda script: before + script.write(whole),
        (whole,),
        f"overflow({room},{canonical(whole)})",
        width,
        check=lambda script: lengths,
        verdict="no" if fits else "yes",
    )


def operands(draw: Draw, levels_deep: int) -> Draft:
    """Find two numbers from their sum and their difference: half of both together is the larger one.

    The way there is part of every answer: no difficulty nests it, they differ in the work shown.
    """
    a, b = sorted(draw.pair(), reverse=True)
    total, difference = node("add", a, b), node("subtract", a, b)
    both = node("add", total.value, difference.value)
    return Draft(
        "operands",
        lambda script: (
            f"find:?{script.symbol(total.op)}?={script.result(total)},"
            f"?{script.symbol(difference.op)}?={script.result(difference)}"
        ),
        (total, difference),
        f"operands({total.value},{difference.value})",
        before=(both, node("half", both.value), node("subtract", total.value, a)),
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
    return draw.nested(levels_deep), 0


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


class _Blank(int):
    """A number that is asked for: it counts like any other and is written `?`."""

    def __str__(self) -> str:
        return "?"

    def __format__(self, form: str) -> str:
        return "?"


def _hide(whole: Node, which: int) -> Node:
    """The expression with one of its innermost numbers turned into a blank."""
    args = list(whole.args)
    for i, arg in enumerate(args):
        if isinstance(arg, Node):
            args[i] = _hide(arg, which)
            return replace(whole, args=tuple(args))
    at = which % len(args)
    args[at] = _Blank(value_of(args[at]))
    return replace(whole, args=tuple(args))
