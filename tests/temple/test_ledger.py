"""Verdicts and experience: stored with their facts, append-only, paid once, given back when a campaign goes back."""

from __future__ import annotations

import pytest

from realm.records import CampaignKey
from realm.temple.ledger import Verdict, VerdictLedger, experience_table
from tests.temple.small_realm import SmallRealm


def verdict(key: CampaignKey, run: str, step: int, effort: float = 10.0, quality: float = 0.5) -> Verdict:
    return Verdict(
        key=key, run=run, quest="q", checkpoint=f"{key}@{step}", start_step=step - 10, step=step, quality=quality,
        word="partial", recommendation="keep", effort=effort, evidence={"run": run}, findings=[{"status": "ok"}],
    )  # fmt: skip


@pytest.fixture
def ledger(realm: SmallRealm) -> VerdictLedger:
    return VerdictLedger(realm.db, realm.events, clock=lambda: 7.0)


def amounts(realm: SmallRealm) -> list[float]:
    with realm.db.read() as connection:
        return [row.amount for row in connection.execute(experience_table.select().order_by(experience_table.c.id))]


def test_a_verdict_is_kept_and_its_experience_paid(realm: SmallRealm, ledger: VerdictLedger) -> None:
    ledger.record(verdict(realm.key, "a", 10))
    found = ledger.find(realm.key, "a")
    assert found is not None and (found.experience, found.time) == (5.0, 7.0)
    assert found.evidence == {"run": "a"} and found.findings == [{"status": "ok"}]
    assert ledger.experience(realm.key) == 5.0 and ledger.find(realm.key, "b") is None
    (fact,) = [recorded.fact for recorded in realm.events.since(kinds=["verdict_given"])]
    assert fact.experience == 5.0 and fact.run == "a"  # type: ignore[attr-defined]


def test_weighing_again_settles_the_difference(realm: SmallRealm, ledger: VerdictLedger) -> None:
    for quality in (0.5, 0.5, 0.2):
        ledger.record(verdict(realm.key, "a", 10, quality=quality))
    assert ledger.experience(realm.key) == pytest.approx(2.0)
    assert amounts(realm) == pytest.approx([5.0, 0.0, -3.0])
    assert [v.quality for v in ledger.newest(realm.key)] == [0.2], "of one run the newest alone"


def test_going_back_gives_up_what_came_after_and_keeps_every_row(realm: SmallRealm, ledger: VerdictLedger) -> None:
    for step in (10, 20, 30):
        ledger.record(verdict(realm.key, f"r{step}", step))
    assert ledger.rewind(realm.key, 10) == pytest.approx(10.0)
    assert ledger.experience(realm.key) == pytest.approx(5.0)
    assert ledger.rewind(realm.key, 10) == 0.0, "twice is once"
    assert len(amounts(realm)) == 5 and amounts(realm)[:3] == [5.0, 5.0, 5.0]
    ledger.record(verdict(realm.key, "again", 20))
    assert ledger.experience(realm.key) == pytest.approx(10.0)


def test_campaigns_do_not_mix(realm: SmallRealm, ledger: VerdictLedger) -> None:
    other = CampaignKey("other", "one")
    ledger.record(verdict(other, "a", 10))
    assert ledger.experience(realm.key) == 0.0 and ledger.newest(realm.key) == []
    assert ledger.rewind(realm.key, 0) == 0.0 and ledger.experience(other) == 5.0


def test_an_override_is_kept_with_its_reason(realm: SmallRealm, ledger: VerdictLedger) -> None:
    ledger.override(realm.key, "a", "promote", f"{realm.key}@10", "it writes better letters")
    (found,) = ledger.overrides(realm.key, "a")
    assert (found.action, found.reason, found.time) == ("promote", "it writes better letters", 7.0)
    assert ledger.overrides(realm.key, "b") == []
    assert [r.kind for r in realm.events.since(kinds=["verdict_overridden"])] == ["verdict_overridden"]
