"""Writes a practice quest: problems as a mix asks for them, with a sidecar that says who made it and why.

Knows files, no database and no queue: the quest enters by the inbox like anybody's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from heapq import nlargest
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from realm import __version__
from realm.config.schema import REWARDED
from realm.errors import SkillBroken
from realm.guild.curriculum import Mix
from realm.guild.engine import SkillEngine
from realm.guild.passives.guard import is_canary
from realm.guild.skill import Problem
from realm.records import CampaignKey

Key = TypeVar("Key", bound=Hashable)
POOL = 2
"""Problems drawn for each one that is kept, where what fails is preferred."""
DRAWS = 4
"""Problems drawn at the most for each different one that is wanted."""


def write(
    mix: Mix,
    engine: SkillEngine,
    path: Path,
    count: int,
    seed: str,
    *,
    priority: str = "low",
    drawn: Sequence[Problem] | None = None,
    beside: Sequence[Mapping[str, Any]] = (),
    about: Mapping[str, Any] | None = None,
    owner: CampaignKey | None = None,
    method: str = "sft",
) -> Path:
    """Write `count` training-side problems to `path` (a `.jsonl`) and what they are to `<path>.meta.json`.

    `drawn` are those problems where they were drawn before, `beside` are finished rows to mix in, `about` is what
    else the sidecar says, `owner` is the campaign that alone may train on them, `method` how: one that learns from
    rewards gets prompts alone. The same arguments give the same bytes.
    The sidecar stands before the data, and the data appears whole, by rename, so that an inbox may take it at once.
    """
    written = partial(line_of, prompts_only=method in REWARDED)
    rows = [written(problem) for problem in (draw(mix, engine, count, seed) if drawn is None else drawn)]
    if beside:
        rows += [json.dumps(row, ensure_ascii=False) for row in beside]
        Random(f"{seed}/rows").shuffle(rows)
    told = _sidecar(mix, len(rows), seed, priority) | dict(about or {}) | _owned(owner)
    if method in REWARDED:
        told["method"] = method
    about_it = json.dumps(told, ensure_ascii=False, indent=1)
    _write_whole(path.with_name(path.name + ".meta.json"), [about_it])
    return _write_whole(path, rows)


def draw(mix: Mix, engine: SkillEngine, count: int, seed: str) -> list[Problem]:
    """The problems of a practice quest in their order. A skill that makes a canary is not trained on it."""
    problems: list[Problem] = []
    for (skill, level), cell_count in allocate(mix.shares, count).items():
        problems += _batch(mix, engine, skill, level, cell_count, seed)
    Random(f"{seed}/order").shuffle(problems)
    return [problem for problem in problems if not is_canary(problem.prompt)]


def allocate(shares: Mapping[Key, float], count: int) -> dict[Key, int]:
    """Whole numbers that sum to `count`, by largest remainder; ties go to the first. The shares sum to 1."""
    counts = {key: int(share * count) for key, share in shares.items()}
    by_remainder = sorted(shares, key=lambda key: counts[key] - shares[key] * count)
    for key in by_remainder[: count - sum(counts.values())]:
        counts[key] += 1
    return counts


def _batch(mix: Mix, engine: SkillEngine, skill: str, level: int, count: int, seed: str) -> list[Problem]:
    """Training-side problems of a level, its kinds in the shares of the level's own mix times their weights."""
    maker = engine.get(skill)
    weights = {kind: share * mix.kind_weights.get(kind, 1.0) for kind, share in maker.mix(level).items()}
    if sum(weights.values()) == 0:
        return _preferred(mix, skill, count, seed, lambda n: engine.generate_batch(skill, level, n, seed))
    whole = sum(weights.values())
    counts = allocate({kind: weight / whole for kind, weight in weights.items()}, count)

    def of_kind(kind: str, n: int) -> list[Problem]:
        return distinct(lambda place: maker.generate(level, f"{skill}/{level}/{seed}/{kind}/{place}", kind=kind), n)

    return [
        problem
        for kind, kind_count in counts.items()
        for problem in _preferred(mix, skill, kind_count, f"{seed}/{level}/{kind}", partial(of_kind, kind))
    ]


def distinct(draw: Callable[[int], Problem], count: int) -> list[Problem]:
    """`count` problems of those drawn at places 0, 1, ...: different ones, as far as `DRAWS` for each find them.

    A generator draws short problems again and again: over a third of a quest of BIN's first levels were repeats. An
    examination asks each problem once, so what is practised should be spread as it is (docs/log.md). Where a level has
    too few, repeats make up the number.
    """
    new: dict[tuple[str, str], Problem] = {}
    again: list[Problem] = []
    for place in range(DRAWS * count):
        if len(new) == count:
            break
        problem = draw(place)
        if new.setdefault((problem.prompt, problem.answer), problem) is not problem:
            again.append(problem)
    return [*new.values(), *again[: count - len(new)]]


def _preferred(mix: Mix, skill: str, count: int, seed: str, generate: Callable[[int], list[Problem]]) -> list[Problem]:
    """`count` problems out of a pool of more, each as likely as its weight says.

    Weighted sampling without replacement (Efraimidis and Spirakis, 2006): the largest of random^(1/weight) stay.
    """
    errors = mix.errors.get(skill)
    if not errors:
        return generate(count)
    random = Random(f"{seed}/preferred").random
    pool = [(random() ** (1 / weight(problem, errors, mix.error_floor)), problem) for problem in generate(POOL * count)]
    return [problem for _, problem in nlargest(count, pool, key=itemgetter(0))]


def weight(problem: Problem, errors: Mapping[str, float], floor: float) -> float:
    """How much practice wants a problem: the error rate of the primitive in it that fails most, and a floor above 0.

    A primitive that was never asked counts as the worst of those known, so that it is not starved.
    """
    worst = max(errors.values())
    return floor + max((errors.get(name, worst) for name in problem.primitives), default=0.0)


def row_of(problem: Problem, *, prompts_only: bool = True) -> dict[str, Any]:
    """A problem as a row: with its answer as what is trained, or as what a sampled answer is graded by."""
    return {
        "prompt": problem.prompt,
        "answer" if prompts_only else "completion": problem.answer,
        "skill": problem.skill,
        "level": problem.level,
        "meta": {**problem.meta, "primitives": problem.primitives},
    }


def line_of(problem: Problem, *, prompts_only: bool = False) -> str:
    """One line of a file. Raises SkillBroken when the skill's metadata cannot be written as JSON."""
    try:
        return json.dumps(row_of(problem, prompts_only=prompts_only), ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise SkillBroken(problem.skill, "having its metadata written", f"{error}.") from error


def _sidecar(mix: Mix, rows: int, seed: str, priority: str) -> dict[str, Any]:
    skill, level = mix.leading
    return {
        "made_by": "realm practice",
        "version": __version__,
        "source": "practice",
        "skill": skill,
        "level": level,
        "priority": priority,
        "reason": mix.reason,
        "parameters": {
            "rows": rows,
            "seed": seed,
            "mix": mix.as_json(),
            "kind_weights": dict(mix.kind_weights),
            "errors": {name: dict(errors) for name, errors in mix.errors.items()},
            "error_floor": mix.error_floor,
        },
    }


def _owned(owner: CampaignKey | None) -> dict[str, str]:
    return {} if owner is None else {"hero": owner.hero, "campaign": owner.campaign}


def _write_whole(path: Path, lines: Sequence[str]) -> Path:
    """Lines under a hidden temporary name, flushed to the device, then renamed."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
    return temporary.replace(path)
