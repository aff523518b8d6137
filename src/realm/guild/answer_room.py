"""How long an answer may become: as long as the longest right one to what is asked, and somewhat longer. Pure.

Knows no tokenizer: who counts tokens is handed in. Nothing of an answer reaches the hero but how long it may be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from realm.guild.engine import SkillEngine
from realm.guild.skill import Problem

SPARE, SPARE_SHARE = 8, 0.125
"""Tokens beyond the longest right answer: for one that is said in other words, and ends by itself."""
LOOKED_AT = 64
"""Problems of a level whose answers tell how long its answers are."""
UNKNOWN = 256
"""Until something is asked."""


class AnswerRoom:
    """The limit of new tokens for answers: a fixed one where the settings name it, else by what is asked."""

    def __init__(self, fixed: int | None, count_tokens: Callable[[str, str], int]) -> None:
        """`count_tokens` tells how many tokens an answer to a prompt takes, as the hero would say it."""
        self._fixed, self._count_tokens = fixed, count_tokens
        self.tokens = fixed or UNKNOWN

    def expect(self, problems: Iterable[Problem]) -> None:
        """These problems will be asked next."""
        if self._fixed is None:
            longest = max((self._count_tokens(one.prompt, one.answer) for one in problems), default=0)
            self.tokens = SPARE + round((1 + SPARE_SHARE) * longest) if longest else UNKNOWN

    def expect_level(self, engine: SkillEngine, skill: str, level: int) -> None:
        """Fresh problems of a level will be asked next; some like them tell how long its answers are."""
        if self._fixed is None:
            self.expect(engine.generate_batch(skill, level, LOOKED_AT, "room"))
