"""Atomic problems: each primitive of the catalogue asked alone, on either side of the split, and graded exactly.

They probe what a hero can do and are the stuff of canaries. Knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from realm.errors import SkillError
from realm.guild.primitives import arithmetic, code, logic, strings, words
from realm.guild.primitives.catalogue import CATALOGUE
from realm.guild.primitives.draft import Draft, Maker
from realm.guild.primitives.grading import grade
from realm.guild.skill import Problem, Score, Side, side_of
from realm.registry import unknown

SKILL = "primitives"
ATTEMPTS = 2_000
"""Draws before a side counts as empty. One in ten lies on the examination side."""
MAKERS: dict[str, Maker] = {
    **arithmetic.MAKERS,
    **logic.MAKERS,
    **strings.MAKERS,
    **code.MAKERS,
    **words.MAKERS,
}
"""Primitive -> what makes its problems."""


def generate(name: str, seed: str, *, side: Side = "train") -> Problem:
    """One atomic problem of a primitive; the same for the same seed. Its level is the primitive's difficulty.

    Raises UsageError, naming the nearest one, for a primitive that is not in the catalogue.
    """
    if name not in MAKERS:
        raise unknown("primitive", name, MAKERS)
    draft = drawn(MAKERS[name], name, f"{name}/{seed}", side)
    return as_problem(draft, SKILL, CATALOGUE[name].difficulty, name, (name,))


def batch(name: str, count: int, seed: str, *, side: Side = "train") -> list[Problem]:
    """`count` problems with different contents; fewer where the side has no more."""
    found: dict[str, Problem] = {}
    for place in range(20 * count):
        problem = generate(name, f"{seed}/{place}", side=side)
        found.setdefault(problem.content, problem)
        if len(found) == count:
            break
    return list(found.values())


def score(problem: Problem, response: str) -> Score:
    """Grade a response exactly. Never raises, whatever the response holds."""
    return grade(problem, response)


def drawn(maker: Maker, name: str, seed: str, side: Side) -> Draft:
    """The first draft on a side of the split. Raises SkillError where none can be found."""
    draw = Random(seed)
    for _ in range(ATTEMPTS):
        draft = maker(draw)
        if side_of(_content(name, draft)) == side:
            return draft
    raise SkillError(f"{name} has no problem on the {side} side that can be found.", hint="Ask for the other side.")


def as_problem(draft: Draft, skill: str, level: int, name: str, primitives: Sequence[str]) -> Problem:
    return Problem(skill, level, draft.prompt, draft.answer, _content(name, draft), tuple(primitives), form=draft.form)


def _content(name: str, draft: Draft) -> str:
    return f"primitive {name}: {draft.content}"
