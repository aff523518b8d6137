"""What the page says about achievements and streaks. Pure: what was earned is handed in."""

from __future__ import annotations

from collections.abc import Sequence

from realm.guild import achievements
from realm.guild.awards import Standing
from realm.tavern.lore import Skin
from realm.tavern.shown import Achievement, Achievements


def shown(catalogue: Sequence[achievements.Achievement], standing: Standing, skin: Skin, now: float) -> Achievements:
    """The catalogue with what was earned: that first, the newest before the others, then what is nearest."""
    tally = standing.tally
    rows = [_row(each, standing, skin) for each in catalogue]
    rows.sort(key=lambda row: (row.time is None, -(row.time or 0.0), -row.fraction))
    return Achievements(rows, tally.gold, tally.days_in_a_row(now), tally.best_days, tally.passes, tally.best_passes)


def _row(each: achievements.Achievement, standing: Standing, skin: Skin) -> Achievement:
    name, motto = skin.achievement(each.id, each.name, each.description)
    fraction = min(1.0, achievements.progress(each, standing.tally) / each.at)
    return Achievement(each.id, name, motto, standing.earned.get(each.id), fraction)
