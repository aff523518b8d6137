"""Which primitives moved while another skill was trained. Pure: knows no database and no model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb, sqrt
from typing import Literal

from realm.guild.primitives.rolling import NOTHING, Reading, Share
from realm.guild.progression import Interval

SIGNIFICANT = 0.05
MOSTLY = 0.9
"""Share of a stretch's tokens that must be of the trained skill."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Checkpoints between which one skill was trained. The hero was measured at both ends."""

    start: int
    """Step of the checkpoint before the training began."""
    end: int
    tokens: int
    """Tokens of the trained skill."""


@dataclass(frozen=True, slots=True)
class Movement:
    """One primitive of one skill before and after the stretches, over the same fixed sets of problems."""

    primitive: str
    skill: str
    before: Share
    after: Share
    up: int
    """Sets of problems in which it rose, over all stretches."""
    down: int

    @property
    def change(self) -> float:
        """Accuracy after minus before."""
        return self.after.accuracy - self.before.accuracy

    @property
    def interval(self) -> Interval:
        """95 % interval of the change, as of two independent shares: the sets are the same, so it errs to the wide."""
        return difference(self.before, self.after)

    @property
    def chance(self) -> float:
        """Two-sided sign test over the sets that changed."""
        return both_sided(self.up, self.down)

    @property
    def moved(self) -> Literal["up", "down", ""]:
        """Where it surely went: by the interval, or by the sign test; else empty."""
        sure = not self.interval.low <= 0 <= self.interval.high or self.chance < SIGNIFICANT
        return ("up" if self.change > 0 else "down") if sure and self.change else ""


@dataclass(frozen=True, slots=True)
class Transfer:
    """What happened to the primitives of the other skills while `trained` was trained."""

    trained: str
    stretches: tuple[Stretch, ...]
    movements: tuple[Movement, ...]


def stretches(tokens: Mapping[int, Mapping[str, int]], trained: str, share: float = MOSTLY) -> list[Stretch]:
    """Runs of checkpoints at which `trained` made up at least `share` of the tokens since the checkpoint before.

    `tokens`: step of a checkpoint -> skill -> tokens since the checkpoint before. The first one begins at step 0.
    """
    found: list[Stretch] = []
    before, begun, counted = 0, False, 0
    start = 0
    for step, by_skill in sorted(tokens.items()):
        whole = sum(by_skill.values())
        if whole and by_skill.get(trained, 0) >= share * whole:
            start, counted = (start, counted) if begun else (before, 0)
            begun, counted = True, counted + by_skill[trained]
        elif begun:
            found.append(Stretch(start, before, counted))
            begun = False
        before = step
    return [*found, Stretch(start, before, counted)] if begun else found


def transfer(readings: Iterable[Reading], trained: str, over: Sequence[Stretch]) -> Transfer:
    """Compare each other skill's sets of problems at the two ends of each stretch.

    A set counts where it was examined at or before the start and again within the stretch.
    """
    cells: dict[tuple[str, str], list[Reading]] = {}
    for reading in sorted(readings):
        if reading.skill != trained:
            cells.setdefault((reading.skill, reading.cell), []).append(reading)
    totals: dict[tuple[str, str], Movement] = {}
    for stretch in over:
        for (skill, _), held in sorted(cells.items()):
            before, after = _ends(held, stretch)
            if before is not None and after is not None:
                _count(totals, skill, before, after)
    return Transfer(trained, tuple(over), tuple(sorted(totals.values(), key=lambda m: (-abs(m.change), m.primitive))))


def _ends(held: Sequence[Reading], stretch: Stretch) -> tuple[Reading | None, Reading | None]:
    """The newest reading before the stretch, and the newest within it. `held` is in the order of steps."""
    before = [reading for reading in held if reading.step <= stretch.start]
    within = [reading for reading in held if stretch.start < reading.step <= stretch.end]
    return before[-1] if before else None, within[-1] if within else None


def _count(totals: dict[tuple[str, str], Movement], skill: str, before: Reading, after: Reading) -> None:
    for name in sorted(set(before.primitives) & set(after.primitives)):
        was, now = Share(*before.primitives[name]), Share(*after.primitives[name])
        held = totals.get((skill, name)) or Movement(name, skill, NOTHING, NOTHING, 0, 0)
        totals[skill, name] = Movement(
            name, skill, held.before + was, held.after + now,
            held.up + (now.accuracy > was.accuracy), held.down + (now.accuracy < was.accuracy),
        )  # fmt: skip


def difference(before: Share, after: Share) -> Interval:
    """95 % interval of `after - before`: Newcombe's hybrid of two Wilson intervals (1998, method 10)."""
    change = after.accuracy - before.accuracy
    (low1, high1), (low2, high2) = before.interval, after.interval
    down = sqrt((after.accuracy - low2) ** 2 + (high1 - before.accuracy) ** 2)
    up = sqrt((high2 - after.accuracy) ** 2 + (before.accuracy - low1) ** 2)
    return Interval(max(-1.0, change - down), min(1.0, change + up))


def both_sided(up: int, down: int) -> float:
    """P of a split at least so uneven among `up + down` fair coins; 1 without any."""
    n = up + down
    tail = sum(comb(n, k) for k in range(max(up, down), n + 1)) / (1 << n)
    return min(1.0, 2 * tail)
