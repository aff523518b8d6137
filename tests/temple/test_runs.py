"""A run as its facts tell it: one that ended, failed, was gone on with, or was killed."""

from __future__ import annotations

import pytest

from realm.errors import UsageError
from realm.temple.runs import find_run, newest_run, runs
from tests.temple.small_realm import SmallRealm


def test_an_ended_run(realm: SmallRealm) -> None:
    realm.train(10, 30, run="run-1", quest="q1")
    found = find_run(realm.events, realm.key, "run-1")
    assert (found.start_step, found.end_step, found.steps, found.outcome) == (10, 30, 20, "completed")
    assert (found.tokens, found.quest, found.starts) == (1000, "q1", 1)


def test_a_run_that_was_gone_on_with_is_one(realm: SmallRealm) -> None:
    realm.train(0, 10, run="run-1")
    realm.train(10, 25, run="run-1")
    found = find_run(realm.events, realm.key, "run-1")
    assert (found.start_step, found.end_step, found.tokens, found.starts) == (0, 25, 2000, 2)


def test_failed_and_killed_runs(realm: SmallRealm) -> None:
    realm.train(0, 10, run="run-1", fails="The loss became nan")
    failed = find_run(realm.events, realm.key, "run-1")
    assert (failed.outcome, failed.reason, failed.end_step) == ("failed", "The loss became nan", 10)
    realm.train(10, 20, run="run-2", ends=False)
    assert find_run(realm.events, realm.key, "run-2").outcome == ""


def test_names(realm: SmallRealm) -> None:
    assert newest_run(realm.events, realm.key) is None and runs(realm.events, realm.key) == []
    with pytest.raises(UsageError, match="has had no run yet"):
        find_run(realm.events, realm.key, "x")
    realm.train(0, 10, run="run-00000000-abc")
    realm.train(10, 20, run="run-00000010-def")
    assert runs(realm.events, realm.key) == ["run-00000010-def", "run-00000000-abc"]
    assert find_run(realm.events, realm.key, "").name == "run-00000010-def", "the newest"
    assert find_run(realm.events, realm.key, "abc").name == "run-00000000-abc", "by its end"
    with pytest.raises(UsageError, match="no run named 'xyz'"):
        find_run(realm.events, realm.key, "xyz")
