"""What the page says about canaries: every set that was asked, and in the log when one drifts."""

from __future__ import annotations

from fastapi.testclient import TestClient

from realm.guild.passives.drift import Sitting
from realm.guild.passives.ledger import CanaryLedger
from realm.tavern.canary_view import CanaryReader
from tests.tavern.demo import Demo


def record(demo: Demo, step: int, **correct: int) -> None:
    sittings = [
        Sitting(
            key=demo.key,
            step=step,
            module=name,
            problem_set="x",
            right=tuple(place < n for place in range(20)),
            time=step,
        )
        for name, n in correct.items()
    ]
    CanaryLedger(demo.db, demo.events, demo.settings.passives).record(sittings)


def test_each_set_stands_beside_its_best(demo: Demo) -> None:
    reader = CanaryReader(CanaryLedger(demo.db, demo.events, demo.settings.passives), demo.key)
    assert reader.read() == []
    record(demo, 100, core=18, memory=10)
    record(demo, 200, core=14, memory=12)
    core, memory = reader.read()
    assert (core.module, core.kind, core.severity, core.best_step, core.history) == (
        "core",
        "together",
        "warning",
        100,
        [0.9, 0.7],
    )
    assert (memory.kind, memory.severity, memory.best_step, memory.accuracy) == ("extended", "", 200, 0.6)
    record(demo, 300, core=18)
    assert [canary.severity for canary in reader.read()] == ["", ""]


def test_the_guild_page_and_the_log_tell_of_a_drift(page: TestClient, demo: Demo) -> None:
    assert "No canary has been asked yet." in page.get("/guild").text
    record(demo, 100, core=20)
    record(demo, 200, core=12)
    assert "critical: −40 points" in page.get("/guild").text
    assert "A canary falls silent: core answers 12 of 20, 40 points below step 100 (critical)." in page.get("/").text
    assert "Canaries core: 12/20, 40 points below step 100 (critical)." in page.get("/", params={"skin": "lab"}).text
    record(demo, 300, core=20)
    assert "critical" not in page.get("/guild").text
    assert "Canaries core recovered: 20/20 correct." in page.get("/", params={"skin": "lab"}).text
