"""Problems of BIN on either side of the split. Knows the level table and the symbols; grading stands elsewhere.

A problem of the training side neither is nor shows a fact of the examination side: every equation that its answer
states or rests on is asked of the split as well.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate
from random import Random

from realm.errors import SkillError
from realm.guild.skill import Problem, Side, side_of

from .draw import Draw
from .expression import WAY_BACK, Node, canonical, leaves, remainder, steps
from .layout import DIFFICULTIES, Difficulty, answer, facts, finals, prompt
from .operations import primitives
from .spec import BinLevel, BinSpec
from .tasks import AUXILIARY, Draft, compute

ATTEMPTS = 2_000
"""Draws before a side of a level counts as empty. One in ten lies on the examination side."""

_side = lru_cache(maxsize=1 << 16)(side_of)


class Generator:
    """Draws problems of one skill description."""

    def __init__(self, spec: BinSpec) -> None:
        self.spec = spec
        self._mix = {row.level: _cumulative(spec.shares(row.level)) for row in spec.levels}
        self._plain = tuple((name, group == "signed") for group, names in spec.operations.items() for name in names)
        self._auxiliary = tuple(AUXILIARY)

    def problem(self, level: int, seed: str, side: Side, difficulty: Difficulty | None) -> Problem:
        """One problem. Raises SkillError where the side holds nothing that can be found."""
        row = self.spec.level(level)
        rng = Random(int.from_bytes(blake2b(seed.encode(), digest_size=8).digest()))
        chosen = difficulty or DIFFICULTIES[bisect(self._mix[level], rng.random())]
        for _ in range(ATTEMPTS):
            draft = self.draft(Draw(rng, row.bits, self.spec.shorter), chosen)
            if self._on(side, draft, chosen):
                return self._write(draft, chosen, row, rng)
        raise SkillError(
            f"BIN level {level} has no {chosen} problem on the {side} side that can be found.",
            hint="Choose another level or difficulty.",
        )

    def draft(self, draw: Draw, difficulty: Difficulty) -> Draft:
        """What is asked, at the nesting depth of the difficulty."""
        least, most = self.spec.depth[difficulty]
        deep = least + int(draw.random() * (most - least + 1))
        if draw.random() < self.spec.auxiliary_share:
            return AUXILIARY[draw.choice(self._auxiliary)](draw, deep)
        name, signed = draw.choice(self._plain)
        if deep > 1:
            return self._nested(draw, deep, name, signed)
        if signed:
            return compute(draw.simple_signed(name), draw.width)
        return compute(draw.simple(name), 0)

    def _nested(self, draw: Draw, deep: int, name: str, signed: bool) -> Draft:
        """The drawn operation is the outermost, except that a conversion to binary can only stand inside."""
        if signed:
            return compute(draw.nested_signed(deep, outer=(name,)), draw.width)
        if name == "to_binary":
            return compute(draw.nested(deep, first=name), 0)
        return compute(draw.nested(deep, outer=(name,)), 0)

    def _on(self, side: Side, draft: Draft, difficulty: Difficulty) -> bool:
        if _side(draft.content) != side:
            return False
        return side == "exam" or all(_side(content) == "train" for content in needed(draft, difficulty))

    def _write(self, draft: Draft, difficulty: Difficulty, row: BinLevel, rng: Random) -> Problem:
        shown = [step for fact in facts(draft) for step in steps(fact)]
        script = self.spec.symbols.draw(rng, row.level, _names(shown), draft.width)
        text = "\n".join(answer(draft, difficulty, script))
        return Problem(
            skill=self.spec.id,
            level=row.level,
            prompt=prompt(draft, difficulty, script, text),
            answer=text,
            content=draft.content,
            form=draft.task,
            primitives=tuple(dict.fromkeys(p for step in shown for p in primitives(step.op.name, step.numbers))),
            meta={
                "difficulty": difficulty,
                "task": draft.task,
                "operation": draft.shown[0].op.name,
                "width": draft.width,
                "symbols": bool(script.names),
                "digits": script.bits("01"),
                "final": finals(draft, script),
            },
        )


def needed(draft: Draft, difficulty: Difficulty) -> Iterator[str]:
    """The contents of all facts that the problem states or rests on.

    A number that stands there in both notations tells how it is read: from medium on, the numbers of the question and
    the result, since they come back in decimal.
    """
    yield from draft.also
    for fact in facts(draft):
        for step in steps(fact):
            yield canonical(step)
        if difficulty != "easy":
            yield from _readings(fact)


def _names(shown: list[Node]) -> Iterator[str]:
    """The operations that a problem may write: a conversion is verified by the way back."""
    for step in shown:
        yield step.op.name
        if step.op.name in WAY_BACK:
            yield WAY_BACK[step.op.name]


def _readings(whole: Node) -> Iterator[str]:
    for number in leaves(whole):
        yield f"conversion({abs(number)})"
    if whole.op.kind in ("number", "decimal", "division"):
        yield f"conversion({abs(whole.value)})"
    if whole.op.kind == "division":
        yield f"conversion({remainder(whole)})"


def _cumulative(shares: list[int]) -> list[float]:
    total = sum(shares)
    return [share / total for share in accumulate(shares)]
