"""The plan of retention: each reason by itself, and what holds in ten thousand random states."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

import pytest

from realm.config.schema import RetentionSettings
from realm.records import CampaignKey, CheckpointRecord
from realm.vault.retention import Holding, Plan, Room, Value, ZoneName, plan, values
from tests.vault.states import DAY, MOST_RANDOM_STATES, held, problems_of, random_state

KEY = CampaignKey("h", "c")


def kept(result: Plan) -> dict[str, str]:
    return {one.checkpoint: one.reason for one in result.of("keep")}


def gone(result: Plan) -> list[str]:
    return [one.checkpoint for one in result.of("drop")]


def test_each_reason() -> None:
    states = [
        held(100), held(200, levels={"bin": 1}), held(300, champion=True), held(400), held(500, levels={"bin": 1}),
        held(600, skills={"bin": (97, 100)}), held(650, skills={"bin": (90, 100)}), held(700, version="good"),
        held(800, read_by="export"), held(850, begun="h:two began with it"), held(8000),
        held(9000), held(9500), held(10_000, parent="h:c@8000", levels={"bin": 1}),
    ]  # fmt: skip
    result = plan(states, RetentionSettings(keep_newest=2, keep_daily=0))
    assert kept(result) == {
        "h:c@200": "the first at BIN level 1",
        "h:c@300": "the champion",
        "h:c@600": "the best at BIN",
        "h:c@700": "version good",
        "h:c@800": "being read (export)",
        "h:c@850": "h:two began with it",
        "h:c@8000": "the parent of the newest",
        "h:c@9500": "among the newest 2",
        "h:c@10000": "the newest",
    }
    assert gone(result) == ["h:c@100", "h:c@400", "h:c@500", "h:c@650", "h:c@9000"]


def test_one_a_day_of_the_newest_days() -> None:
    states = [held(n, created=DAY * (n // 10) + n) for n in (10, 11, 20, 21, 30, 40, 41)]
    result = plan(states, RetentionSettings(keep_newest=1, keep_daily=3))
    assert sorted(kept(result)) == ["h:c@21", "h:c@30", "h:c@41"]
    assert kept(result)["h:c@21"] == "the last of 1970-01-03"


def test_a_skills_best_is_not_whoever_was_lucky() -> None:
    states = [held(1, skills={"bin": (97, 100)}), held(2, skills={"bin": (5, 5)}), held(3)]
    assert values(states, RetentionSettings(keep_newest=1))["h:c@1"] == (Value.BEST_OF_SKILL, "the best at BIN")


def test_a_limit_takes_the_least_valuable_first_and_names_what_it_lacks() -> None:
    policy = RetentionSettings(keep_newest=3, keep_daily=0, max_bytes=30)
    states = [held(1, levels={"bin": 1}), held(2, champion=True), held(3), held(4), held(5)]
    rooms: dict[ZoneName, Room] = {"hot": Room(max_bytes=30)}
    assert gone(plan(states, policy, rooms)) == ["h:c@3", "h:c@4"]
    assert gone(plan(states, policy, {"hot": Room(max_bytes=20)})) == ["h:c@1", "h:c@3", "h:c@4"]
    result = plan(states, policy, {"hot": Room(max_bytes=5)})
    assert sorted(kept(result)) == ["h:c@2", "h:c@5"] and result.short_bytes == {"hot": 15}


def test_what_finds_no_room_moves_to_the_next_colder_zone_with_room() -> None:
    states = [held(n) for n in range(1, 7)]
    policy = RetentionSettings(keep_newest=6, keep_daily=0)
    rooms: dict[ZoneName, Room] = {"hot": Room(max_bytes=30), "warm": Room(max_bytes=10), "cold": Room()}
    result = plan(states, policy, rooms)
    assert [(one.checkpoint, one.to) for one in result.of("move")] == [
        ("h:c@1", "warm"), ("h:c@2", "cold"), ("h:c@3", "cold"),
    ]  # fmt: skip
    assert gone(result) == [] and "among the newest 6" in result.of("move")[0].reason


def test_free_disk_is_a_limit_too() -> None:
    states = [held(n) for n in range(1, 5)]
    policy = RetentionSettings(keep_newest=4, keep_daily=0)
    result = plan(states, policy, {"hot": Room(free_bytes=100, min_free_bytes=115)})
    assert gone(result) == ["h:c@1", "h:c@2"]


def test_a_copy_that_is_not_whole_is_no_copy() -> None:
    states = [held(1), held(2, zones={"hot": False})]
    assert kept(plan(states, RetentionSettings(keep_newest=1, keep_daily=0)))["h:c@1"] == "the newest"
    spare = held(1, zones={"hot": True, "warm": False})
    result = plan([spare, held(2)], RetentionSettings(keep_newest=2, keep_daily=0), {"hot": Room(max_bytes=10)})
    assert gone(result) == ["h:c@1"] and "whole copy" not in result.of("drop")[0].reason


def test_other_campaigns_are_not_judged_by_this_ones_policy() -> None:
    other = CampaignKey("h", "other")
    states = [held(1), held(2), held(1, key=other), held(2, key=other)]
    result = plan(states, RetentionSettings(keep_newest=1, keep_daily=0), judged=[KEY])
    assert gone(result) == ["h:c@1"]
    assert kept(result)["h:other@1"] == "another campaign's"


def test_off_is_off() -> None:
    result = plan([held(1), held(2)], RetentionSettings(enabled=False), {"hot": Room(max_bytes=1)})
    assert set(kept(result).values()) == {"retention is off"} and gone(result) == []


def test_ten_thousand_random_states() -> None:
    """Never the last copy, never what is read, never above a limit that can be kept; the same in the same state."""
    tight = 0
    for number in range(MOST_RANDOM_STATES):
        states, policy, rooms = random_state(random.Random(f"retention/{number}"))
        result = plan(states, policy, rooms)
        assert problems_of(states, policy, rooms, result) == [], f"state {number}"
        tight += bool(result.of("move")) or any("no room" in one.reason for one in result.of("drop"))
    assert tight > MOST_RANDOM_STATES / 5  # the limits were really put to the test


@pytest.mark.parametrize("number", range(60))
def test_what_was_done_is_not_done_again(number: int) -> None:
    """Without limits: who stays has the same reasons when the others are gone."""
    states, policy, rooms = random_state(random.Random(f"again/{number}"))
    unlimited: Mapping[ZoneName, Room] = {zone: Room() for zone in rooms}
    after = _done(states, plan(states, policy, unlimited))
    assert gone(plan(after, policy, unlimited)) == []


def _done(states: list[Holding], result: Plan) -> list[Holding]:
    lies = {one.id: dict(one.zones) for one in states}
    for decision in result.decisions:
        if decision.action != "keep":
            del lies[decision.checkpoint][decision.zone]
        if decision.to:
            lies[decision.checkpoint][decision.to] = True
    return [replace(one, zones=lies[one.id]) for one in states if lies[one.id]]


def test_records_are_looked_at_and_not_changed() -> None:
    one = held(1)
    plan([one, held(2)], RetentionSettings(keep_newest=1))
    assert isinstance(one.record, CheckpointRecord) and one.zones == {"hot": True}
