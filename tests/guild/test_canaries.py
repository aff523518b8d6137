"""Canaries at checkpoints: asked once in one generation, kept, judged against the best before, told as facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from realm.config.schema import PassiveSettings
from realm.db import Database
from realm.errors import UsageError
from realm.events import CanariesDrifted, CanariesRecovered, Events, Fact
from realm.guild.passives.canaries import Canaries
from realm.guild.passives.drift import Sitting, best_before, compare, sign_test
from realm.guild.passives.ledger import CanaryLedger
from realm.guild.passives.sets import CORE, MODULES, modules, problems
from realm.records import CampaignKey

KEY = CampaignKey("hatchling", "test")
RULE = PassiveSettings()
ANSWERS = {problem.prompt: problem.answer for name in MODULES for problem in problems(name)}
CORE_NAMES = [module.name for module in modules("core")]


class Knowing:
    """Knows every answer but to the questions that a test makes it forget."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.forgotten: set[str] = set()

    def forget(self, module: str, count: int) -> None:
        self.forgotten |= {problem.prompt for problem in problems(module)[:count]}

    def __call__(
        self, prompts: Sequence[str], /, *, max_new_tokens: int, before_batch: Callable[[], object]
    ) -> list[str]:
        assert max_new_tokens == RULE.max_new_tokens
        before_batch()
        self.calls.append(len(prompts))
        return ["" if prompt in self.forgotten else ANSWERS[prompt] for prompt in prompts]


def facts(db: Database) -> list[Fact]:
    return [recorded.fact for recorded in Events(db).since(0)]


def sitting(step: int, correct: int, n: int = 20, module: str = CORE, problem_set: str = "a") -> Sitting:
    right = tuple(place < correct for place in range(n))
    return Sitting(key=KEY, step=step, module=module, problem_set=problem_set, right=right)


def test_the_core_is_asked_in_one_generation_once_a_checkpoint(db: Database) -> None:
    knowing, canaries = Knowing(), Canaries(db, Events(db), RULE, clock=lambda: 7.0)
    assert canaries.watch(KEY, 500, knowing, "hash") == []
    assert canaries.watch(KEY, 500, knowing, "hash") == []
    assert knowing.calls == [20]
    standing = canaries.ledger.standing(KEY)
    assert sorted(standing) == sorted([*CORE_NAMES, CORE])
    assert {(d.sitting.step, d.sitting.accuracy, d.severity) for d in standing.values()} == {(500, 1.0, "")}
    core = standing[CORE].sitting
    assert (core.n, core.template_hash, core.time) == (20, "hash", 7.0)
    told = standing["arithmetic"].sitting.primitives
    assert told["modulo"] == (1, 1) and sum(n for _, n in told.values()) == 5
    assert facts(db) == []


def test_turned_off_nothing_is_asked(db: Database) -> None:
    knowing = Knowing()
    canaries = Canaries(db, Events(db), PassiveSettings(enabled=False))
    assert canaries.watch(KEY, 1, knowing, "") == [] and knowing.calls == []
    assert canaries.ledger.standing(KEY) == {}


def test_drift_is_told_when_it_begins_worsens_and_ends(db: Database) -> None:
    knowing, canaries = Knowing(), Canaries(db, Events(db), RULE)
    canaries.watch(KEY, 1, knowing, "")
    knowing.forget("arithmetic", 2)
    assert canaries.watch(KEY, 2, knowing, "") == []  # two of twenty: ten points
    knowing.forget("logic", 1)
    assert [d.sitting.module for d in canaries.watch(KEY, 3, knowing, "")] == [CORE]
    assert canaries.watch(KEY, 4, knowing, "") == []  # nothing new
    knowing.forget("word_puzzles", 5)
    canaries.watch(KEY, 5, knowing, "")
    knowing.forgotten.clear()
    canaries.watch(KEY, 6, knowing, "")
    told = [
        (f.module, f.step, f.severity, f.correct, f.best_step, f.points, f.lost, f.gained)
        if isinstance(f, CanariesDrifted)
        else (f.module, f.step, "recovered")
        for f in facts(db)
        if isinstance(f, CanariesDrifted | CanariesRecovered)
    ]
    assert told == [
        (CORE, 3, "warning", 17, 1, 15.0, 3, 0),
        ("word_puzzles", 5, "critical", 0, 1, 100.0, 5, 0),
        (CORE, 5, "critical", 12, 1, 40.0, 8, 0),
        ("word_puzzles", 6, "recovered"),
        (CORE, 6, "recovered"),
    ]
    assert {(f.hero, f.campaign) for f in facts(db)} == {("hatchling", "test")}


def test_who_never_knew_has_nothing_to_forget(db: Database) -> None:
    canaries = Canaries(db, Events(db), RULE)
    for step in range(1, 6):
        canaries.watch(KEY, step, lambda prompts, **_: [""] * len(prompts), "")
    assert facts(db) == [] and canaries.ledger.standing(KEY)[CORE].drop == 0


def test_a_campaign_that_goes_back_forgets_what_came_after(db: Database) -> None:
    knowing, canaries = Knowing(), Canaries(db, Events(db), RULE)
    canaries.watch(KEY, 1, knowing, "")
    knowing.forget("logic", 5)
    canaries.watch(KEY, 2, knowing, "")
    canaries.ledger.rewind(KEY, 1)
    assert canaries.ledger.standing(KEY)[CORE].sitting.step == 1
    knowing.forgotten.clear()
    assert canaries.watch(KEY, 2, knowing, "") == []
    assert canaries.ledger.standing(KEY)["logic"].severity == ""


def test_an_older_checkpoint_asked_late_can_show_that_the_newest_has_drifted(db: Database) -> None:
    ledger = CanaryLedger(db, Events(db), RULE)
    assert ledger.record([sitting(100, 10)]) == []
    assert [(d.sitting.step, d.best.step, d.severity) for d in ledger.record([sitting(50, 15)])] == [
        (100, 50, "warning")
    ]


def test_other_sets_and_other_campaigns_are_not_compared(db: Database) -> None:
    ledger = CanaryLedger(db, Events(db), RULE)
    ledger.record([sitting(1, 20, problem_set="old")])
    assert ledger.record([sitting(2, 2, problem_set="new")]) == []
    elsewhere = Sitting(key=CampaignKey("hatchling", "b"), step=2, module=CORE, problem_set="old", right=(False,) * 20)
    assert ledger.record([elsewhere]) == []
    assert facts(db) == []


def test_all_modules_on_demand_in_one_generation(db: Database) -> None:
    knowing, canaries = Knowing(), Canaries(db, Events(db), RULE)
    knowing.forget("memory", 9)
    told = canaries.ask(KEY, 3, list(MODULES), knowing, "")
    canaries.ledger.record(told)
    assert knowing.calls == [230]
    assert {s.module: s.correct for s in told}["memory"] == 21
    assert len(canaries.ledger.standing(KEY)) == 12
    assert [s.step for s in canaries.ledger.history(KEY, "memory")] == [3]


def test_too_few_answers_are_an_error_in_words(db: Database) -> None:
    with pytest.raises(UsageError, match="5 canaries were asked and 1 responses came"):
        Canaries(db, Events(db), RULE).ask(KEY, 1, ["logic"], lambda prompts, **_: ["x"], "")


@given(st.lists(st.integers(0, 20), min_size=1, max_size=12))
def test_the_verdict_is_by_points_below_the_best_before(scores: list[int]) -> None:
    taken = [sitting(step, correct) for step, correct in enumerate(scores)]
    newest = taken[-1]
    drift = compare(newest, best_before(taken, newest), RULE)
    best = max(scores[:-1], default=scores[-1])
    fewer = best - scores[-1]
    assert drift.severity == ("critical" if fewer >= 6 else "warning" if fewer >= 3 else "")
    assert drift.lost - drift.gained == max(0, fewer)


@given(st.integers(0, 5), st.integers(0, 5))
def test_one_or_two_problems_of_five_are_no_drift(best: int, now: int) -> None:
    drift = compare(sitting(2, now, 5), sitting(1, best, 5), RULE)
    assert bool(drift.severity) == (best - now >= 3)
    assert compare(sitting(2, now, 5), sitting(1, best, 5), PassiveSettings(least_lost=1)).severity == (
        "critical" if best - now >= 2 else "warning" if best - now == 1 else ""
    )


def test_thresholds_are_settings() -> None:
    strict = PassiveSettings(warning_points=5, critical_points=10, least_lost=1)
    assert [compare(sitting(2, n), sitting(1, 20), strict).severity for n in (20, 19, 18)] == [
        "",
        "warning",
        "critical",
    ]
    with pytest.raises(ValidationError, match="critical_points must not be below"):
        PassiveSettings(warning_points=20, critical_points=10)


def test_the_sign_test() -> None:
    assert (sign_test(0, 0), sign_test(5, 0), sign_test(1, 1)) == (1.0, 1 / 32, 0.75)
