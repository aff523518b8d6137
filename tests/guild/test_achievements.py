"""Achievements and streaks, fact by fact; and the ledger of awards, which counts in any pieces and awards once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realm.config.schema import CurriculumSettings
from realm.db import Database, metadata, open_database
from realm.errors import SkillError
from realm.events import (
    AchievementAwarded,
    ChampionChanged,
    CheckpointSaved,
    Events,
    ExaminationTaken,
    Fact,
    LevelGained,
    LevelLost,
    QuestCompleted,
    Recorded,
    RunStarted,
    ServiceCrashed,
    ServiceStarted,
    StepsReached,
    StrainZoneEntered,
    TitleEarned,
)
from realm.guild import achievements
from realm.guild.achievements import Tally, load, reached
from realm.guild.awards import AwardLedger
from realm.guild.engine import SkillEngine
from realm.guild.mastery import Rules
from realm.records import CampaignKey

KEY = CampaignKey("hatchling", "first-light")
NAMES = {"hero": KEY.hero, "campaign": KEY.campaign}
RULE = CurriculumSettings()
RULES = Rules(SkillEngine(), RULE)
DAY = 86_400.0
NOON = time.mktime((2026, 3, 2, 12, 0, 0, 0, 0, -1))


def exam(step: int, correct: int, level: int = 1, role: str = "frontier", skill: str = "bin") -> ExaminationTaken:
    share = correct / 100
    return ExaminationTaken(skill=skill, level=level, step=step, n=100, correct=correct, accuracy=share, low=0.0,
                            high=1.0, training_accuracy=None, role=role, **NAMES)  # fmt: skip


def saved(step: int) -> CheckpointSaved:
    return CheckpointSaved(checkpoint=f"{KEY}@{step}", step=step, size_bytes=1, seconds=0.1, **NAMES)


def gained(level: int, skill: str = "bin", step: int = 1) -> LevelGained:
    return LevelGained(skill=skill, level=level, step=step, tokens=1, **NAMES)


def lost(level: int, skill: str = "bin") -> LevelLost:
    return LevelLost(skill=skill, level=level, step=9, **NAMES)


def kind_of(fact: Fact) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in type(fact).__name__).lstrip("_")


def count(*facts: Fact | tuple[float, Fact]) -> Tally:
    """The tally of facts that happened at noon, or when they say."""
    tally = Tally()
    for i, each in enumerate(facts, 1):
        moment, fact = each if isinstance(each, tuple) else (NOON, each)
        tally = tally.after(Recorded(i, moment, kind_of(fact), fact), RULES)
    return tally


def earned(tally: Tally) -> set[str]:
    return {each.id for each in reached(load(), tally)}


# -- the catalogue ---------------------------------------------------------------------------------------------------
def test_the_catalogue_is_that_of_the_design() -> None:
    assert [a.id for a in load()] == [
        "first_step", "steps_100", "steps_1000", "steps_10000", "steps_100000",
        "hero_level_1", "hero_level_5", "hero_level_10", "hero_level_20", "hero_level_50",
        "accuracy_80", "accuracy_90", "accuracy_100", "first_checkpoint", "checkpoints_10", "checkpoints_50",
        "two_skills", "productive_zone", "stretch_zone", "first_champion", "first_level_cap", "calm_night",
        "recovered_regression",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {id: a, name: A, description: B., measure: stepz, at: 1}", "measure"),
        ("- {id: a, name: A, description: B., measure: steps, at: 0}", "at"),
        ("- {id: A b, name: A, description: B., measure: steps, at: 1}", "id"),
        ("- {id: a, name: A, description: B., measure: steps, at: 1}\n" * 2, "twice"),
        ("- [", "no catalogue"),
    ],
)
def test_a_mistake_in_a_catalogue_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(SkillError, match=said):
        load(tmp_path / "a.yaml")


def test_nothing_done_nothing_earned() -> None:
    assert earned(Tally()) == set()


# -- one by one ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        (1, {"first_step"}),
        (100, {"first_step", "steps_100"}),
        (1000, {"first_step", "steps_100", "steps_1000", "hero_level_1"}),
        (5000, {"first_step", "steps_100", "steps_1000", "hero_level_1", "hero_level_5"}),
    ],
)
def test_steps_and_levels_of_the_hero(steps: int, wanted: set[str]) -> None:
    assert earned(count(StepsReached(step=steps, hero_level=steps // 1000, **NAMES))) == wanted


def test_all_that_steps_can_earn() -> None:
    tally = count(StepsReached(step=100_000, hero_level=100, **NAMES))
    assert earned(tally) == {a.id for a in load() if a.measure in {"steps", "hero_level"}}


@pytest.mark.parametrize(("correct", "wanted"), [(79, 0), (80, 1), (89, 1), (90, 2), (99, 2), (100, 3)])
def test_accuracy_of_one_examination_of_a_frontier_level(correct: int, wanted: int) -> None:
    assert len(earned(count(exam(1, correct)))) == wanted
    assert earned(count(exam(1, correct, role="panel"))) == set()


def test_a_checkpoint_that_is_sealed_again_counts_once() -> None:
    tally = count(*[saved(step) for step in (5, 10, 5, 10, 15)])
    assert tally.checkpoints == 3
    assert "checkpoints_10" in earned(count(*[saved(step) for step in range(1, 11)]))
    assert "checkpoints_50" in earned(count(*[saved(step) for step in range(1, 51)]))


def test_two_skills_above_level_0_at_one_time() -> None:
    assert "two_skills" not in earned(count(gained(1), gained(2)))
    assert "two_skills" not in earned(count(gained(1), lost(1), gained(1, "sy")))
    assert "two_skills" in earned(count(gained(1), gained(1, "sy")))


@pytest.mark.parametrize("zone", ["recovery", "productive", "stretch", "overload"])
def test_zones(zone: str) -> None:
    wanted = {f"{zone}_zone"} & {"productive_zone", "stretch_zone"}
    assert earned(count(StrainZoneEntered(skill="bin", zone=zone, step=1, **NAMES))) == wanted


def test_the_best_of_those_that_know_nothing_is_no_champion() -> None:
    def champion(accuracy: float) -> ChampionChanged:
        return ChampionChanged(checkpoint="c", step=1, accuracy=accuracy, previous="", **NAMES)

    assert earned(count(champion(0.0))) == set()
    assert earned(count(champion(0.1))) == {"first_champion"}


def test_a_level_cap() -> None:
    found = Recorded(1, NOON, "campaign_maxed_out", Fact(**NAMES))
    assert earned(Tally().after(found, RULES)) == {"first_level_cap"}


def test_a_title_in_a_skill_that_is_gone_is_told_all_the_same(db: Database) -> None:
    events = Events(db)
    events.append(gained(1, "gone"))
    told = AwardLedger(db, events, RULES, SkillEngine().shown).catch_up(KEY)
    (title,) = [fact.title for fact in told if isinstance(fact, TitleEarned) and fact.skill == "gone"]
    assert title.endswith(" GONE")


def test_a_regression_is_recovered_when_the_level_holds_again() -> None:
    slipped = [gained(1), exam(1, 90, 2), exam(2, 60, 1, "panel")]
    assert "recovered_regression" not in earned(count(*slipped))
    assert "recovered_regression" not in earned(count(*slipped, exam(3, 74, 1, "panel")))
    assert "recovered_regression" in earned(count(*slipped, exam(3, 75, 1, "panel")))


def test_or_when_it_was_lost_and_is_earned_again() -> None:
    slipped = [gained(1), exam(2, 60, 1, "panel"), lost(1)]
    assert "recovered_regression" not in earned(count(*slipped))
    assert "recovered_regression" in earned(count(*slipped, gained(1)))


def test_a_campaign_that_went_back_and_forth_has_recovered_nothing() -> None:
    assert "recovered_regression" not in earned(count(gained(1), lost(1), gained(1)))


def hours(*moments: float) -> list[tuple[float, Fact]]:
    return [(NOON + 3600 * moment, saved(i)) for i, moment in enumerate(moments, 1)]


def test_a_night_is_eight_hours_of_training_on_end() -> None:
    assert "calm_night" not in earned(count(*hours(*range(8))))
    assert "calm_night" in earned(count(*hours(*range(9))))
    assert "calm_night" not in earned(count(*hours(0, 1, 2, 7, 8, 9))), "it stood still for five hours"


def test_a_crash_ends_the_calm() -> None:
    crash = ServiceCrashed(service="hero", exit_code=-9, restarts=1, wait_seconds=0.1)
    begin = ServiceStarted(service="hero", pid=1)
    night = hours(*range(9))
    for broken in (crash, begin):
        assert "calm_night" not in earned(count(*night[:5], (night[4][0] + 1, broken), *night[5:]))
    assert "calm_night" in earned(count(*night, (night[-1][0] + 1, crash)))


# -- streaks and gold ------------------------------------------------------------------------------------------------
def test_days_in_a_row() -> None:
    started = RunStarted(run="r", quest="q", method="sft", step=0, **NAMES)
    tally = count(*[(NOON + day * DAY, started) for day in (0, 0, 1, 2, 5, 6)])
    assert (tally.days, tally.best_days) == (2, 3)
    assert tally.days_in_a_row(NOON + 7 * DAY) == 2, "today may still come"
    assert tally.days_in_a_row(NOON + 8 * DAY) == 0


def test_examinations_passed_in_a_row() -> None:
    tally = count(*[exam(step, correct) for step, correct in enumerate([80, 95, 79, 81, 82, 83], 1)])
    assert (tally.passes, tally.best_passes) == (3, 3)
    assert count(exam(1, 90), exam(1, 90), exam(2, 90, role="panel")).passes == 1, "a checkpoint counts once"


def test_gold_is_a_hundred_for_each_quest() -> None:
    done = QuestCompleted(quest="q", name="n", run="r", steps=9, **NAMES)
    assert count(done, done, done).gold == 300


def test_a_tally_survives_json() -> None:
    tally = count(*DIARY)
    assert Tally.from_json(tally.as_json()) == tally


# -- the ledger ------------------------------------------------------------------------------------------------------
DIARY: list[Fact] = [
    ServiceStarted(service="hero", pid=3),
    StepsReached(step=1, hero_level=0, **NAMES), StepsReached(step=100, hero_level=0, **NAMES),
    StrainZoneEntered(skill="bin", zone="stretch", step=60, **NAMES), saved(100), exam(100, 50),
    StrainZoneEntered(skill="bin", zone="productive", step=90, **NAMES),
    *[saved(100 + 10 * i) for i in range(1, 11)], exam(200, 91), gained(1), exam(300, 40, 2), exam(300, 70, 1, "panel"),
    StepsReached(step=1000, hero_level=1, **NAMES), exam(400, 100, 2), exam(400, 90, 1, "panel"), gained(1, "sy"),
    StepsReached(step=5000, hero_level=5, hero="smol", campaign="other"),
    ChampionChanged(checkpoint="c", step=400, accuracy=1.0, previous="", **NAMES), lost(1), gained(1),
    QuestCompleted(quest="q", name="n", run="r", steps=9, **NAMES),
]  # fmt: skip
DIARY_EARNS = {
    "first_step", "steps_100", "steps_1000", "hero_level_1", "accuracy_80", "accuracy_90", "accuracy_100",
    "first_checkpoint", "checkpoints_10", "two_skills", "productive_zone", "stretch_zone", "first_champion",
    "recovered_regression",
}  # fmt: skip


def fresh(folder: Path) -> Database:
    db = open_database(folder / "realm.db")
    with db.write() as connection:
        metadata.create_all(connection)
    return db


def told(events: Events) -> list[str]:
    return [r.fact.achievement for r in events.replay() if isinstance(r.fact, AchievementAwarded)]


def ledger(db: Database, events: Events) -> AwardLedger:
    return AwardLedger(db, events, RULES)


def test_a_diary_earns_what_it_should_and_tells_it_once(db: Database) -> None:
    with db.write() as connection:
        metadata.create_all(connection)
    events = Events(db)
    events.append(*DIARY)
    awards = ledger(db, events)
    new = awards.catch_up(KEY)
    assert set(told(events)) == DIARY_EARNS and len(told(events)) == len(DIARY_EARNS)
    assert set(awards.standing(KEY).earned) == DIARY_EARNS
    assert awards.standing(KEY).tally.gold == 100
    titles = [fact.title for fact in new if isinstance(fact, TitleEarned)]
    assert titles == ["First of Many", "Student of BIN", "Student of SY"]
    assert awards.catch_up(KEY) == [] and ledger(db, events).catch_up(KEY) == []


ANY = st.one_of(
    st.sampled_from(DIARY),
    st.builds(saved, st.integers(1, 60)),
    st.builds(exam, st.integers(1, 60), st.integers(0, 100), st.integers(1, 3), st.sampled_from(["frontier", "panel"])),
    st.builds(gained, st.integers(1, 3)),
    st.builds(lost, st.integers(1, 3)),
)


@settings(max_examples=25)
@given(st.lists(ANY, min_size=1, max_size=60), st.data())
def test_any_prefix_in_any_pieces_awards_the_same_set_once(
    tmp_path_factory: pytest.TempPathFactory, facts: Sequence[Fact], data: st.DataObject
) -> None:
    prefix = data.draw(st.integers(1, len(facts)))
    cuts = sorted(data.draw(st.sets(st.integers(1, prefix), max_size=5)) | {prefix})
    whole, pieces = (fresh(tmp_path_factory.mktemp(name)) for name in ("whole", "pieces"))
    try:
        first, second = Events(whole), Events(pieces)
        first.append(*facts[:prefix])
        at_once = ledger(whole, first)
        at_once.catch_up(KEY)
        start = 0
        for cut in cuts:  # the facts come in between the countings, and each piece is counted twice
            second.append(*facts[start:cut])
            ledger(pieces, second).catch_up(KEY)
            ledger(pieces, second).catch_up(KEY)
            start = cut
        assert told(first) == told(second)
        assert len(set(told(second))) == len(told(second))
        one, other = at_once.standing(KEY).tally, ledger(pieces, second).standing(KEY).tally
        calm = {"calm_since": 0.0, "calm_until": 0.0, "best_calm_seconds": 0.0}  # the clock went on between the pieces
        assert replace(one, **calm) == replace(other, **calm)
        pure = Tally()
        for recorded in second.replay():
            if (recorded.fact.hero, recorded.fact.campaign) in {(KEY.hero, KEY.campaign), ("", "")}:
                pure = pure.after(recorded, RULES)
        assert {a.id for a in achievements.load() if a.id in told(second)} >= earned(pure)
    finally:
        whole.close()
        pieces.close()


def test_more_facts_than_a_page(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with db.write() as connection:
        metadata.create_all(connection)
    events = Events(db)
    events.append(*[saved(step) for step in range(1, 1300)], *DIARY)
    ledger(db, events).catch_up(KEY)
    assert set(told(events)) == DIARY_EARNS | {"checkpoints_50"} | {"hero_level_1", "steps_1000"}


def test_two_that_count_at_the_same_time_award_once(db: Database) -> None:
    with db.write() as connection:
        metadata.create_all(connection)
    events = Events(db)
    events.append(*DIARY)
    threads = [threading.Thread(target=lambda: ledger(db, events).catch_up(KEY)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(told(events)) == Counter(DIARY_EARNS)


COUNTING = """
import sys
from pathlib import Path
from realm.db import open_database
from realm.events import Events
from tests.guild.test_achievements import DIARY, KEY, ledger
db = open_database(Path(sys.argv[1]))
events = Events(db)
awards = ledger(db, events)
print("ready", flush=True)
while True:
    for fact in DIARY:
        events.append(fact)
        awards.catch_up(KEY)
"""


@pytest.mark.slow
def test_killed_while_counting(tmp_path: Path) -> None:
    fresh(tmp_path).close()
    moments = random.Random("kills")
    for _ in range(6):
        command = [sys.executable, "-c", COUNTING, str(tmp_path / "realm.db")]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ}, cwd=Path(__file__).parents[2])
        assert child.stdout and child.stdout.readline() == b"ready\n"
        time.sleep(moments.uniform(0.0, 0.6))
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    db = open_database(tmp_path / "realm.db")
    events = Events(db)
    events.append(*DIARY)
    ledger(db, events).catch_up(KEY)
    assert Counter(told(events)) == Counter(DIARY_EARNS)
    db.close()
