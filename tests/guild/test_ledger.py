from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realm.config.schema import CampaignSettings
from realm.db import Database, metadata, open_database
from realm.events import Events, LevelGained, LevelLost
from realm.guild.curriculum import Mix
from realm.guild.ledger import GuildLedger
from realm.guild.mastery import Rule
from realm.guild.progression import Examination, fold, pooled
from realm.guild.tables import as_row, examination_table
from realm.records import CampaignKey
from tests.guild.tiny_skills import tiny_engine

KEY = CampaignKey("hatchling", "test")
OTHER = CampaignKey("smol", "test")
RULE = Rule()
BEGUN = CampaignSettings(skills=("bin", "sy"), seed=3)


def exam(
    level: int, step: int, percent: int, *, skill: str = "bin", key: CampaignKey = KEY, **more: object
) -> Examination:
    plain = Examination(
        key=key,
        step=step,
        skill=skill,
        level=level,
        role="frontier",
        n=100,
        correct=percent,
        tokens=step * 10,
        time=float(step),
    )
    return replace(plain, **more)  # type: ignore[arg-type]


@pytest.fixture
def events(db: Database) -> Events:
    return Events(db)


@pytest.fixture
def ledger(db: Database, events: Events) -> GuildLedger:
    return GuildLedger(db, events, clock=lambda: 42.0)


def replayed(events: Events, skill: str = "bin", key: CampaignKey = KEY) -> set[int]:
    """The mastered levels that the facts tell of."""
    mastered: set[int] = set()
    for recorded in events.replay(kinds=["level_gained", "level_lost"], hero=key.hero):
        fact = recorded.fact
        assert isinstance(fact, LevelGained | LevelLost)
        if fact.skill == skill:
            assert (fact.level in mastered) == isinstance(fact, LevelLost)
            mastered ^= {fact.level}
    return mastered


# -- campaigns ---------------------------------------------------------------------------------------------------
def test_a_campaign_is_begun_once(ledger: GuildLedger, events: Events) -> None:
    begun = ledger.begin(KEY, BEGUN, settings={"a": 1}, starting_checkpoint="hatchling:old@9")
    assert begun == ledger.begin(KEY, CampaignSettings(seed=99))
    assert (begun.seed, begun.skills, begun.settings, begun.created) == (3, ("bin", "sy"), {"a": 1}, 42.0)
    assert (begun.state, begun.starting_checkpoint) == ("active", "hatchling:old@9")
    assert [r.kind for r in events.since()] == ["campaign_started"]


def test_campaigns_are_listed_and_archived(ledger: GuildLedger) -> None:
    assert ledger.campaign(KEY) is None
    ledger.begin(KEY, BEGUN)
    ledger.begin(OTHER, BEGUN)
    ledger.change_campaign(KEY, "archive")
    assert {c.key: c.state for c in ledger.campaigns()} == {KEY: "archived", OTHER: "active"}


# -- examinations ------------------------------------------------------------------------------------------------
def test_what_was_recorded_is_read_again(ledger: GuildLedger) -> None:
    asked = exam(
        1,
        5,
        70,
        primitives={"parity": (3, 4)},
        training_n=50,
        training_correct=45,
        val_loss=0.25,
        seed="exam",
        template_hash="abc",
        mean_value=0.75,
        role="panel",
    )
    ledger.record([asked])
    assert ledger.examinations(KEY) == [asked] == ledger.newest(KEY)
    assert ledger.was_examined(KEY, 5) and not ledger.was_examined(KEY, 6)


def test_three_checkpoints_gain_a_level_with_facts_in_order(ledger: GuildLedger, events: Events) -> None:
    for step in (10, 20, 30):
        ledger.record([exam(1, step, 85, val_loss=1 / step)])
    assert ledger.levels(KEY) == {"bin": 1}
    assert [r.kind for r in events.since()] == ["examination_taken"] * 3 + ["level_gained"]
    gained = events.newest(1)[0].fact
    assert isinstance(gained, LevelGained) and (gained.level, gained.step, gained.tokens) == (1, 30, 300)
    (transition,) = ledger.transitions(KEY, "bin")
    assert (transition.kind, transition.level, transition.step, transition.time) == ("gained", 1, 30, 30.0)
    assert ledger.floor(KEY, "bin") == pytest.approx(1 / 30)
    assert ledger.floor(KEY, "sy") == 0.0


def test_the_same_checkpoint_counts_once(ledger: GuildLedger, events: Events) -> None:
    for _ in range(5):
        ledger.record([exam(1, 10, 85)])
    assert ledger.record([exam(1, 10, 20)]) == []
    assert ledger.state(KEY, "bin").passes == (10,)
    assert [e.correct for e in ledger.examinations(KEY)] == [85]
    assert len(events.since()) == 1


def test_heroes_and_skills_do_not_meet(ledger: GuildLedger) -> None:
    for step in (1, 2, 3):
        ledger.record([exam(1, step, 90), exam(1, step, 50, skill="sy"), exam(1, step, 70, key=OTHER)])
    assert ledger.levels(KEY) == {"bin": 1, "sy": 0}
    assert ledger.levels(OTHER) == {"bin": 0}
    assert pooled(ledger.newest(KEY)) == (140, 200)


def test_losing_a_level_is_a_fact(ledger: GuildLedger, events: Events) -> None:
    for step in range(1, 9):
        ledger.record([exam(1, step, 90 if step <= 3 else 50)])
    assert ledger.levels(KEY) == {"bin": 0}
    assert [r.kind for r in events.newest(2)] == ["level_lost", "examination_taken"]
    assert [t.kind for t in ledger.transitions(KEY)] == ["gained", "lost"]


def test_pages_and_history(ledger: GuildLedger) -> None:
    for step in range(1, 11):
        ledger.record([exam(1, step, 40 + step), exam(2, step, 10)])
    assert [e.step for e in ledger.examinations(KEY, "bin", 1, limit=3)] == [10, 9, 8]
    assert [e.step for e in ledger.examinations(KEY, "bin", 1, limit=3, before_step=8)] == [7, 6, 5]
    history = ledger.history(KEY, "bin", limit=6)
    assert {level: [e.step for e in points] for level, points in history.items()} == {1: [8, 9, 10], 2: [8, 9, 10]}


def test_personal_bests_outlive_the_loss_of_a_level(ledger: GuildLedger) -> None:
    assert (ledger.bests(KEY).levels, ledger.bests(KEY).examination) == ({}, None)
    for step in range(1, 10):
        ledger.record([exam(1, step, 80 + step if step <= 3 else 50), exam(2, step, 99, role="panel")])
    bests = ledger.bests(KEY)
    assert bests.levels == {"bin": 1} and ledger.levels(KEY) == {"bin": 0}
    assert bests.examination is not None and bests.examination.accuracy == 0.83


# -- going back --------------------------------------------------------------------------------------------------
def test_rewinding_undoes_what_lies_beyond(ledger: GuildLedger, events: Events) -> None:
    for step in range(1, 7):
        ledger.record([exam(1, step, 90), exam(2, step, 90)])
        ledger.record_tokens(KEY, step, {("bin", 1): 100})
    assert ledger.levels(KEY) == {"bin": 2}
    assert [(c.kind, c.level) for c in ledger.rewind(KEY, 2)] == [("lost", 2), ("lost", 1)]
    assert ledger.levels(KEY) == {"bin": 0}
    assert ledger.state(KEY, "bin").passes == (1, 2)
    assert (ledger.transitions(KEY), ledger.tokens(KEY, "bin")) == ([], {1: 200})
    assert replayed(events) == set()
    assert ledger.rewind(KEY, 2) == []
    ledger.record([exam(1, 3, 90)])
    assert ledger.levels(KEY) == {"bin": 1}
    assert replayed(events) == {1}


def test_rewinding_gives_back_a_level_that_was_lost_beyond(ledger: GuildLedger, events: Events) -> None:
    for step in range(1, 9):
        ledger.record([exam(1, step, 90 if step <= 3 else 50)])
    assert [(c.kind, c.level) for c in ledger.rewind(KEY, 7)] == [("gained", 1)]
    assert ledger.state(KEY, "bin").below == {1: 4}
    assert replayed(events) == {1}


def test_rewinding_leaves_other_heroes_alone(ledger: GuildLedger) -> None:
    for step in (1, 2, 3):
        ledger.record([exam(1, step, 90), exam(1, step, 90, key=OTHER)])
    ledger.rewind(KEY, 0)
    assert (ledger.levels(KEY), ledger.levels(OTHER)) == ({"bin": 0}, {"bin": 1})


@contextmanager
def fresh() -> Iterator[tuple[GuildLedger, Events]]:
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(Path(folder) / "realm.db", checkpoints=True)
        with database.write() as connection:
            metadata.create_all(connection)
        events = Events(database)
        yield GuildLedger(database, events), events
        database.close()


operations = st.lists(
    st.tuples(st.integers(1, 8), st.dictionaries(st.integers(1, 3), st.sampled_from([50, 75, 80, 95]), max_size=3))
    | st.integers(0, 8),
    max_size=25,
)


@settings(deadline=None, max_examples=30)
@given(operations)
def test_levels_are_always_what_the_stored_examinations_lead_to(history: list[object]) -> None:
    """Sittings in any order, repeated, split, with rewinds between them: ledger, facts and rule always agree."""
    with fresh() as (ledger, events):
        for operation in history:
            if isinstance(operation, int):
                ledger.rewind(KEY, operation)
            else:
                step, sitting = operation  # type: ignore[misc]
                ledger.record([exam(level, step, percent) for level, percent in sitting.items()])
            state, changes = fold(ledger.examinations(KEY, "bin", limit=1000), RULE)
            assert ledger.state(KEY, "bin") == state
            assert [(t.kind, t.level, t.step) for t in ledger.transitions(KEY)] == [
                (c.kind, c.level, c.examination.step) for c in changes
            ]
            assert replayed(events) == state.mastered


# -- primitives --------------------------------------------------------------------------------------------------
def test_primitives_pool_the_newest_examination_of_each_level(ledger: GuildLedger) -> None:
    ledger.record([exam(1, 1, 50, primitives={"carry": (0, 10)})])
    ledger.record(
        [exam(1, 2, 50, primitives={"carry": (9, 10), "parity": (1, 2)}), exam(2, 2, 50, primitives={"carry": (1, 10)})]
    )
    ledger.record([exam(2, 3, 50, primitives={"carry": (3, 10)})])
    carry, parity_ = ledger.primitives(KEY, "bin")
    assert (carry.name, carry.correct, carry.n, carry.accuracy) == ("carry", 12, 20, 0.6)
    assert carry.interval.low < 0.6 < carry.interval.high
    assert (parity_.correct, parity_.n) == (1, 2)


# -- practice ----------------------------------------------------------------------------------------------------
def test_the_view_tells_the_curriculum_what_stands(ledger: GuildLedger) -> None:
    for step in (1, 2, 3):
        ledger.record([exam(1, step, 90, skill="double")])
    ledger.record([exam(2, 4, 50, skill="double", training_n=50, training_correct=50, primitives={"parity": (1, 9)})])
    view = ledger.view(
        KEY, tiny_engine(), ["double", "parity"], advice={"double": "back_off"}, priorities={"parity": 2}
    )
    double, parity_ = view.skills
    assert (double.frontier, double.gap, double.errors, double.advice) == (2, 0.5, {"parity": 8 / 9}, "back_off")
    assert (parity_.frontier, parity_.gap, parity_.errors, parity_.priority, parity_.levels) == (1, None, {}, 2, 4)


def test_practice_is_numbered_and_says_why(ledger: GuildLedger, events: Events) -> None:
    mix = Mix({("bin", 1): 0.75, ("bin", 2): 0.25}, "because")
    ledger.record_practice(KEY, "practice-0", step=7, rows=100, mix=mix, advice={"bin": "continue"})
    ledger.rewind(KEY, 0)
    assert ledger.practice_count(KEY) == 1
    (noted,) = ledger.practices(KEY)
    assert (noted.mix, noted.advice, noted.reason) == ({"bin/1": 0.75, "bin/2": 0.25}, {"bin": "continue"}, "because")
    assert (noted.quest, noted.step, noted.rows, noted.time) == ("practice-0", 7, 100, 42.0)
    assert [r.kind for r in events.since()] == ["practice_planned"]


def test_tokens_are_told_once_per_checkpoint(ledger: GuildLedger) -> None:
    ledger.record_tokens(KEY, 10, {("bin", 1): 100, ("bin", 2): 50})
    ledger.record_tokens(KEY, 10, {("bin", 1): 100, ("bin", 2): 50})
    ledger.record_tokens(KEY, 20, {("bin", 2): 50})
    assert ledger.tokens(KEY, "bin") == {1: 100, 2: 100}
    assert ledger.tokens(KEY, "bin", after_step=10) == {2: 50}


@pytest.mark.slow
def test_a_hundred_thousand_examinations_do_not_slow_the_page(db: Database, ledger: GuildLedger) -> None:
    draw = random.Random(1)
    rows = [
        as_row(exam(level, step, draw.randrange(60, 100), primitives={"carry": (5, 10)}))
        for step in range(1, 5001)
        for level in range(1, 21)
    ]
    with db.write() as connection:
        connection.execute(examination_table.insert(), rows)
    started = time.perf_counter()
    ledger.record([exam(1, 6000, 90)])
    ledger.newest(KEY), ledger.primitives(KEY, "bin"), ledger.levels(KEY)
    ledger.examinations(KEY, "bin", 7), ledger.was_examined(KEY, 77)
    assert time.perf_counter() - started < 2.0


def test_what_a_level_cost_is_summed_between_changes_of_level(ledger: GuildLedger) -> None:
    for step in range(1, 8):
        ledger.record_tokens(KEY, step, {("bin", 1): 10, ("bin", 2): 100 * step, ("other", 1): 7})
        ledger.record([exam(1 if step <= 3 else 2, step, 90)])
    assert [(t.level, t.step) for t in ledger.transitions(KEY)] == [(1, 3), (2, 6)]
    assert sorted(ledger.spent(KEY, "bin")) == [
        (3, 1, 30),
        (3, 2, 600),
        (6, 1, 30),
        (6, 2, 1500),
        (7, 1, 10),
        (7, 2, 700),
    ]
    costs = [(a.level, a.ended_step, a.frontier_tokens, a.maintenance_tokens) for a in ledger.attempts(KEY, "bin")]
    assert costs == [(1, 3, 30, 0), (2, 6, 1500, 30), (3, None, 0, 710)]
    assert ledger.spent(KEY, "none") == [] and ledger.attempts(OTHER, "bin")[0].level == 1
    assert sum(s.tokens for s in ledger.spent(KEY, "bin", [5])) == sum(s.tokens for s in ledger.spent(KEY, "bin"))
    assert ledger.newest_of_levels(KEY, "bin").keys() == {1, 2}
