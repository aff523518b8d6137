"""Whether a model that was written in another form still gives the same greedy answers. Knows no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from realm.errors import HeroError
from realm.heroes.hero import LoadedHero

PROMPTS = 20


@dataclass(frozen=True, slots=True)
class Parity:
    """Greedy answers before and after, compared letter by letter."""

    prompts: int
    equal: int
    max_new_tokens: int
    first_difference: dict[str, str] | None = None
    """`prompt`, `before` and `after` of the first answer that changed."""

    @property
    def holds(self) -> bool:
        return self.equal == self.prompts

    @property
    def words(self) -> str:
        return f"{self.equal} of {self.prompts} greedy answers are the same"

    def as_json(self) -> dict[str, Any]:
        return {
            "prompts": self.prompts,
            "equal": self.equal,
            "max_new_tokens": self.max_new_tokens,
            "first_difference": self.first_difference,
        }

    def require(self) -> None:
        """Raises HeroError unless every answer is the same."""
        if self.first_difference is not None:
            told = self.first_difference
            raise HeroError(
                f"Nothing was exported: only {self.words} before and after. The first that differs: "
                f"{told['prompt'][:80]!r} was answered {told['before'][:80]!r}, and now {told['after'][:80]!r}.",
                hint="A format of higher precision keeps more (gguf: --outtype f32); or export another checkpoint.",
            )


def answers(hero: LoadedHero, prompts: Sequence[str], *, max_new_tokens: int) -> list[str]:
    """Greedy answers in the order asked."""
    return hero.family.answer(hero.model, hero.tokenizer, prompts, max_new_tokens=max_new_tokens)


def compare(prompts: Sequence[str], before: Sequence[str], after: Sequence[str], *, max_new_tokens: int) -> Parity:
    """Raises ValueError when there are not as many answers as prompts."""
    asked = list(zip(prompts, before, after, strict=True))
    unlike = [{"prompt": prompt, "before": one, "after": other} for prompt, one, other in asked if one != other]
    return Parity(len(asked), len(asked) - len(unlike), max_new_tokens, unlike[0] if unlike else None)
