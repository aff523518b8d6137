"""Which checkpoints stay, move or go, with a reason each. Pure: no disk, no clock, no database.

Value decides, age only between equals. What is `fixed` never leaves the workspace: the newest trusted checkpoint of
each campaign (its last copy, and where training goes on), its champion, named versions, and what is being read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from enum import IntEnum
from typing import Literal

from realm.config.schema import RetentionSettings
from realm.records import CampaignKey, CheckpointRecord
from realm.vault.champion import Standing, rank

ZoneName = Literal["hot", "warm", "cold"]
ZONES: tuple[ZoneName, ...] = ("hot", "warm", "cold")
Action = Literal["keep", "move", "drop"]


class Value(IntEnum):
    """How much a checkpoint is worth: the lowest go first when there is no room."""

    NOTHING = 0
    DAILY = 1
    RECENT = 2
    FIRST_AT_LEVEL = 3
    PARENT = 4
    BEST_OF_SKILL = 5
    FIXED = 6


@dataclass(frozen=True, slots=True)
class Holding:
    """A checkpoint as retention sees it."""

    record: CheckpointRecord
    zones: Mapping[ZoneName, bool]
    """Where it lies, and whether the copy there is known to be whole."""
    skills: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Right answers and problems of its examinations, by skill."""
    read_by: str = ""
    """Who reads it now."""
    version: str = ""
    """The name that a person gave it."""
    begun: str = ""
    """What lives and began with it: a campaign, an export."""

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def key(self) -> CampaignKey:
        return CampaignKey(self.record.hero, self.record.campaign)

    @property
    def trusted(self) -> bool:
        """At least one copy is known to be whole."""
        return any(self.zones.values())


@dataclass(frozen=True, slots=True)
class Room:
    """What limits a zone."""

    max_bytes: int = 0
    """0: no limit."""
    free_bytes: int | None = None
    """Room on its device now; None where nobody knows."""
    min_free_bytes: int = 0

    def excess_bytes(self, used_bytes: int, freed_bytes: int) -> int:
        """Bytes that are too many when `used_bytes` stay and `freed_bytes` were given back."""
        over = used_bytes - self.max_bytes if self.max_bytes else 0
        short = self.min_free_bytes - self.free_bytes - freed_bytes if self.free_bytes is not None else 0
        return max(over, short, 0)


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one copy, and why. `to` is empty unless it moves."""

    checkpoint: str
    zone: ZoneName
    action: Action
    reason: str
    size_bytes: int
    to: ZoneName | Literal[""] = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """One decision for each copy. `short_bytes` is what a limit still lacks in a zone when all of it is done."""

    decisions: Sequence[Decision]
    short_bytes: Mapping[ZoneName, int] = field(default_factory=dict)

    def of(self, action: Action) -> list[Decision]:
        return [one for one in self.decisions if one.action == action]


def plan(
    holdings: Iterable[Holding],
    policy: RetentionSettings,
    rooms: Mapping[ZoneName, Room] | None = None,
    *,
    judged: Collection[CampaignKey] | None = None,
    day_of: tzinfo = UTC,
) -> Plan:
    """What to do with every copy.

    What the policy does not name is dropped in the campaigns that are `judged` (None: in all); limits take from every
    campaign, the least valuable first. `rooms` are the zones that there are; without any, the hot one without limits.
    """
    held = sorted(holdings, key=lambda one: (one.record.created, one.record.step, one.id))
    rooms = dict(rooms or {"hot": Room()})
    worth = values(held, policy, day_of=day_of)
    if not policy.enabled:
        kept = [Decision(one.id, zone, "keep", "retention is off", one.record.size_bytes)
                for one in held for zone in one.zones]  # fmt: skip
        return Plan(kept)
    return _Planning(held, worth, rooms, judged).plan()


def values(
    holdings: Sequence[Holding], policy: RetentionSettings, *, day_of: tzinfo = UTC
) -> dict[str, tuple[Value, str]]:
    """What each checkpoint is worth and why, the strongest reason of each."""
    campaigns: dict[CampaignKey, list[Holding]] = defaultdict(list)
    for one in holdings:
        campaigns[one.key].append(one)
    found: dict[str, tuple[Value, str]] = {}
    for mine in campaigns.values():
        by_step = sorted(mine, key=lambda one: one.record.step)
        for one, value, reason in _reasons(by_step, policy, day_of):
            if value > found.get(one.id, (Value.NOTHING, ""))[0]:
                found[one.id] = value, reason
    return found


def _reasons(
    mine: Sequence[Holding], policy: RetentionSettings, day_of: tzinfo
) -> Iterator[tuple[Holding, Value, str]]:
    """Every reason for which a checkpoint of one campaign stays; `mine` is in the order of steps."""
    trusted = [one for one in mine if one.trusted]
    in_workspace = [one for one in trusted if one.zones.get("hot")]  # where training goes on
    for newest in (trusted or list(mine))[-1:] + in_workspace[-1:]:
        yield newest, Value.FIXED, "the newest"
    for one in mine:
        if one.read_by:
            yield one, Value.FIXED, f"being read ({one.read_by})"
        if one.version:
            yield one, Value.FIXED, f"version {one.version}"
        if one.record.champion and policy.keep_champion:
            yield one, Value.FIXED, "the champion"
        if one.begun and policy.keep_parents:
            yield one, Value.PARENT, one.begun
    if policy.keep_parents and mine:
        parent = mine[-1].record.parent
        yield from ((one, Value.PARENT, "the parent of the newest") for one in trusted if one.id == parent)
    if policy.keep_best_per_skill:
        for one, skill in _best_per_skill(trusted):
            yield one, Value.BEST_OF_SKILL, f"the best at {skill.upper()}"
    if policy.keep_first_at_level:
        for one, level in _first_at_level(mine):
            yield one, Value.FIRST_AT_LEVEL, f"the first at {level}"
    for one in mine[-policy.keep_newest :]:
        yield one, Value.RECENT, f"among the newest {policy.keep_newest}"
    for one, day in _last_of_days(trusted, policy.keep_daily, day_of):
        yield one, Value.DAILY, f"the last of {day}"


def _best_per_skill(mine: Sequence[Holding]) -> list[tuple[Holding, str]]:
    """By the rule that finds champions, for each skill alone."""
    best: dict[str, tuple[tuple[int, float, float, int], Holding]] = {}
    for one in mine:
        for skill, (correct, n) in sorted(one.skills.items()):
            level = one.record.levels.get(skill, 0)
            if n > 0 and (correct or level):
                place = rank(Standing(one.id, one.record.step, level, correct / n, n))
                if skill not in best or place > best[skill][0]:
                    best[skill] = place, one
    return [(one, skill) for skill, (_, one) in best.items()]


def _first_at_level(mine: Sequence[Holding]) -> list[tuple[Holding, str]]:
    """The first checkpoint at each mastered level of each skill, oldest first."""
    reached: dict[str, int] = {}
    found = []
    for one in mine:
        for skill, level in sorted(one.record.levels.items()):
            if level > reached.get(skill, 0):
                reached[skill] = level
                found.append((one, f"{skill.upper()} level {level}"))
    return found


def _last_of_days(mine: Sequence[Holding], days: int, day_of: tzinfo) -> list[tuple[Holding, str]]:
    """The last checkpoint of each of the newest `days` days on which one was saved."""
    last: dict[str, Holding] = {}
    for one in sorted(mine, key=lambda each: (each.record.created, each.record.step)):
        last[f"{datetime.fromtimestamp(one.record.created, day_of):%Y-%m-%d}"] = one
    return [(last[day], day) for day in sorted(last, reverse=True)[:days]]


class _Planning:
    """The plan while it is made: what each zone will hold, and what was decided so far."""

    def __init__(
        self,
        held: Sequence[Holding],
        worth: Mapping[str, tuple[Value, str]],
        rooms: Mapping[ZoneName, Room],
        judged: Collection[CampaignKey] | None,
    ) -> None:
        self._held = held
        self._worth = worth
        self._rooms = rooms
        self._judged = judged
        self._lies: dict[str, dict[ZoneName, bool]] = {one.id: dict(one.zones) for one in held}
        self._decided: dict[tuple[str, ZoneName], Decision] = {}
        self._used: dict[ZoneName, int] = {zone: 0 for zone in ZONES}
        self._freed: dict[ZoneName, int] = {zone: 0 for zone in ZONES}
        for one in held:
            for zone in one.zones:
                self._used[zone] += one.record.size_bytes

    def plan(self) -> Plan:
        for one in self._held:
            if "hot" in self._lies[one.id] and not self._worth.get(one.id) and self._is_judged(one):
                self._drop(one, "hot", "not wanted by the policy")
        for zone in ZONES:
            self._make_room(zone)
        for one in self._held:
            for zone in one.zones:
                if (one.id, zone) not in self._decided:
                    self._decide(one, zone, "keep", self._why_kept(one, zone))
        order = {zone: number for number, zone in enumerate(ZONES)}
        rows = {one.id: number for number, one in enumerate(self._held)}
        decisions = sorted(self._decided.values(), key=lambda d: (rows[d.checkpoint], order[d.zone]))
        short = {zone: lack for zone in self._rooms if (lack := self._lack(zone))}
        return Plan(decisions, short)

    def _make_room(self, zone: ZoneName) -> None:
        """Let the least valuable copies of a zone go to a colder one, or for good, until its limits hold."""
        if zone not in self._rooms:
            return
        leaving = sorted(
            (one for one in self._held if zone in self._lies[one.id] and self._may_leave(one, zone)),
            key=lambda one: self._value(one),
        )  # stable: the oldest first among equals
        for one in leaving:
            if not self._lack(zone):
                return
            if self._whole_elsewhere(one, zone):
                self._drop(one, zone, "no room, and a whole copy lies elsewhere")
            elif self._lies[one.id][zone] and (to := self._colder(one, zone)):
                self._move(one, zone, to, "no room")
            else:
                self._drop(one, zone, f"no room, and {self._why_cheap(one)}")

    def _may_leave(self, one: Holding, zone: ZoneName) -> bool:
        if (one.id, zone) in self._decided or one.read_by:
            return False
        if self._value(one) < Value.FIXED:
            return True
        return zone != "hot" and self._whole_elsewhere(one, zone)  # what is fixed gives up spare copies at most

    def _lack(self, zone: ZoneName) -> int:
        return self._rooms[zone].excess_bytes(self._used[zone], self._freed[zone])

    def _colder(self, one: Holding, zone: ZoneName) -> ZoneName | None:
        """The next colder zone that has room for a checkpoint, if it does not lie there yet."""
        for to in ZONES[ZONES.index(zone) + 1 :]:
            room = self._rooms.get(to)
            if room is None or to in self._lies[one.id]:
                continue
            if not room.excess_bytes(self._used[to] + one.record.size_bytes, self._freed[to] - one.record.size_bytes):
                return to
        return None

    def _whole_elsewhere(self, one: Holding, zone: ZoneName) -> bool:
        return any(whole for other, whole in self._lies[one.id].items() if other != zone)

    def _drop(self, one: Holding, zone: ZoneName, reason: str) -> None:
        self._leave(one, zone)
        self._decide(one, zone, "drop", reason)

    def _move(self, one: Holding, zone: ZoneName, to: ZoneName, reason: str) -> None:
        self._leave(one, zone)
        self._lies[one.id][to] = True
        self._used[to] += one.record.size_bytes
        self._freed[to] -= one.record.size_bytes
        why = self._worth.get(one.id, (Value.NOTHING, ""))[1]
        self._decide(one, zone, "move", f"{reason}; wanted: {why}" if why else reason, to)

    def _leave(self, one: Holding, zone: ZoneName) -> None:
        del self._lies[one.id][zone]
        self._used[zone] -= one.record.size_bytes
        self._freed[zone] += one.record.size_bytes

    def _decide(
        self, one: Holding, zone: ZoneName, action: Action, reason: str, to: ZoneName | Literal[""] = ""
    ) -> None:
        self._decided[one.id, zone] = Decision(one.id, zone, action, reason, one.record.size_bytes, to)

    def _is_judged(self, one: Holding) -> bool:
        return self._judged is None or one.key in self._judged

    def _value(self, one: Holding) -> Value:
        return self._worth.get(one.id, (Value.NOTHING, ""))[0]

    def _why_kept(self, one: Holding, zone: ZoneName) -> str:
        if zone != "hot":
            return "there is room"
        return self._worth[one.id][1] if one.id in self._worth else "another campaign's"

    def _why_cheap(self, one: Holding) -> str:
        value, reason = self._worth.get(one.id, (Value.NOTHING, ""))
        return f"less wanted than what stays ({reason})" if value else "not wanted by the policy"
