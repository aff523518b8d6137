"""Foreign code at arm's length: whatever a skill raises or returns, its caller gets a sound value or SkillBroken.

Every skill is guarded, those that ship with Realm too, so that none can end a quest, a request or the hero's day.
What this does not stop: code that never returns, and code that means harm.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from typing import Any, cast

from realm.errors import SkillBroken, SkillError
from realm.guild.review import Review
from realm.guild.skill import Problem, Score, Side, Skill, SkillSpec, side_of

log = logging.getLogger(__name__)
_SHARE_SLACK = 1e-6


def guarded(name: str, make: Callable[[], object]) -> Skill:
    """The skill that `make` gives, guarded. Raises SkillBroken when it cannot be made or is no skill of that name."""
    with _foreign(name, "being loaded"):
        made = make()
        if not isinstance(made, Skill):
            raise _Rubbish(f"its entry point gave {_kind(made)} instead of a realm.guild.skill.Skill")
        spec = getattr(made, "spec", None)
        if not isinstance(spec, SkillSpec):
            raise _Rubbish(f"its spec is {_kind(spec)} instead of a SkillSpec")
        if spec.id != name:
            raise _Rubbish(f"its description says id: {spec.id}, its entry point is named {name}")
    return GuardedSkill(made)


class GuardedSkill(Skill):
    """A skill whose calls end well or in SkillBroken."""

    def __init__(self, inner: Skill) -> None:
        super().__init__(inner.spec)
        self._inner = inner

    def generate(self, level: int, seed: str, *, side: Side = "train", kind: Any = None) -> Problem:
        """As of `Skill`. Only on the examination side may a space hold nothing (SkillError): practice must go on."""
        self.spec.check_level(level)
        with _foreign(self.id, f"making a problem of level {level}", let_pass=side == "exam"):
            problem = self._inner.generate(level, seed, side=side, kind=kind)
            self._require_sound(problem, level, side)
        return problem

    def score(self, problem: Problem, response: str) -> Score:
        with _foreign(self.id, f"grading an answer of level {problem.level}"):
            score = self._inner.score(problem, response)
            _require_score(score)
        return score

    def mix(self, level: int) -> Mapping[str, float]:
        with _foreign(self.id, f"telling the kinds of level {level}"):
            mix = self._inner.mix(level)
            _require_mix(mix)
        return mix

    def vocabulary(self) -> tuple[str, ...]:
        with _foreign(self.id, "telling its vocabulary"):
            words = self._inner.vocabulary()
            if not (isinstance(words, tuple) and all(isinstance(word, str) and word for word in words)):
                raise _Rubbish("its vocabulary is no tuple of words")
        return words

    def review(self) -> Review:
        with _foreign(self.id, "telling how its answers are reviewed"):
            review = self._inner.review()
            if not isinstance(review, Review):
                raise _Rubbish(f"it gave {_kind(review)} instead of a Review")
        return cast(Review, _GuardedReview(self.id, review))

    def _require_sound(self, problem: object, level: int, side: Side) -> None:
        if not isinstance(problem, Problem):
            raise _Rubbish(f"it gave {_kind(problem)} instead of a Problem")
        if (problem.skill, problem.level) != (self.id, level):
            raise _Rubbish(f"it gave a problem of {problem.skill!r}, level {problem.level!r}")
        for name in ("prompt", "answer", "content"):
            text = getattr(problem, name)
            if not isinstance(text, str) or not text.strip():
                raise _Rubbish(f"{name} is {_kind(text)} instead of some text")
            text.encode()  # half of a surrogate pair can be written to no file
        if not isinstance(problem.form, str) or not isinstance(problem.meta, Mapping):
            raise _Rubbish("form is no text or meta is no mapping")
        if not isinstance(problem.primitives, tuple) or not set(problem.primitives) <= set(self.spec.primitives):
            raise _Rubbish(f"primitives are {problem.primitives!r}; its description names {self.spec.primitives!r}")
        if side_of(problem.content) != side:
            raise _Rubbish(f"asked for the side {side!r}, it gave a problem of the other: held-out problems would leak")


class _GuardedReview:
    """A review whose calls end well or in SkillBroken."""

    def __init__(self, skill: str, inner: Review) -> None:
        self._skill = skill
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*given: Any, **named: Any) -> Any:
            with _foreign(self._skill, f"reviewing an answer ({name})"):
                return found(*given, **named)

        return call


class _Rubbish(Exception):
    """What came back is nothing that may come back; `str()` says why."""


@contextmanager
def _foreign(skill: str, doing: str, *, let_pass: bool = False) -> Iterator[None]:
    """Turn whatever the block raises into SkillBroken; with `let_pass` a SkillError goes through as it is."""
    try:
        yield
    except _Rubbish as rubbish:
        raise SkillBroken(skill, doing, f"{rubbish}.") from None
    except (Exception, SystemExit) as error:  # foreign code; the boundary is the quest, the request or the command
        if isinstance(error, SkillError) and let_pass:
            raise
        log.warning("the skill %s failed while %s", skill, doing, exc_info=error)
        raise SkillBroken(skill, doing, _said(error)) from error


def _said(error: BaseException) -> str:
    if isinstance(error, SkillError):
        return error.message
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else f"{type(error).__name__}."


def _require_score(score: object) -> None:
    if not isinstance(score, Score):
        raise _Rubbish(f"it gave {_kind(score)} instead of a Score")
    if isinstance(score.value, bool) or not isinstance(score.value, float | int) or not 0 <= score.value <= 1:
        raise _Rubbish(f"the value is {score.value!r} instead of a number from 0 to 1")
    if not isinstance(score.correct, bool) or not isinstance(score.reason, str):
        raise _Rubbish("correct is no true or false, or the reason is no text")


def _require_mix(mix: object) -> None:
    if not isinstance(mix, Mapping):
        raise _Rubbish(f"it gave {_kind(mix)} instead of shares by kind")
    shares = list(mix.values())
    if not all(isinstance(share, float | int) and isfinite(share) and share >= 0 for share in shares):
        raise _Rubbish(f"the shares are {shares!r}")
    if shares and abs(sum(shares) - 1) > _SHARE_SLACK:
        raise _Rubbish(f"the shares add up to {sum(shares)} instead of 1")


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
