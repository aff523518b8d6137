"""Weighs a run once it has ended, and says whether a checkpoint may be champion. Changes no checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from realm.config.run_spec import RunSpec
from realm.config.schema import RealmSettings
from realm.db import Database
from realm.errors import QuestError
from realm.events import Events
from realm.guild.engine import SkillEngine
from realm.guild.progression import Examination
from realm.heroes.weights import HATCHLING
from realm.records import CampaignKey, CheckpointRecord, Row
from realm.temple import evidence, gate
from realm.temple.check import Finding, failed_critical, states
from realm.temple.evidence import RECENT_EXAMINATIONS, Taken
from realm.temple.gate import Case, Comparison, Decision
from realm.temple.inspection import inspected
from realm.temple.ledger import Verdict, VerdictLedger
from realm.temple.quality import quality
from realm.temple.runs import Run, find_run
from realm.temple.scene import Scene
from realm.workspace import Workspace


class Verdicts:
    """The Temple of one campaign."""

    def __init__(
        self, workspace: Workspace, settings: RealmSettings, db: Database, events: Events,
        *, spec: RunSpec | None = None, where: Callable[[Row], str] | None = None,
    ) -> None:  # fmt: skip
        """`where` says where the examinations ask a question that stands in a row."""
        skills = SkillEngine()  # kept: a skill's words and levels are read once
        self._open: Callable[[Run | None, bool], Scene] = lambda run, thorough: Scene(
            workspace, settings, db, events, spec=spec, run=run, thorough=thorough, skills=skills, where=where
        )
        self._settings, self._events = settings, events
        self.ledger = VerdictLedger(db, events)
        self._leaks: dict[str, str] = {}

    # -- after a run -------------------------------------------------------------------------------------------
    def weigh(self, key: CampaignKey, name: str = "", *, end_step: int = 0, thorough: bool = False) -> Verdict:
        """Look at everything about a run (empty: the newest), store the verdict, pay its experience.

        `end_step` is where it ended, for a run whose end was never told because a kill came before. Raises UsageError
        when there is no such run.
        """
        run = find_run(self._events, key, name)
        run = replace(run, end_step=max(run.end_step, end_step))
        scene = self._open(run, thorough)
        findings = inspected(scene, cheap=not thorough)
        return self.ledger.record(self._verdict(scene, findings))

    def _verdict(self, scene: Scene, findings: Sequence[Finding]) -> Verdict:
        run = scene.run
        assert run is not None
        skills = [_taken(scene, skill, run) for skill in scene.settings.campaign.skills]
        new = _knew_nothing(scene, run)
        own = [comparison for taken in skills for comparison in evidence.compared(taken, knew_nothing=new)]
        levels = _levels_gained(scene, run)
        harms = [*_said(failed_critical(findings)), *_forgotten(scene), *self._leaked(scene)]
        case = Case(own, levels_before=max(0, -levels), levels_after=max(0, levels), harms=harms)
        decision = gate.decide(case, scene.settings.temple.significance)
        learning, effort = evidence.learning(skills), self._effort(scene, run)
        weighed = quality(
            learning, states(findings), 0.0 if self._leaked(scene) else _proof(scene, own, skills, levels)
        )
        page = _page(scene, run, own, decision, effort) | {"learning": learning.as_json(), "quality": weighed.as_json()}
        newest = scene.keeper.ledger.find(f"{scene.key}@{run.end_step}") or scene.newest
        return Verdict(
            key=scene.key, run=run.name, quest=run.quest, checkpoint=newest.id if newest else "",
            start_step=run.start_step, step=run.end_step, quality=weighed.value, word=weighed.word,
            recommendation=decision.recommendation, effort=effort, evidence=page,
            findings=[finding.as_json() for finding in findings], time=scene.clock(),
        )  # fmt: skip

    def _effort(self, scene: Scene, run: Run) -> float:
        """Strain summed over the run's own steps."""
        end = run.effort_end or scene.metrics.effort(scene.key, run.end_step)
        return max(0.0, end - scene.metrics.effort(scene.key, run.start_step))

    # -- at a checkpoint ---------------------------------------------------------------------------------------
    def held_back(self, record: CheckpointRecord, taken: Sequence[Examination]) -> str:
        """Why an examined checkpoint must not take the champion's place; empty where it may."""
        key = CampaignKey(record.hero, record.campaign)
        scene = self._open(None, False)
        champion = scene.champion
        allowed = any(o.action == "promote" and o.checkpoint == record.id for o in self.ledger.overrides(key))
        if allowed or (champion is not None and champion.id == record.id):
            return ""
        before = _at(scene, champion.step) if champion else []
        case = Case(
            evidence.at(before, taken),
            levels_before=sum(champion.levels.values()) if champion else 0,
            levels_after=sum(scene.guild.levels(key).values()),
            harms=[*_forgotten(scene), *self._leaked(scene)],
            is_first=champion is None,
        )
        decision = gate.decide(case, self._settings.temple.significance)
        return "" if decision.gate_met else " ".join(decision.reasons)

    def _leaked(self, scene: Scene) -> list[str]:
        """What the run's quest gives away of the examinations. Practice cannot: it is made of the training side."""
        quest = scene.quest
        if quest is None or scene.is_practice:
            return []
        if quest.id not in self._leaks:
            bound = scene.settings.quests.refuse_above["leakage"]
            found = len(scene.leaked)
            words = f"{found} of {len(scene.rows)} rows of {quest.name} hold a question of an examination."
            self._leaks[quest.id] = words if found > bound * len(scene.rows) else ""
        return [self._leaks[quest.id]] if self._leaks[quest.id] else []


def _proof(scene: Scene, own: Sequence[Comparison], skills: Sequence[Taken], levels: int) -> float:
    """How surely the run taught anything.

    A file from outside has to show its own gain. Practice is right by construction and comes in small runs: where it
    lost nothing, the gain over the last ten examinations counts too.
    """
    shown = gate.proof(own, levels)
    won, lost = sum(c.gained for c in own), sum(c.lost for c in own)
    if not scene.is_practice or won < lost:
        return shown
    return max(shown, gate.proof([c for taken in skills for c in evidence.over_window(taken)], 0))


def _taken(scene: Scene, skill: str, run: Run) -> Taken:
    found = scene.guild.examinations(scene.key, skill, limit=RECENT_EXAMINATIONS, before_step=run.end_step + 1)
    return Taken(skill, sorted(found, key=lambda e: (e.step, e.level)), run.start_step, run.end_step)


def _at(scene: Scene, step: int) -> list[Examination]:
    """The examinations of one checkpoint."""
    found = scene.guild.examinations(scene.key, limit=RECENT_EXAMINATIONS, before_step=step + 1)
    return [e for e in found if e.step == step]


def _knew_nothing(scene: Scene, run: Run) -> bool:
    """Whether the run began with first weights."""
    campaign = scene.guild.campaign(scene.key)
    fresh = campaign is None or not campaign.starting_checkpoint
    return run.start_step == 0 and fresh and scene.profile.base_model == HATCHLING


def _levels_gained(scene: Scene, run: Run) -> int:
    """Levels mastered in the run, less those lost."""
    within = [t for t in scene.guild.transitions(scene.key) if run.start_step < t.step <= run.end_step]
    return sum(1 if t.kind == "gained" else -1 for t in within)


def _forgotten(scene: Scene) -> list[str]:
    return [
        f"The canaries {name} fell from {d.best.correct} to {d.sitting.correct} of {d.sitting.n} right."
        for name, d in scene.canaries.standing(scene.key).items()
        if d.severity == "critical"
    ]


def _said(findings: Sequence[Finding]) -> list[str]:
    return [f"{finding.group}, {finding.check}: {finding.measured}." for finding in findings]


def _page(
    scene: Scene, run: Run, comparisons: Sequence[Comparison], decision: Decision, effort: float
) -> dict[str, Any]:
    """The page of evidence, as plain values."""
    targets = _targets(scene)
    steps = list(scene.steps())
    return {
        "run": run.name, "outcome": run.outcome, "method": run.method, "quest_name": _name(scene, run),
        "start_step": run.start_step, "step": run.end_step,
        "target": [c.as_json() for c in comparisons if c.skill in targets],
        "others": [c.as_json() for c in comparisons if c.skill not in targets],
        "canaries": evidence.canaries(scene.canaries.standing(scene.key)),
        "strain": evidence.strain(steps, effort), "cost": evidence.cost(run), "decision": decision.as_json(),
        "memory": evidence.memory(),
    }  # fmt: skip


def _targets(scene: Scene) -> set[str]:
    """What the run meant to teach: the skill that its quest names, else every skill in focus."""
    skill = scene.quest.skill if scene.quest else ""
    focus = set(scene.settings.campaign.skills)
    return {skill} if skill in focus else focus


def _name(scene: Scene, run: Run) -> str:
    try:
        return scene.quest.name if scene.quest else run.quest
    except QuestError:
        return run.quest
