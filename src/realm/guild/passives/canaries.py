"""Asks a hero its canaries: the core ones at every checkpoint, all of them on demand. Knows no model; who answers is
handed in."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Protocol

from realm.config.schema import PassiveSettings
from realm.db import Database
from realm.errors import UsageError
from realm.events import Events
from realm.guild.passives.drift import Drift, Sitting
from realm.guild.passives.ledger import CanaryLedger
from realm.guild.passives.sets import CORE, digest, joint, modules, problems
from realm.guild.primitives import atoms
from realm.records import CampaignKey


class Greedy(Protocol):
    """Whoever answers: prompts in, greedy answers out, in the order asked."""

    def __call__(
        self, prompts: Sequence[str], /, *, max_new_tokens: int, before_batch: Callable[[], object]
    ) -> list[str]: ...


class Canaries:
    """The canaries of one workspace."""

    def __init__(
        self, db: Database, events: Events, settings: PassiveSettings, clock: Callable[[], float] = time.time
    ) -> None:
        self.ledger = CanaryLedger(db, events, settings)
        self._settings = settings
        self._clock = clock

    def watch(
        self,
        key: CampaignKey,
        step: int,
        answer: Greedy,
        template_hash: str,
        before_batch: Callable[[], object] = lambda: None,
    ) -> list[Drift]:
        """Ask the core modules at a checkpoint, once, unless canaries are turned off. Returns what drift it changed."""
        if not self._settings.enabled or self.ledger.has(key, step, [CORE]):
            return []
        core = [module.name for module in modules("core")]
        return self.ledger.record(self.ask(key, step, core, answer, template_hash, before_batch))

    def ask(
        self,
        key: CampaignKey,
        step: int,
        names: Sequence[str],
        answer: Greedy,
        template_hash: str,
        before_batch: Callable[[], object] = lambda: None,
    ) -> list[Sitting]:
        """Ask modules in one generation and grade them; where all core modules are among them, also these together."""
        asked = [problem for name in names for problem in problems(name)]
        began = self._clock()
        answers = answer(
            [problem.prompt for problem in asked],
            max_new_tokens=self._settings.max_new_tokens,
            before_batch=before_batch,
        )
        if len(answers) != len(asked):
            raise UsageError(
                f"{len(asked)} canaries were asked and {len(answers)} responses came.",
                hint="Return one response for each prompt, in the same order.",
            )
        now, rest = self._clock(), iter(answers)
        sittings = [
            _graded(key, step, name, list(islice(rest, len(problems(name)))), template_hash, now - began, now)
            for name in names
        ]
        core = [module.name for module in modules("core")]
        return sittings + ([_together(sittings, core)] if set(core) <= set(names) else [])


def _graded(
    key: CampaignKey, step: int, name: str, answers: Sequence[str], template_hash: str, seconds: float, now: float
) -> Sitting:
    pairs = list(zip(problems(name), answers, strict=True))
    right = [atoms.score(problem, response).correct for problem, response in pairs]
    tally: dict[str, tuple[int, int]] = {}
    for (problem, _), is_right in zip(pairs, right, strict=True):
        for primitive in problem.primitives:
            correct, n = tally.get(primitive, (0, 0))
            tally[primitive] = (correct + is_right, n + 1)
    return Sitting(
        key=key,
        step=step,
        module=name,
        problem_set=digest(name),
        right=tuple(right),
        primitives=tally,
        template_hash=template_hash,
        seconds=seconds,
        time=now,
    )


def _together(sittings: Sequence[Sitting], names: Sequence[str]) -> Sitting:
    """The core modules as one set of problems. Its primitives stand with the modules already."""
    parts = [sitting for sitting in sittings if sitting.module in names]
    first = parts[0]
    return Sitting(
        key=first.key,
        step=first.step,
        module=CORE,
        problem_set=joint([part.module for part in parts]),
        right=tuple(right for part in parts for right in part.right),
        template_hash=first.template_hash,
        seconds=first.seconds,
        time=first.time,
    )
