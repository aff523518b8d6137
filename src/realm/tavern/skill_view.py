"""What the page says about skills, from the Guild's ledger: levels, examinations, practice. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from realm.config.schema import RealmSettings
from realm.guild.engine import SkillEngine
from realm.guild.evidence import Evidence
from realm.guild.ledger import GuildLedger
from realm.guild.primitives import CATALOGUE, rolling
from realm.guild.progression import Examination, SkillState
from realm.guild.tables import Bests, Transition
from realm.guild.tables import Practice as PracticeRow
from realm.guild.titles import Title, skill_title
from realm.records import CampaignKey
from realm.tavern.shown import Exam, MixPart, Practice, Primitive, Rung, Skill

SHOWN_WEAKEST = 3
SHOWN_CHECKPOINTS = 60
"""Checkpoints that the small line beside a primitive reaches back."""
CHART_LEVELS = 7
"""Lines that one chart can hold and still be read."""


class SkillReader:
    """Reads the skills in focus of one campaign."""

    def __init__(
        self,
        ledger: GuildLedger,
        key: CampaignKey,
        settings: RealmSettings,
        titles: Sequence[Title],
        evidence: Evidence,
    ) -> None:
        self._ledger = ledger
        self._evidence = evidence
        self._titles = titles
        self._key = key
        self._wide_gap = settings.curriculum.wide_gap
        self._names = settings.campaign.skills
        self._engine = SkillEngine()

    def skills(self, bests: Bests) -> list[Skill]:
        """Each skill with all that the pages show of it."""
        states = self._ledger.states(self._key)
        practices = self._ledger.practices(self._key, limit=1)
        return [
            self._skill(name, states.get(name, SkillState()), practices, bests.levels.get(name, 0))
            for name in self._engine.usable(self._names)
        ]

    def history(self) -> dict[str, Any]:
        """Accuracy per level over the steps, as JSON for the chart: rows of [step, accuracy, low, high]."""
        states = self._ledger.states(self._key)
        skills = {}
        for name in self._engine.usable(self._names):
            state = states.get(name, SkillState())
            by_level = self._ledger.history(self._key, name)
            skills[name] = [
                {"level": level, "state": rung_state(level, state), "rows": [_point(e) for e in by_level[level]]}
                for level in chart_levels(by_level, state.frontier)
            ]
        thresholds = {name: self._ledger.rules.of(name).threshold for name in skills}
        return {"thresholds": thresholds, "skills": skills}

    def _skill(self, name: str, state: SkillState, practices: Sequence[PracticeRow], best_level: int) -> Skill:
        spec = self._engine.get(name).spec
        newest = self._ledger.newest_of_levels(self._key, name)
        levels, rule = len(spec.levels), self._ledger.rules.of(name)
        frontier = min(state.frontier, levels)
        primitives = self._primitives(name)
        return Skill(
            id=name, name=spec.name, title=skill_title(self._titles, spec.name, state.level),
            about=spec.description, level=state.level, best_level=best_level, levels=levels, frontier=frontier,
            passes=min(len(state.passes), rule.consecutive), needed=rule.consecutive,
            threshold=rule.threshold, wide_gap=self._wide_gap,
            exam=exam(newest[frontier]) if frontier in newest else None,
            rungs=[Rung(n, rung_state(n, state), exam(newest[n]) if n in newest else None)
                   for n in range(1, levels + 1)],
            primitives=primitives, weakest=sorted(primitives, key=lambda p: p.accuracy)[:SHOWN_WEAKEST],
            practice=self._practice(name, practices),
        )  # fmt: skip

    def _primitives(self, skill: str) -> list[Primitive]:
        """The skill's primitives over the newest examinations, with how they went before."""
        series = rolling.series(self._evidence.examinations(self._key, skill, checkpoints=SHOWN_CHECKPOINTS))
        return [
            Primitive(p.name.replace("_", " "), p.n, p.accuracy, *p.interval,
                      [share.accuracy for _, share in series.get(p.name, [])], about(p.name))
            for p in self._ledger.primitives(self._key, skill)
        ]  # fmt: skip

    def _practice(self, name: str, practices: Sequence[PracticeRow]) -> Practice | None:
        if not practices:
            return None
        newest = practices[0]
        mastered = mastered_at(self._ledger.transitions(self._key, name), newest.step)
        parts = [MixPart(skill, level, share, mix_role(level, mastered)) for skill, level, share in _cells(newest.mix)]
        return Practice(newest.reason, newest.rows, newest.time, parts)


def about(primitive: str) -> str:
    """What a primitive is, in a sentence, and the family that it belongs to."""
    found = CATALOGUE.get(primitive)
    return f"{found.about} ({found.family}: {found.member})" if found else ""


def exam(examination: Examination) -> Exam:
    low, high = examination.interval
    return Exam(examination.step, examination.n, examination.accuracy, low, high, examination.training_accuracy)


def rung_state(level: int, state: SkillState) -> str:
    """mastered, frontier, slipping (mastered, and below the bound now) or ahead."""
    if level in state.mastered:
        return "slipping" if level in state.regressing else "mastered"
    return "frontier" if level == state.frontier else "ahead"


def mastered_at(transitions: Sequence[Transition], step: int) -> frozenset[int]:
    """The levels that were mastered at a step."""
    mastered: set[int] = set()
    for transition in transitions:
        if transition.step <= step:
            (mastered.add if transition.kind == "gained" else mastered.discard)(transition.level)
    return frozenset(mastered)


def mix_role(level: int, mastered: frozenset[int]) -> str:
    """What a level was for in a practice: frontier, above, below or review."""
    frontier = next(n for n in range(1, len(mastered) + 2) if n not in mastered)
    if level >= frontier:
        return "frontier" if level == frontier else "above"
    return "below" if level == frontier - 1 else "review"


def chart_levels(by_level: Mapping[int, object], frontier: int) -> list[int]:
    """The levels to draw: those nearest to the frontier."""
    return sorted(sorted(by_level, key=lambda level: (abs(level - frontier), level))[:CHART_LEVELS])


def _cells(mix: Mapping[str, float]) -> list[tuple[str, int, float]]:
    cells = []
    for cell, share in mix.items():
        skill, _, level = cell.rpartition("/")
        cells.append((skill, int(level), share))
    return cells


def _point(examination: Examination) -> list[float]:
    return [examination.step, examination.accuracy, *examination.interval]
