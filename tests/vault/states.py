"""Random vaults for the tests and the benchmark of retention, and what must be true of every plan."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from realm.config.schema import RetentionSettings
from realm.records import CampaignKey, CheckpointRecord
from realm.vault.retention import Holding, Plan, Room, Value, ZoneName, values

DAY = 86_400
KEY = CampaignKey("h", "c")
MOST_RANDOM_STATES = 10_000


def held(
    step: int,
    *,
    key: CampaignKey = KEY,
    levels: dict[str, int] | None = None,
    champion: bool = False,
    parent: str = "",
    created: float | None = None,
    size_bytes: int = 10,
    zones: Mapping[ZoneName, bool] | None = None,
    **more: Any,
) -> Holding:
    record = CheckpointRecord(
        id=f"{key}@{step}", hero=key.hero, campaign=key.campaign, step=step, path=f"/x/{step}",
        created=float(step) if created is None else created, size_bytes=size_bytes, parent=parent, run="",
        levels=levels or {}, champion=champion,
    )  # fmt: skip
    return Holding(record, zones or {"hot": True}, **more)


def random_state(chance: random.Random) -> tuple[list[Holding], RetentionSettings, dict[ZoneName, Room]]:
    """A vault of up to three campaigns and three zones, a policy, and limits that are often too tight."""
    states = []
    for name in ("a", "b", "c")[: chance.randint(1, 3)]:
        states += _campaign(chance, CampaignKey("h", name))
    policy = RetentionSettings(
        keep_newest=chance.randint(1, 4), keep_champion=chance.random() < 0.9,
        keep_first_at_level=chance.random() < 0.7, keep_best_per_skill=chance.random() < 0.7,
        keep_daily=chance.randint(0, 3), keep_parents=chance.random() < 0.7,
    )  # fmt: skip
    total = sum(one.record.size_bytes for one in states)
    rooms: dict[ZoneName, Room] = {"hot": _room(chance, total)}
    for zone in ("warm", "cold"):
        if chance.random() < 0.5:
            rooms[zone] = _room(chance, total)  # type: ignore[index]
    return states, policy, rooms


def _campaign(chance: random.Random, key: CampaignKey) -> Iterator[Holding]:
    steps = sorted(chance.sample(range(1, 60), chance.randint(0, 9)))
    champion = chance.choice([0, *steps])
    for at, step in enumerate(steps):
        zones: dict[ZoneName, bool] = {"hot": chance.random() < 0.93} if chance.random() < 0.85 else {}
        for zone in ("warm", "cold"):
            if not zones or chance.random() < 0.15:
                zones[zone] = chance.random() < 0.9  # type: ignore[index]
        yield held(
            step, key=key, zones=zones, champion=step == champion, size_bytes=chance.randint(1, 30),
            created=step * DAY / 5, parent=f"{key}@{steps[at - 1]}" if at else "",
            levels={"bin": step // 20} if chance.random() < 0.8 else {},
            skills={"bin": (chance.randint(0, 50), 50)} if chance.random() < 0.5 else {},
            read_by="test" if chance.random() < 0.06 else "", version="v1" if chance.random() < 0.04 else "",
            begun="a campaign began with it" if chance.random() < 0.05 else "",
        )  # fmt: skip


def _room(chance: random.Random, total: int) -> Room:
    limit = chance.choice([0, chance.randint(1, max(1, total)), chance.randint(1, max(1, total // 4))])
    if chance.random() < 0.3:
        return Room(limit, free_bytes=chance.randint(0, 200), min_free_bytes=chance.randint(0, 250))
    return Room(limit)


def problems_of(
    states: Sequence[Holding], policy: RetentionSettings, rooms: Mapping[ZoneName, Room], result: Plan
) -> list[str]:
    """Every promise that a plan breaks, in words."""
    return [*_judged_once(states, result), *_last_copies(states, result), *_fixed(states, policy, result),
            *_limits(states, policy, rooms, result), *_moves(states, rooms, result)]  # fmt: skip


def lies_after(states: Sequence[Holding], result: Plan) -> dict[str, dict[ZoneName, bool]]:
    lies = {one.id: dict(one.zones) for one in states}
    for decision in result.decisions:
        if decision.action != "keep":
            del lies[decision.checkpoint][decision.zone]
        if decision.to:
            lies[decision.checkpoint][decision.to] = True
    return lies


def _judged_once(states: Sequence[Holding], result: Plan) -> Iterator[str]:
    copies = sorted((one.id, zone) for one in states for zone in one.zones)
    if sorted((one.checkpoint, one.zone) for one in result.decisions) != copies:
        yield "not every copy is judged once"
    yield from (f"{one.checkpoint} without a reason" for one in result.decisions if not one.reason)


def _last_copies(states: Sequence[Holding], result: Plan) -> Iterator[str]:
    lies = lies_after(states, result)
    whole: dict[CampaignKey, list[bool]] = defaultdict(list)
    for one in states:
        if one.trusted:
            whole[one.key].append(any(lies[one.id].values()))
    yield from (f"{key} lost its last whole copy" for key, left in whole.items() if not any(left))


def _fixed(states: Sequence[Holding], policy: RetentionSettings, result: Plan) -> Iterator[str]:
    lies, worth = lies_after(states, result), values(states, policy)
    for one in states:
        fixed = worth.get(one.id, (Value.NOTHING, ""))[0] == Value.FIXED
        if fixed and "hot" in one.zones and "hot" not in lies[one.id]:
            yield f"{one.id} left the workspace, and is {worth[one.id][1]}"
        if fixed and one.trusted and not any(lies[one.id].values()):
            yield f"{one.id} is gone, and was {worth[one.id][1]}"
        if one.read_by and lies[one.id] != dict(one.zones):
            yield f"{one.id} was touched while it was read"


def _limits(
    states: Sequence[Holding], policy: RetentionSettings, rooms: Mapping[ZoneName, Room], result: Plan
) -> Iterator[str]:
    """A limit may only be broken where nothing is left that may leave."""
    lies, worth = lies_after(states, result), values(states, policy)
    for zone, room in rooms.items():
        before = sum(one.record.size_bytes for one in states if zone in one.zones)
        after = sum(one.record.size_bytes for one in states if zone in lies[one.id])
        lack = room.excess_bytes(after, before - after)
        if lack != result.short_bytes.get(zone, 0):
            yield f"{zone} lacks {lack}, and the plan says {result.short_bytes.get(zone, 0)}"
        for one in states if lack else ():
            cheap = worth.get(one.id, (Value.NOTHING, ""))[0] < Value.FIXED
            if zone in lies[one.id] and zone in one.zones and cheap and not one.read_by:
                yield f"{zone} is above its limit, and {one.id} could have left"


def _moves(states: Sequence[Holding], rooms: Mapping[ZoneName, Room], result: Plan) -> Iterator[str]:
    zones = {one.id: one.zones for one in states}
    for one in result.of("move"):
        if not zones[one.checkpoint][one.zone]:
            yield f"{one.checkpoint} is moved, and is not whole"
        if one.to not in rooms or one.to in zones[one.checkpoint] or one.to == one.zone:
            yield f"{one.checkpoint} is moved to {one.to!r}"
