"""What the facts say about a run of training: where it began and ended, what it cost. Reads; writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from realm.errors import UsageError
from realm.events import Events, Fact, RunFailed, RunFinished, RunLightened, RunStarted
from realm.records import CampaignKey
from realm.registry import unknown

KINDS = ("run_started", "run_finished", "run_failed", "run_lightened")
RECENT_FACTS = 2000
"""Facts of each kind that are looked through, newest first."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run. Where it was interrupted and gone on with, the sums are over all its parts."""

    name: str
    quest: str
    method: str
    start_step: int
    """Optimizer steps of the campaign before it."""
    end_step: int
    outcome: str
    """completed, stopped, skipped, failed, or empty while it goes on (or was killed)."""
    tokens: int = 0
    seconds: float = 0.0
    loss_first: float | None = None
    loss_last: float | None = None
    effort_end: float = 0.0
    """Effort of the campaign at its end."""
    reason: str = ""
    """Why it failed."""
    starts: int = 1
    """How often it was begun or gone on with."""
    lightened: int = 0
    """How often memory ran out in it."""

    @property
    def steps(self) -> int:
        return max(0, self.end_step - self.start_step)


def newest_run(events: Events, key: CampaignKey) -> Run | None:
    """The run that began last."""
    started = events.newest(1, kinds=["run_started"], hero=key.hero, campaign=key.campaign)
    return find_run(events, key, cast(RunStarted, started[0].fact).run) if started else None


def find_run(events: Events, key: CampaignKey, name: str) -> Run:
    """The run of that name, or of the quest of that id, or the only one whose name ends so.

    Raises UsageError naming the nearest.
    """
    found = events.newest(RECENT_FACTS, kinds=KINDS, hero=key.hero, campaign=key.campaign)
    facts = [recorded.fact for recorded in reversed(found)]
    known = list(dict.fromkeys(fact.run for fact in facts if isinstance(fact, RunStarted)))
    if not known:
        raise UsageError(f"{key} has had no run yet.", hint="Let it train: realm play, or realm start-all.")
    if name not in known:
        ends = [each for each in known if each.endswith(name)] if name else known[-1:]
        if not ends:
            raise unknown("run", name, known)
        name = ends[-1]
    return _run(name, [fact for fact in facts if getattr(fact, "run", "") == name])


def runs(events: Events, key: CampaignKey, limit: int = 20) -> list[str]:
    """Names of the runs that began last, newest first."""
    found = events.newest(limit, kinds=["run_started"], hero=key.hero, campaign=key.campaign)
    return list(dict.fromkeys(cast(RunStarted, recorded.fact).run for recorded in found))


def _run(name: str, facts: list[Fact]) -> Run:
    """One run from its facts, oldest first."""
    started = [fact for fact in facts if isinstance(fact, RunStarted)]
    ended = [fact for fact in facts if isinstance(fact, RunFinished)]
    failed = [fact for fact in facts if isinstance(fact, RunFailed)]
    last = next((f for f in reversed(facts) if isinstance(f, RunStarted | RunFinished | RunFailed)), None)
    first = min((fact.step for fact in started), default=0)
    return Run(
        name=name,
        quest=started[0].quest,
        method=started[0].method,
        start_step=first,
        end_step=max([first, *(fact.step for fact in ended), *(fact.step for fact in failed)]),
        outcome=last.outcome if isinstance(last, RunFinished) else "failed" if isinstance(last, RunFailed) else "",
        tokens=sum(fact.tokens for fact in ended),
        seconds=sum(fact.seconds for fact in ended),
        loss_first=ended[0].loss_first if ended else None,
        loss_last=ended[-1].loss_last if ended else None,
        effort_end=ended[-1].effort if ended else 0.0,
        reason=failed[-1].reason if failed else "",
        starts=len(started),
        lightened=sum(isinstance(fact, RunLightened) for fact in facts),
    )
