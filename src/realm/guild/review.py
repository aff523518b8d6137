"""How a skill has proposed answers judged and corrected. Knows no model and no file; skills may override."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realm.guild.skill import Problem

LONGEST = 4
"""A response may be this many times as long as the answer, and 200 characters, to be taken for a proposal."""
SHORT = 12
"""Proposals up to so many characters look alike only at the same length."""


class Review:
    """Proposals in plain words: the response as it stands, a verdict of one word, no work above it."""

    right, wrong = "correct", "incorrect"

    def takes(self, problem: Problem) -> bool:
        """Whether proposals for such a problem can be reviewed."""
        return True

    def proposal(self, problem: Problem, response: str) -> str | None:
        """What a response proposes, in one fixed layout; None where nothing can be read from it."""
        text = response.strip()
        return text if text and len(text) <= LONGEST * len(problem.answer) + 200 else None

    def may_show(self, problem: Problem, proposal: str) -> bool:
        """Whether the training side may show this proposal: not where it would state what is held out."""
        return True

    def group(self, problem: Problem) -> Hashable:
        """Proposals are compared in style within a group only: what is asked must not tell right from wrong."""
        return problem.form

    def style(self, problem: Problem, proposal: str) -> Counter[str]:
        """What a proposal looks like, as counts; the letters and digits of a long one count by their class."""
        if len(proposal) <= SHORT:
            return Counter(proposal) + Counter({f"{len(proposal)} characters": len(proposal)})
        return Counter(_class(character) for character in proposal)

    def ask_verdict(self, problem: Problem, proposal: str) -> str:
        return f"{problem.prompt}\n\nProposed answer:\n{proposal}\n\nIs the proposed answer correct or incorrect?"

    def verdict(self, problem: Problem, proposal: str, *, is_right: bool) -> str:
        return self.right if is_right else self.wrong

    def ask_correction(self, problem: Problem, proposal: str) -> str:
        return f"{problem.prompt}\n\nThis answer is incorrect:\n{proposal}\n\nWhat is the right answer?"


def _class(character: str) -> str:
    if character.isalpha():
        return "a"
    return "0" if character.isdecimal() else character
