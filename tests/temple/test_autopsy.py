"""The autopsy of a run that ended well, failed, was killed, or hangs."""

from __future__ import annotations

import json
import math

import pytest

from realm.events import RunLightened, ServiceCrashed
from realm.temple.autopsy import Autopsy, autopsy
from tests.temple.small_realm import SmallRealm


def seen(found: Autopsy, name: str) -> tuple[str, str]:
    (one,) = [each for each in found.diagnoses if each.name == name]
    return one.severity, one.seen


def test_a_good_run_has_nothing_wrong(healthy: SmallRealm) -> None:
    found = autopsy(healthy.scene())
    assert {each.severity for each in found.diagnoses} == {"fine"} and found.suspect is None
    assert seen(found, "end") == ("fine", "It ended well (completed) at step 60.")


def test_a_run_that_failed_says_where_and_what_next(realm: SmallRealm) -> None:
    realm.train(0, 30, run="r", fails="The loss became nan at step 31; the update was not made.")
    realm.workspace.log("hero").write_text(
        "begin\nTraceback (most recent call last):\nNonFinite: The loss became nan\n"
    )
    found = autopsy(realm.scene())
    assert seen(found, "end")[1].startswith("It failed at step 30: The loss became nan")
    assert found.suspect == 31 and "--rows" in found.diagnoses[0].advice
    assert "NonFinite: The loss became nan" in seen(found, "log")[1]


def test_a_killed_run(realm: SmallRealm) -> None:
    realm.train(0, 30, run="r", ends=False)
    realm.events.append(ServiceCrashed(service="hero", exit_code=-9, restarts=1, wait_seconds=0.1))
    found = autopsy(realm.scene())
    assert seen(found, "end")[0] == "bad" and "last step on record is 30" in seen(found, "end")[1]
    assert "SIGKILL" in seen(found, "process")[1] and seen(found, "hang")[0] == "note"


def test_memory_that_ran_out_and_spikes_are_told(realm: SmallRealm) -> None:
    realm.events.append(RunLightened(run="r", step=3, before=8, tokens=4, **realm.names))
    realm.train(0, 60, run="r", losses=lambda step: 8.0 if step == 40 else 0.5)
    found = autopsy(realm.scene())
    assert "ran out 1 times" in seen(found, "memory")[1] and found.suspect == 40
    assert "step 40 (8.00, usually 0.50)" in seen(found, "spikes")[1]
    json.dumps([each.as_json() for each in found.diagnoses])


@pytest.mark.parametrize(("text", "word"), [
    ("RuntimeError: CUDA out of memory. Tried", "card's memory"), ("MemoryError", "Memory ran out"),
    ("OSError: [Errno 28] No space left on device", "disk was full"),
])  # fmt: skip
def test_causes_in_the_log(realm: SmallRealm, text: str, word: str) -> None:
    realm.train(0, 5, run="r", ends=False)
    realm.workspace.log("hero").write_text(f"many lines\n{text}\n")
    assert word in seen(autopsy(realm.scene()), "log")[1]


def test_losses_that_are_no_numbers(realm: SmallRealm) -> None:
    realm.train(0, 30, run="r", losses=lambda step: math.nan if step == 30 else 1.0, fails="nan")
    assert seen(autopsy(realm.scene()), "learning rate")[0] == "bad"
