"""Rolling accuracy per primitive, its history, the weakest, and what moved while another skill was trained."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.config.schema import PassiveSettings
from realm.db import Database
from realm.events import Events
from realm.guild.evidence import Evidence
from realm.guild.ledger import GuildLedger
from realm.guild.passives.drift import Sitting
from realm.guild.passives.ledger import CanaryLedger
from realm.guild.primitives.rolling import Reading, Share, families, held_back, pool, rolling, series, weakest
from realm.guild.primitives.transfer import Stretch, both_sided, difference, stretches, transfer
from realm.guild.progression import Examination
from realm.records import CampaignKey

KEY = CampaignKey("hatchling", "test")
ADD, SUB = "add_two_digit", "sub_two_digit"


def reading(step: int, cell: str = "1", skill: str = "bin", **told: tuple[int, int]) -> Reading:
    return Reading(step, skill, cell, told)


def test_each_set_of_problems_counts_once() -> None:
    told = [reading(step, add_two_digit=(step, 10)) for step in range(1, 6)]
    assert rolling(told) == {ADD: Share(5, 10)}
    assert series(told)[ADD] == [(step, Share(step, 10)) for step in range(1, 6)]


def test_levels_are_pooled_and_fall_out_of_the_window() -> None:
    told = [reading(1, "1", add_two_digit=(9, 10)), *(reading(s, "2", add_two_digit=(2, 10)) for s in range(2, 6))]
    assert rolling(told, window=5) == {ADD: Share(11, 20)}
    assert rolling(told, window=4) == {ADD: Share(2, 10)}
    assert series(told, window=2)[ADD] == [
        (1, Share(9, 10)),
        (2, Share(11, 20)),
        (3, Share(2, 10)),
        (4, Share(2, 10)),
        (5, Share(2, 10)),
    ]


cells = st.tuples(
    st.integers(1, 12),
    st.sampled_from("abc"),
    st.dictionaries(st.sampled_from([ADD, SUB, "parity"]), st.integers(0, 9)),
)


@given(st.lists(cells, max_size=40, unique_by=lambda c: c[:2]), st.integers(1, 6))
def test_the_newest_point_of_the_history_is_the_rolling_accuracy(
    rows: list[tuple[int, str, dict[str, int]]], window: int
) -> None:
    told = [Reading(step, "bin", cell, {name: (right, 9) for name, right in by.items()}) for step, cell, by in rows]
    shares, points = rolling(told, window), series(told, window)
    last = max((step for step, *_ in rows), default=0)
    for name, history in points.items():
        assert [step for step, _ in history] == sorted({s for s, _, by in rows if name in by})
        if history[-1][0] == last:
            assert history[-1][1] == shares[name]
        assert all(share.n <= 9 * 3 for _, share in history)
    for share in shares.values():
        low, high = share.interval
        assert low <= share.accuracy <= high


def test_the_weakest_rest_on_enough_problems() -> None:
    shares = {ADD: Share(1, 10), SUB: Share(0, 4), "parity": Share(5, 10), "modulo": Share(9, 10)}
    assert weakest(shares, 2) == [ADD, "parity"]
    assert weakest(shares, 9, least=4) == [SUB, ADD, "parity", "modulo"]
    assert weakest({}) == []


def test_what_holds_a_primitive_back() -> None:
    shares = {"mul_single_digit": Share(9, 10), ADD: Share(1, 10), "div_exact": Share(2, 10)}
    assert held_back("modulo", shares, 0.8) == ["div_exact", ADD]
    assert held_back("unheard_of", shares, 0.8) == []


def test_families_unite_tracks() -> None:
    shares = {"parity": Share(5, 10), "eval_bool_expr": Share(10, 10), "no_such": Share(1, 1)}
    assert families(shares) == {"transform/reduce": Share(15, 20)}


# -- transfer --------------------------------------------------------------------------------------------------
def test_stretches_are_runs_of_one_skill() -> None:
    tokens = {10: {"sy": 90, "bin": 10}, 20: {"sy": 100}, 30: {"bin": 100}, 40: {"sy": 50}, 50: {}}
    assert stretches(tokens, "sy") == [Stretch(0, 20, 190), Stretch(30, 40, 50)]
    assert stretches(tokens, "sy", 0.95) == [Stretch(10, 20, 100), Stretch(30, 40, 50)]
    assert stretches(tokens, "bin") == [Stretch(20, 30, 100)]
    assert stretches({}, "bin") == []


def test_what_rose_and_fell_while_another_skill_was_trained() -> None:
    told = [
        *(reading(10, str(n), add_two_digit=(1, 20), sub_two_digit=(10, 20), parity=(18, 20)) for n in range(6)),
        *(
            reading(30, str(n), add_two_digit=(18, 20), sub_two_digit=(11 - n % 3, 20), parity=(2, 20))
            for n in range(6)
        ),
        reading(10, skill="sy", syllable_count=(0, 9)),
        reading(30, skill="sy", syllable_count=(9, 9)),
    ]
    found = {m.primitive: m for m in transfer(told, "sy", [Stretch(10, 30, 5)]).movements}
    assert {name: m.moved for name, m in found.items()} == {ADD: "up", "parity": "down", SUB: ""}
    assert (found[ADD].before, found[ADD].after) == (Share(6, 120), Share(108, 120))
    assert (found[ADD].up, found[ADD].down, found[ADD].chance) == (6, 0, 2 / 64)
    assert found[SUB].interval.low < 0 < found[SUB].interval.high


def test_only_sets_measured_at_both_ends_are_compared() -> None:
    told = [reading(5, "1", parity=(1, 9)), reading(5, "2", parity=(1, 9)), reading(25, "2", parity=(8, 9)),
            reading(25, "3", parity=(9, 9)), reading(35, "1", parity=(9, 9))]  # fmt: skip
    (movement,) = transfer(told, "sy", [Stretch(10, 30, 5)]).movements
    assert (movement.before, movement.after) == (Share(1, 9), Share(8, 9))


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 30))
def test_the_interval_of_a_change(before: int, after: int, n: int) -> None:
    was, now = Share(min(before, n), n), Share(min(after, n), n)
    low, high = difference(was, now)
    assert -1 <= low <= now.accuracy - was.accuracy <= high <= 1
    back = difference(now, was)
    assert (back.low, back.high) == pytest.approx((-high, -low))


def test_the_interval_is_newcombes() -> None:
    low, high = difference(Share(48, 80), Share(56, 70))  # the paper's first example
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)


def test_the_sign_test_looks_both_ways() -> None:
    assert (both_sided(0, 0), both_sided(6, 0), both_sided(0, 6), both_sided(3, 3)) == (1.0, 2 / 64, 2 / 64, 1.0)


# -- out of the database ---------------------------------------------------------------------------------------
def test_readings_come_from_examinations_and_canaries(db: Database) -> None:
    guild = GuildLedger(db, Events(db))
    for step in (10, 20, 30):
        guild.record_tokens(KEY, step, {("bin", 1): step, ("bin", 2): 1, ("sy", 1): 3})
        guild.record([
            Examination(key=KEY, step=step, skill="bin", level=level, role="panel", n=9, correct=5,
                        primitives={"parity": (level, 9)})
            for level in (1, 2)
        ])  # fmt: skip
    canaries = CanaryLedger(db, Events(db), PassiveSettings())
    canaries.record([Sitting(key=KEY, step=10, module=name, problem_set="x", right=(True,), primitives={ADD: (1, 1)})
                     for name in ("arithmetic", "core")])  # fmt: skip
    evidence = Evidence(db)
    told = evidence.examinations(KEY, "bin", checkpoints=2)
    assert [(r.step, r.cell, r.primitives) for r in told] == [
        (20, "1", {"parity": (1, 9)}),
        (20, "2", {"parity": (2, 9)}),
        (30, "1", {"parity": (1, 9)}),
        (30, "2", {"parity": (2, 9)}),
    ]
    assert evidence.examinations(KEY, "sy") == [] == evidence.examinations(CampaignKey("x", "y"))
    assert [(r.skill, r.cell, r.primitives) for r in evidence.canaries(KEY)] == [
        ("passives", "arithmetic/x", {ADD: (1, 1)})
    ]
    assert evidence.tokens(KEY) == {step: {"bin": step + 1, "sy": 3} for step in (10, 20, 30)}
    assert pool(told)["parity"] == Share(6, 36)
