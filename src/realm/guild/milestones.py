"""The story of a campaign in a few lines: what happened for the first time, what was lost, what was best. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from realm.guild.tables import Bests, Campaign, LevelCap, Transition

Kind = Literal["begun", "level_gained", "level_lost", "level_regained", "best_examination", "maxed_out"]


@dataclass(frozen=True, slots=True)
class Milestone:
    """One of them. `step` and `tokens` are those of the campaign then."""

    kind: Kind
    words: str
    step: int
    tokens: int
    time: float


def milestones(
    campaign: Campaign, transitions: Sequence[Transition], bests: Bests, cap: LevelCap | None
) -> list[Milestone]:
    """In the order of steps; what happened at one step in the order of levels, best and cap."""
    found = [Milestone("begun", f"begun{_from(campaign)}", 0, 0, campaign.created)]
    held: set[tuple[str, int]] = set()
    for t in transitions:
        kind: Kind = "level_lost" if t.kind == "lost" else "level_gained"
        if t.kind == "gained" and (t.skill, t.level) in held:
            kind = "level_regained"
        held.add((t.skill, t.level))
        words = f"{t.skill} level {t.level} {kind.removeprefix('level_')}"
        found.append(Milestone(kind, words, t.step, t.tokens, t.time))
    if (best := bests.examination) is not None:
        words = f"best examination: {best.skill} level {best.level}, {best.correct}/{best.n}"
        found.append(Milestone("best_examination", words, best.step, best.tokens, best.time))
    if cap is not None:
        levels = ", ".join(f"{skill} {level}" for skill, level in cap.levels.items())
        found.append(Milestone("maxed_out", f"maxed out: level cap {levels}", cap.step, cap.tokens, cap.time))
    return sorted(found, key=lambda each: each.step)


def _from(campaign: Campaign) -> str:
    return f" from {campaign.starting_checkpoint}" if campaign.starting_checkpoint else ""
