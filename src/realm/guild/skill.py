"""What a skill is: a generator, a grader, a table of levels, a set of primitives. Knows no model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal

Side = Literal["train", "exam"]
HELD_OUT_ONE_IN = 10


@dataclass(frozen=True, slots=True)
class Problem:
    """One question with its one right answer.

    `content` is the canonical content: equal for two problems that ask the same thing in other clothes.
    It alone decides the side of the held-out split.
    """

    skill: str
    level: int
    prompt: str
    answer: str
    content: str
    primitives: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Score:
    """`value` in 0..1 may give partial credit for shown work; `correct` is the final result alone, exactly right."""

    value: float
    correct: bool
    reason: str


def side_of(content: str) -> Side:
    """The side a canonical content belongs to, the same on every machine: one in ten is `exam`."""
    digest = blake2b(content.encode(), digest_size=8, person=b"realm-heldout").digest()
    return "exam" if int.from_bytes(digest) % HELD_OUT_ONE_IN == 0 else "train"


class Skill(ABC):
    """A skill of Realm. Deterministic: the same level, seed and side give the same problem on every machine."""

    id: str
    name: str
    levels: int

    @abstractmethod
    def generate(self, level: int, seed: str, *, side: Side = "train") -> Problem:
        """One problem of `level` (1..levels) from a named seed such as `bin/3/practice-17/42`.

        Raises SkillError for a level that does not exist or a space that holds nothing on that side.
        """

    @abstractmethod
    def score(self, problem: Problem, response: str) -> Score:
        """Grade a response exactly. Never raises, whatever the response holds."""
