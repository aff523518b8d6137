"""Skills by name, batches of their problems, fixed examinations, exact scores. Knows no model and no database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from realm.errors import RealmError, SkillBroken, SkillError, UsageError
from realm.registry import Registry, unknown

from .guarded import guarded
from .skill import Problem, Score, Side, Skill

Answer = Callable[[Sequence[str]], Sequence[str]]
"""Prompts in, responses out, in the same order."""

Form = tuple[str | None, str]
"""Kind and form of a problem."""

KEPT_EXAMINATIONS = 256
"""Sets of examination problems that are kept; beyond that the one that was made first is forgotten."""
TRIES = 200
"""New seeds tried for one place of an examination before its form counts as used up."""


def skills() -> Registry[Skill]:
    """The skills that ship with Realm, and those that other packages bring by the entry-point group `realm.skills`."""
    registry: Registry[Skill] = Registry("skill", "realm.skills")
    registry.register("bin", _binary)
    registry.register("sy", _syllacrostic)
    return registry


def _binary() -> Skill:
    from realm.guild.skills.binary import BinarySkill  # noqa: PLC0415  built at first use

    return BinarySkill()


def _syllacrostic() -> Skill:
    from realm.guild.skills.syllacrostic import SyllacrosticSkill  # noqa: PLC0415  built at first use

    return SyllacrosticSkill()


@dataclass(frozen=True, slots=True)
class EvalResult:
    """How a batch of responses was graded."""

    n: int
    correct: int
    accuracy: float
    """Share of right results, 0..1; 0 where there was no problem."""
    mean_value: float
    """Mean value 0..1, shown work included."""
    per_primitive: Mapping[str, tuple[int, int]]
    """Primitive: (correct, n) over the problems that exercise it."""
    per_difficulty: Mapping[str, tuple[int, int]]
    scores: tuple[Score, ...] = field(repr=False)


class SkillEngine:
    """The guild's one door to skills."""

    def __init__(
        self, registry: Registry[Skill] | None = None, on_broken: Callable[[SkillBroken], object] = lambda _: None
    ) -> None:
        """`on_broken` is told once of each skill that is set aside."""
        self.registry = skills() if registry is None else registry
        self.broken: dict[str, SkillBroken] = {}
        self._on_broken = on_broken
        self._skills: dict[str, Skill] = {}
        self._examinations: dict[tuple[str, int, int, str], tuple[Problem, ...]] = {}

    def get(self, name: str) -> Skill:
        """The skill, whose every call ends well or in SkillBroken.

        Raises UsageError, naming the nearest skill, when there is none of that name; SkillBroken when its package
        cannot be loaded, or when it was set aside.
        """
        if name in self.broken:
            raise self.broken[name].again()
        if name not in self._skills:
            if name not in self.registry.names():
                raise unknown("skill", name, self.registry.names())
            self._skills[name] = guarded(name, lambda: self.registry.get(name))
        return self._skills[name]

    def set_aside(self, error: SkillBroken) -> None:
        """Use a skill no more in this process, and say so once."""
        if error.skill not in self.broken:
            self.broken[error.skill] = error
            self._on_broken(error)

    def usable(self, names: Iterable[str]) -> list[str]:
        """Those of the names that can be used; any other, installed or not, is set aside."""
        return [name for name in names if self._loads(name)]

    def _loads(self, name: str) -> bool:
        try:
            self.get(name)
        except RealmError as error:
            broken = (
                error
                if isinstance(error, SkillBroken)
                else SkillBroken(name, "being looked up", error.message, hint=error.hint)
            )
            self.set_aside(broken)
            return False
        return True

    def shown(self, name: str) -> str:
        """A skill's name as it is shown; of one that cannot be used (any more) its id in capitals."""
        try:
            return self.get(name).name
        except RealmError:
            return name.upper()

    def names(self) -> list[str]:
        return self.registry.names()

    def generate_batch(self, skill: str, level: int, count: int, seed: str, side: Side = "train") -> list[Problem]:
        """`count` problems; the same for the same seed. Raises SkillError for a level that does not exist."""
        maker = self.get(skill)
        return [maker.generate(level, f"{skill}/{level}/{seed}/{i}", side=side) for i in range(count)]

    def generate_eval_batch(self, skill: str, level: int, count: int = 100, seed: str = "exam") -> list[Problem]:
        """The fixed examination of a level: different contents, all held out, in the level's mix of kinds and forms.

        Fewer than `count` where the held-out side has no more. The set of a seed is worked out once and kept.
        """
        key = (skill, level, count, seed)
        if key not in self._examinations:
            if len(self._examinations) >= KEPT_EXAMINATIONS:
                del self._examinations[next(iter(self._examinations))]
            self._examinations[key] = tuple(_examination(self.get(skill), level, count, f"{skill}/{level}/{seed}"))
        return list(self._examinations[key])

    def score_eval(self, problems: Sequence[Problem], responses: Sequence[str]) -> EvalResult:
        """Grade each response against its own problem. Raises UsageError when their numbers differ."""
        if len(problems) != len(responses):
            raise UsageError(
                f"{len(problems)} problems were asked and {len(responses)} responses came.",
                hint="Give one response for each problem, in the same order.",
            )
        scores = [self.get(p.skill).score(p, r) for p, r in zip(problems, responses, strict=True)]
        return _summary(problems, scores)

    def run_eval(self, skill: str, level: int, answer: Answer, *, count: int = 100, seed: str = "exam") -> EvalResult:
        """Examine whoever answers on the level's fixed examination."""
        problems = self.generate_eval_batch(skill, level, count, seed)
        return self.score_eval(problems, answer([problem.prompt for problem in problems]))

    def health(self) -> dict[str, str]:
        """Each skill: `ok`, or what is wrong. A skill is well when its first and last level's own answers are right."""
        return {name: self.fitness(name) for name in self.names()}

    def fitness(self, name: str) -> str:
        """`ok`, or what is wrong with a skill."""
        try:
            skill = self.get(name)
            for level in (1, skill.levels):
                problem = skill.generate(level, f"{name}/{level}/health/0")
                if not skill.score(problem, problem.answer).correct:
                    return f"level {level}: its own answer is graded as wrong"
                if skill.generate(level, f"{name}/{level}/health/0") != problem:
                    return f"level {level}: the same seed gave another problem"
        except RealmError as error:
            return error.message
        return "ok"


def _examination(skill: Skill, level: int, count: int, seed: str) -> list[Problem]:
    """Place by place, no content twice: what kind and what form of problem a place gets is fixed by its first draw.

    So a small space stays in the level's mix: what it has too little of is left out, not made up for with something
    else that happens to have many variants.
    """
    found: dict[str, Problem] = {}
    spent: set[Form] = set()
    for place, kind in enumerate(_kinds(skill.mix(level), count)):
        problem = _fresh(skill, level, f"{seed}/{place}", kind, found, spent)
        if problem is not None:
            found[problem.content] = problem
    return list(found.values())


def _fresh(
    skill: Skill, level: int, seed: str, kind: str | None, found: Mapping[str, Problem], spent: set[Form]
) -> Problem | None:
    """A problem not asked yet, of the form that the first draw has; None where that form is spent."""
    form: Form | None = None
    for attempt in range(TRIES):
        try:
            problem = skill.generate(level, f"{seed}/{attempt}", side="exam", kind=kind)
        except SkillBroken:
            raise
        except SkillError:
            return None
        form = form or (kind, problem.form)
        if form in spent:
            return None
        if form[1] == problem.form and problem.content not in found:
            return problem
    if form:
        spent.add(form)
    return None


def _kinds(mix: Mapping[str, float], count: int) -> list[str | None]:
    """The kind of each place, in the shares of the mix (largest remainders are rounded by the running sum)."""
    if not mix:
        return [None] * count
    ends = [round(end * count) for end in accumulate(mix.values())]
    kinds: list[str | None] = []
    for kind, end in zip(mix, ends, strict=True):
        kinds += [kind] * (end - len(kinds))
    return kinds


def _summary(problems: Sequence[Problem], scores: Sequence[Score]) -> EvalResult:
    right = sum(score.correct for score in scores)
    n = len(scores)
    pairs = list(zip(problems, scores, strict=True))
    return EvalResult(
        n=n,
        correct=right,
        accuracy=right / n if n else 0.0,
        mean_value=sum(score.value for score in scores) / n if n else 0.0,
        per_primitive=_tally((name, s) for p, s in pairs for name in p.primitives),
        per_difficulty=_tally((str(p.meta.get("difficulty", "")), s) for p, s in pairs),
        scores=tuple(scores),
    )


def _tally(named: Iterable[tuple[str, Score]]) -> dict[str, tuple[int, int]]:
    seen: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for name, score in named:
        seen[name] += 1
        right[name] += score.correct
    return {name: (right[name], n) for name, n in sorted(seen.items())}
