"""What the page says about training, from steps and facts."""

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from realm.config.schema import HeroProfile, StrainSettings
from realm.events import ExaminationTaken, Fact, Recorded, RunFinished, RunPaused, RunStarted
from realm.guild.progression import Examination
from realm.guild.tables import Bests
from realm.records import CampaignKey, StepMetrics
from realm.tavern import hero_view
from realm.tavern.shown import Quest


def step(number: int, loss: float = 0.2, **more: Any) -> StepMetrics:
    values = {
        "time": 100.0 + number, "grad_norm": 1.0, "learning_rate": 1e-3, "tokens": 10, "input_tokens": 20,
        "step_seconds": 0.1, "quest_step": number, "quest_steps": 100, "strain": loss, "effort": loss * number,
    }  # fmt: skip
    return StepMetrics(step=number, loss=loss, **(values | more))


def fact(kind: str, body: Fact, time: float = 50.0) -> Recorded:
    return Recorded(1, time, kind, body)


STARTED = RunStarted(run="r", quest="q", method="sft", step=1)
PAUSED = RunPaused(run="r", step=1)
FINISHED = RunFinished(run="r", quest="q", outcome="completed", step=1, steps=1, tokens=1, seconds=1, loss_first=1,
                       loss_last=1, effort=1)  # fmt: skip
EXAMINED = ExaminationTaken(skill="bin", level=1, step=1, n=1, correct=1, accuracy=1, low=0, high=1,
                            training_accuracy=None, role="frontier")  # fmt: skip


def test_state() -> None:
    say = hero_view.training_state
    assert say(False, fact("run_started", STARTED), 60, 60) == "offline"
    assert say(True, None, 0, 60) == "idle"
    assert say(True, fact("run_started", STARTED), 60, 60) == "training"
    assert say(True, fact("run_paused", PAUSED), 60, 60) == "paused"
    assert say(True, fact("run_finished", FINISHED), 40, 60) == "examining"
    assert say(True, fact("run_finished", FINISHED), 40, 5000) == "idle"
    assert say(True, fact("examination_taken", EXAMINED), 40, 60) == "examining"
    assert say(True, fact("examination_taken", EXAMINED), 55, 60) == "training"
    assert say(True, fact("run_started", STARTED), 60, 60, {"stop"}) == "training"  # until it answers
    assert say(True, fact("run_finished", FINISHED), 40, 60, {"stop"}) == "paused"
    assert say(True, None, 0, 0, {"pause"}) == "paused"


def test_a_new_hero_has_no_numbers_yet() -> None:
    hero = hero_view.hero("h", HeroProfile(base_model="hatchling"), "c", "idle", [], hero_view.Record())
    assert (hero.name, hero.level, hero.steps_to_next) == ("h", 0, 1000)
    assert [s.value for s in hero.stats] == ["0", "–", "–", "–", "0", "0", "–"]
    assert hero_view.strain([], StrainSettings(), {}).value is None


def test_personal_bests_tell_what_they_rest_on() -> None:
    taken = Examination(key=CampaignKey("h", "c"), step=9, skill="bin", level=2, role="frontier", n=100, correct=97,
                        primitives={}, training_n=0, training_correct=0, tokens=1, time=1.0)  # fmt: skip
    record = hero_view.Record(bests=Bests({"bin": 2, "add": 1}, taken), lowest_val_loss=0.1834)
    card = hero_view.hero("h", HeroProfile(base_model="hatchling"), "c", "idle", [], record)
    assert [(s.id, s.value, s.detail) for s in card.bests] == [
        ("best_level", "2", "BIN"),
        ("best_accuracy", "97\u202f%", "BIN level 2, n = 100, 95 % interval 92\u202f% – 99\u202f%"),
        ("best_val_loss", "0.183", ""),
    ]
    new = hero_view.hero("h", HeroProfile(base_model="hatchling"), "c", "idle", [], hero_view.Record())
    assert {(s.value, s.detail) for s in new.bests} == {("–", "")}


def test_attack_is_one_over_the_smoothed_loss() -> None:
    rows = [step(i, 0.5) for i in range(1, 80)]
    card = hero_view.hero("h", HeroProfile(base_model="hatchling"), "c", "training", rows, hero_view.Record())
    values = {s.id: s.value for s in card.stats}
    assert values["attack"] == "2.00"
    assert values["xp"] == "79"


@given(st.lists(st.floats(0, 1e6) | st.just(math.nan), min_size=1, max_size=60))
def test_no_loss_breaks_the_card(losses: list[float]) -> None:
    rows = [step(i, loss) for i, loss in enumerate(losses, 1)]
    hero_view.hero("h", HeroProfile(base_model="hatchling"), "c", "training", rows, hero_view.Record())
    battle = hero_view.battle("training", rows, None, steps_per_second=1, tokens_per_second=1, requested=(), waiting=0)
    assert battle.fraction == 0.0
    for row in hero_view.chart_rows(rows, 8):
        low, high = row[2], row[3]
        assert low is not None and high is not None and low <= high


def test_time_left_follows_the_speed_and_stops_with_a_pause() -> None:
    quest = Quest("q", "a.jsonl", "active", "person", 1, 0, 1, 0, 0.0)
    rows = [step(40)]
    on = hero_view.battle("training", rows, quest, steps_per_second=2, tokens_per_second=9, requested=(), waiting=0)
    assert (on.eta_seconds, on.fraction) == (30.0, 0.4)
    off = hero_view.battle("paused", rows, quest, steps_per_second=2, tokens_per_second=9, requested=(), waiting=0)
    assert off.eta_seconds is None and off.is_on


def test_speed_is_of_the_last_ten_seconds_of_wall_time() -> None:
    rows = [step(i) for i in range(100)]  # one a second, the last at 199
    assert hero_view.speed(rows, 1000.0) == (0.0, 0.0)
    steps, tokens = hero_view.speed(rows, 199.0)
    assert abs(steps - 10 / 9.1) < 1e-9 and abs(tokens - 20 * steps) < 1e-9


def test_the_advice_is_that_of_each_skills_own_meter_whatever_the_dial_shows() -> None:
    overloaded = [step(i, 0.9) for i in range(30)]
    one = hero_view.strain(overloaded, StrainSettings(), {"bin": "level_up"})
    assert (one.zone, one.advice) == ("overload", hero_view.ADVICE_WORDS["level_up"])
    two = hero_view.strain(overloaded, StrainSettings(), {"bin": "continue", "add": "wait"})
    words = hero_view.ADVICE_WORDS
    assert two.advice == f"BIN: {words['continue']} ADD: {words['wait']}"
    assert hero_view.strain(overloaded, StrainSettings(), {}).advice == hero_view.UNPLANNED


def test_a_validation_stands_at_the_first_row_that_reaches_its_step() -> None:
    rows = hero_view.joined([(10, 1, 1, 1), (20, 1, 1, 1), (30, 1, 1, 1)], [(12, 0.5, 0.5, 0.5), (30, 0.4, 0.4, 0.4)])
    assert [row[4] for row in rows] == [None, 0.5, 0.4]
    assert hero_view.joined([], [(1, 1.0, 1.0, 1.0)]) == []
