"""Writes a practice quest: problems as a mix asks for them, with a sidecar that says who made it and why.

Knows files, no database and no queue: the quest enters by the inbox like anybody's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from realm import __version__
from realm.guild.curriculum import Mix
from realm.guild.engine import SkillEngine
from realm.guild.skill import Problem
from realm.records import CampaignKey

Key = TypeVar("Key", bound=Hashable)
POOL = 4
"""Problems drawn for each one that is picked for a weak primitive."""


def write(
    mix: Mix,
    engine: SkillEngine,
    path: Path,
    count: int,
    seed: str,
    *,
    priority: str = "low",
    owner: CampaignKey | None = None,
) -> Path:
    """Write `count` training-side problems to `path` (a `.jsonl`) and what they are to `<path>.meta.json`.

    The same mix, count and seed give the same bytes; `owner` is the campaign that alone may train on them. The sidecar
    stands before the data, and the data appears whole, by rename, so that an inbox may take it at once.
    """
    rows = [_row(problem) for problem in draw(mix, engine, count, seed)]
    about = json.dumps(_sidecar(mix, len(rows), seed, priority) | _owned(owner), ensure_ascii=False, indent=1)
    _write_whole(path.with_name(path.name + ".meta.json"), [about])
    return _write_whole(path, rows)


def draw(mix: Mix, engine: SkillEngine, count: int, seed: str) -> list[Problem]:
    """The problems of a practice quest in their order."""
    problems: list[Problem] = []
    for (skill, level), cell_count in allocate(mix.shares, count).items():
        picked = _picked(mix, engine, skill, level, cell_count, seed)
        problems += picked
        problems += _batch(mix, engine, skill, level, cell_count - len(picked), seed)
    Random(f"{seed}/order").shuffle(problems)
    return problems


def allocate(shares: Mapping[Key, float], count: int) -> dict[Key, int]:
    """Whole numbers that sum to `count`, by largest remainder; ties go to the first. The shares sum to 1."""
    counts = {key: int(share * count) for key, share in shares.items()}
    by_remainder = sorted(shares, key=lambda key: counts[key] - shares[key] * count)
    for key in by_remainder[: count - sum(counts.values())]:
        counts[key] += 1
    return counts


def _picked(mix: Mix, engine: SkillEngine, skill: str, level: int, count: int, seed: str) -> list[Problem]:
    """Problems that exercise a weak primitive, as many as their share asks for and a pool of them holds."""
    weak = set(mix.weak.get(skill, ()))
    wanted = round(mix.primitive_share * count) if weak else 0
    pool = _batch(mix, engine, skill, level, wanted * POOL, f"{seed}/weak")
    Random(f"{seed}/weak/order").shuffle(pool)
    return [problem for problem in pool if weak.intersection(problem.primitives)][:wanted]


def _batch(mix: Mix, engine: SkillEngine, skill: str, level: int, count: int, seed: str) -> list[Problem]:
    """Training-side problems of a level, its kinds in the shares of the level's own mix times their weights."""
    maker = engine.get(skill)
    weights = {kind: share * mix.kind_weights.get(kind, 1.0) for kind, share in maker.mix(level).items()}
    whole = sum(weights.values())
    if whole == 0:
        return engine.generate_batch(skill, level, count, seed)
    counts = allocate({kind: weight / whole for kind, weight in weights.items()}, count)
    return [
        maker.generate(level, f"{skill}/{level}/{seed}/{kind}/{place}", kind=kind)
        for kind, kind_count in counts.items()
        for place in range(kind_count)
    ]


def _row(problem: Problem) -> str:
    meta = {**problem.meta, "primitives": problem.primitives}
    return json.dumps(
        {
            "prompt": problem.prompt,
            "completion": problem.answer,
            "skill": problem.skill,
            "level": problem.level,
            "meta": meta,
        },
        ensure_ascii=False,
    )


def _sidecar(mix: Mix, rows: int, seed: str, priority: str) -> dict[str, Any]:
    skill, level = mix.leading
    return {
        "made_by": "realm practice",
        "version": __version__,
        "source": "practice",
        "method": "sft",
        "skill": skill,
        "level": level,
        "priority": priority,
        "reason": mix.reason,
        "parameters": {
            "rows": rows,
            "seed": seed,
            "mix": mix.as_json(),
            "primitive_share": mix.primitive_share,
            "kind_weights": dict(mix.kind_weights),
            "weak_primitives": {name: list(weak) for name, weak in mix.weak.items()},
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
