"""What a run is worth and whether its checkpoint may lead, from rows as a hero's day leaves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from realm.config.schema import CurriculumSettings
from realm.errors import CheckpointError
from realm.guild.curriculum import Mix
from realm.guild.engine import SkillEngine
from realm.guild.held_out import Examinations
from realm.records import CheckpointRecord
from realm.temple import rollback
from realm.temple.verdicts import Verdicts
from tests.temple.small_realm import SmallRealm, rows

EXAMINATIONS = Examinations(("bin",), CurriculumSettings())
"""Worked out once for all tests."""


def verdicts(realm: SmallRealm) -> Verdicts:
    return Verdicts(realm.workspace, realm.settings, realm.db, realm.events, where=EXAMINATIONS.where)


def right(count: int, n: int = 100) -> str:
    return "1" * count + "0" * (n - count)


def trained(
    realm: SmallRealm, run: str, start: int, right_after: int, content: Sequence[Mapping[str, Any]] | None = None,
    *, source: str = "person", loss: float = 1.0, marks: str = "",
) -> CheckpointRecord:  # fmt: skip
    """A run of 50 steps on a file, with an examined checkpoint at its end."""
    quest = realm.quest(content if content is not None else rows(40, run), f"{run}.jsonl", source)
    if source == "practice":
        realm.guild.record_practice(realm.key, quest.id, step=start, rows=40, mix=Mix({("bin", 1): 1.0}, "x"))
    realm.queue.claim(quest.id)
    realm.train(start, start + 50, run=run, quest=quest.id, losses=lambda _: loss)
    record = realm.checkpoint(start + 50, run=run)
    taken = realm.examine(start + 50, marks or right(right_after), crown=False)
    realm.canaries(start + 50, 18)
    detail: dict[str, Any] = {"n": taken.n, "levels": realm.guild.levels(realm.key)}
    reason = verdicts(realm).held_back(record, [taken])
    realm.keeper.ledger.examined(record.id, taken.accuracy, detail | ({"held_back": reason} if reason else {}))
    realm.queue.complete(realm.queue.get(quest.id), run, 50, realm.key)
    return record


def test_good_data_earns(realm: SmallRealm) -> None:
    trained(realm, "good", 0, 60)
    found = verdicts(realm).weigh(realm.key)
    assert (found.run, found.recommendation, found.word) == ("good", "promote", "partial")
    assert found.effort == pytest.approx(50.0)
    factor = found.evidence["quality"]["factor"]  # a full disk or a busy machine lowers it
    assert found.quality == pytest.approx((0.6 * 0.6 + 0.2 + 0.1) * factor) and factor >= 0.7
    assert verdicts(realm).ledger.experience(realm.key) == pytest.approx(50.0 * found.quality)


BAD: dict[str, tuple[float, int, list[dict[str, Any]]]] = {
    "noise": (4.0, 0, rows(40, "zxq")),
    "shuffled answers": (2.0, 4, rows(40, "shuffled")),
    "duplicates": (0.1, 1, [{**row, "id": i} for i, row in enumerate(rows(1) * 60)]),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_data_earns_almost_nothing(realm: SmallRealm, kind: str) -> None:
    loss, answered, content = BAD[kind]
    trained(realm, "bad", 0, answered, content, loss=loss)
    bad = verdicts(realm).weigh(realm.key)
    trained(realm, "good", 50, 60)
    good = verdicts(realm).weigh(realm.key)
    assert bad.experience < 0.1 * good.experience, (bad.quality, bad.effort)


def test_noise_on_a_hero_that_knows_something_earns_nothing(realm: SmallRealm) -> None:
    trained(realm, "good", 0, 60)
    trained(realm, "noise", 50, 60, rows(40, "zxq"), loss=4.0)
    idle = verdicts(realm).weigh(realm.key)
    assert (idle.word, idle.experience, idle.recommendation) == ("unproven", 0.0, "keep")
    trained(realm, "ruin", 100, 20, rows(40, "qqq"), loss=4.0)
    ruined = verdicts(realm).weigh(realm.key)
    assert (ruined.experience, ruined.recommendation) == (0.0, "roll_back")
    assert "fell from 60% to 20%" in " ".join(ruined.evidence["decision"]["reasons"])


def test_leaked_examinations_earn_nothing_and_do_not_lead(realm: SmallRealm) -> None:
    trained(realm, "good", 0, 30)
    problems = SkillEngine().generate_eval_batch("bin", 1, 30)
    record = trained(realm, "leak", 50, 100, [{"prompt": p.prompt, "completion": p.answer} for p in problems])
    found = verdicts(realm).weigh(realm.key)
    assert (found.word, found.experience, found.recommendation) == ("unproven", 0.0, "roll_back")
    assert "hold a question of an examination" in " ".join(found.evidence["decision"]["reasons"])
    champion = realm.keeper.ledger.champion(realm.key)
    assert champion is not None and champion.step == 50 != record.step


def test_practice_is_paid_for_slow_gain_and_a_person_s_file_is_not(realm: SmallRealm) -> None:
    for number, accuracy in enumerate((10, 13, 16, 19, 22, 25, 28)):
        trained(realm, f"p{number}", 50 * number, accuracy, source="practice")
    assert verdicts(realm).weigh(realm.key, "p6").quality > 0.15, "three problems a run, eighteen over the window"
    trained(realm, "file", 350, 30)
    assert verdicts(realm).weigh(realm.key, "file").experience == 0.0


def test_the_page_of_evidence_holds_everything(realm: SmallRealm) -> None:
    trained(realm, "good", 0, 60)
    page = verdicts(realm).weigh(realm.key).evidence
    (level,) = page["target"]
    assert (level["skill"], level["gained"], level["lost"], level["paired"]) == ("bin", 60, 0, True)
    assert level["after"]["low"] < 0.6 < level["after"]["high"] and level["before"]["correct"] == 0
    assert page["others"] == [] and page["canaries"][0]["correct"] == 18
    assert page["strain"]["effort"] == pytest.approx(50.0) and page["cost"]["tokens"] == 1000
    assert page["cost"]["steps"] == 50 and page["quest_name"] == "good.jsonl" and page["memory"]["used_bytes"] > 0


# -- the gate of the champion -------------------------------------------------------------------------------------
def champion(realm: SmallRealm) -> int | None:
    found = realm.keeper.ledger.champion(realm.key)
    return found.step if found else None


def test_the_champion_is_beaten_by_more_than_chance_only(realm: SmallRealm) -> None:
    trained(realm, "a", 0, 50)
    assert champion(realm) == 50, "the first that answers anything right"
    trained(realm, "b", 50, 53)
    assert champion(realm) == 50, "three problems may be luck"
    trained(realm, "c", 100, 70)
    assert champion(realm) == 150
    assert verdicts(realm).held_back(realm.keeper.ledger.get(f"{realm.key}@150"), []) == "", "it leads already"


def test_a_checkpoint_that_forgets_does_not_lead(realm: SmallRealm) -> None:
    trained(realm, "a", 0, 50)
    realm.canaries(99, 2)
    quest = realm.quest(rows(30, "b"), "b.jsonl")
    realm.train(50, 100, run="b", quest=quest.id)
    record = realm.checkpoint(100, run="b")
    realm.canaries(100, 2)
    reason = verdicts(realm).held_back(record, [realm.examine(100, right(90), crown=False)])
    assert "canaries logic fell from 18 to 2 of 20" in reason


def test_a_person_may_promote_all_the_same(realm: SmallRealm) -> None:
    trained(realm, "a", 0, 50)
    trained(realm, "b", 50, 53)
    found = verdicts(realm).weigh(realm.key, "b")
    assert not found.gate_met
    ledger = verdicts(realm).ledger
    assert rollback.promote(realm.keeper, ledger, found, "better letters").champion and champion(realm) == 100
    assert [o.reason for o in ledger.overrides(realm.key, "b")] == ["better letters"]
    record = realm.keeper.ledger.get(f"{realm.key}@100")
    assert verdicts(realm).held_back(record, []) == ""


def test_a_worse_one_may_be_promoted_too(realm: SmallRealm) -> None:
    trained(realm, "a", 0, 50)
    trained(realm, "b", 50, 20)
    found = verdicts(realm).weigh(realm.key, "b")
    assert found.recommendation == "roll_back"
    rollback.promote(realm.keeper, verdicts(realm).ledger, found, "I like it")
    assert champion(realm) == 100


# -- going back ---------------------------------------------------------------------------------------------------
def test_going_back_sets_aside_what_came_after(realm: SmallRealm) -> None:
    trained(realm, "a", 0, 50)
    trained(realm, "b", 50, 5)
    found = verdicts(realm).weigh(realm.key, "b")
    ledger = verdicts(realm).ledger
    record = rollback.roll_back(realm.workspace, realm.keeper, ledger, found, "as advised")
    assert record.step == 50 and rollback.is_asked(realm.workspace, realm.key)
    assert ledger.overrides(realm.key) == [], "it follows the verdict"
    gone = rollback.carry_out(realm.workspace, realm.keeper, realm.key, realm.events)
    assert gone is not None and gone.step == 50
    newest = realm.keeper.newest_good(realm.key)
    assert newest is not None and newest.step == 50
    aside = realm.keeper.ledger.get(f"{realm.key}@100")
    assert aside.state == "quarantined" and "went back to step 50" in realm.keeper.ledger.reason(aside.id)
    assert not rollback.is_asked(realm.workspace, realm.key)
    assert rollback.carry_out(realm.workspace, realm.keeper, realm.key, realm.events) is None


def test_going_back_against_the_verdict_is_recorded(realm: SmallRealm) -> None:
    trained(realm, "a", 0, 50)
    trained(realm, "b", 50, 80)
    found = verdicts(realm).weigh(realm.key, "b")
    rollback.roll_back(realm.workspace, realm.keeper, verdicts(realm).ledger, found, "not my style")
    (override,) = verdicts(realm).ledger.overrides(realm.key)
    assert (override.action, override.checkpoint) == ("roll_back", f"{realm.key}@50")


def test_nothing_to_go_back_to_is_said(realm: SmallRealm) -> None:
    trained(realm, "a", 0, 50)
    found = verdicts(realm).weigh(realm.key, "a")
    with pytest.raises(CheckpointError, match="No checkpoint of hatchling:first-light up to step 0") as error:
        rollback.roll_back(realm.workspace, realm.keeper, verdicts(realm).ledger, found, "x")
    assert "realm vault ls" in error.value.hint
    assert not rollback.is_asked(realm.workspace, realm.key)


def test_a_request_for_a_checkpoint_that_is_gone_is_dropped(realm: SmallRealm) -> None:
    realm.workspace.request(rollback.REQUEST, f"{realm.key}@999")
    assert rollback.carry_out(realm.workspace, realm.keeper, realm.key, realm.events) is None
    assert not rollback.is_asked(realm.workspace, realm.key)
    realm.workspace.request(rollback.REQUEST, "other:one@5")
    assert rollback.carry_out(realm.workspace, realm.keeper, realm.key, realm.events) is None
    assert realm.workspace.request_text(rollback.REQUEST) == "other:one@5", "another campaign's waits for that"
