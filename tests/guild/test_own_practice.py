"""The practice of a campaign: what is made, what pauses it, and how it goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from realm.config.layers import load
from realm.db import Database
from realm.errors import UsageError
from realm.events import BlockerCleared, BlockerRaised, Events
from realm.guild.curriculum import Mix
from realm.guild.engine import SkillEngine
from realm.guild.ledger import GuildLedger
from realm.guild.own_practice import RESUME, RETRY_SECONDS, Batch, OwnPractice, Standing, overlook, paused
from realm.guild.progression import Examination
from realm.guild.skill import Problem, Side
from realm.guild.strain import Advice
from realm.records import CampaignKey, PastRow
from realm.registry import Registry
from realm.workspace import Workspace
from tests.guild.tiny_skills import NumberSkill, double

KEY = CampaignKey("hatchling", "test")
MIX = Mix({("double", 1): 1.0}, "because")


class Broken(NumberSkill):
    """Gives one problem over and over until it is mended."""

    mended = False

    def generate(self, level: int, seed: str, *, side: Side = "train", kind: Any = None) -> Problem:
        return super().generate(level, seed if self.mended or side == "exam" else "always", side=side, kind=kind)


class Room:
    """An own practice with a clock and a skill that the test turns."""

    def __init__(self, workspace: Workspace, db: Database, *, skill: NumberSkill, **guards: object) -> None:
        self.workspace, self.events = workspace, Events(db)
        self.ledger = GuildLedger(db, self.events)
        self.settings = load(
            overrides=["campaign.skills=double", *(f"guards.{k}={v}" for k, v in guards.items())], env={}
        )
        self.now, self.step = 100.0, 0
        self.advice: dict[str, Advice] = {}
        self.loss: float | None = 1.0
        self.past: list[PastRow] = []
        self.plans = 0
        registry: Registry[Any] = Registry("skill")
        registry.register("double", lambda: skill)
        self.engine = SkillEngine(registry)
        self.wake()

    def wake(self) -> None:
        self.own = OwnPractice(
            KEY, self.ledger, self.engine, self.events, self.workspace, self.settings, clock=lambda: self.now
        )

    def plan(self) -> Mix:
        self.plans += 1
        return MIX

    def make(self, count: int = 100) -> Batch | None:
        """One practice quest, noted as the hero loop notes it."""
        standing = Standing(self.step, self.advice, self.loss)
        batch = self.own.batch(
            self.plan, count, f"seed/{self.ledger.practice_count(KEY)}", standing, lambda: iter(self.past)
        )
        if batch is not None:
            self.ledger.record_practice(
                KEY, f"q{self.plans}", step=self.step, rows=count, mix=batch.mix, advice=self.advice
            )
        return batch

    def told(self) -> list[str]:
        """Blockers raised (their reason) and cleared, in order."""
        facts = (r.fact for r in self.events.replay(kinds=["blocker_raised", "blocker_cleared"]))
        return [
            f.why if isinstance(f, BlockerRaised) else "cleared"
            for f in facts
            if isinstance(f, BlockerRaised | BlockerCleared)
        ]


@pytest.fixture
def broken() -> Broken:
    return Broken("double", double)


@pytest.fixture
def room(workspace: Workspace, db: Database, broken: Broken) -> Iterator[Room]:
    yield Room(workspace, db, skill=broken)


def test_a_skill_that_repeats_itself_pauses_practice_until_it_is_mended(room: Room, broken: Broken) -> None:
    assert room.make() is None
    (why,) = room.told()
    assert "100 problems for practice of double level 1 held 1 different ones" in why
    standing = paused(room.events, KEY)
    assert standing is not None and "realm skill sample double --level 1" in standing.fix
    broken.mended = True
    assert room.make() is None and room.plans == 1, "not asked again at once"
    room.now += RETRY_SECONDS
    batch = room.make()
    assert batch is not None and len({p.content for p in batch.problems}) > 50
    assert room.told() == [why, "cleared"] and paused(room.events, KEY) is None


def test_it_is_asked_again_after_something_was_trained(room: Room) -> None:
    room.make()
    room.step += 40
    room.make()
    assert room.plans == 2 and len(room.told()) == 1, "the same blocker is said once"


def test_a_process_that_wakes_knows_what_stands(room: Room, broken: Broken) -> None:
    room.make()
    room.wake()
    assert room.make() is None and len(room.told()) == 1
    broken.mended = True
    room.wake()
    assert room.make() is not None and room.told()[-1] == "cleared"


def test_a_person_may_let_it_go_on(room: Room) -> None:
    room.make()
    assert overlook(room.workspace, room.ledger, KEY, 2) == 2
    assert room.make() is not None and room.told()[-1] == "cleared"
    assert room.make() is not None
    assert room.make() is None and room.told()[-1] != "cleared"
    assert RESUME not in room.workspace.requests(), "the request is used up"


def test_a_request_for_another_campaign_or_without_sense_is_put_away(room: Room) -> None:
    for text in (f"{CampaignKey('smol', 'x')} 99", "nonsense", f"{KEY} many"):
        room.workspace.request(RESUME, text)
        room.wake()
        assert room.make() is None and RESUME not in room.workspace.requests()


def test_overload_pauses_and_falling_strain_clears(workspace: Workspace, db: Database) -> None:
    room = Room(workspace, db, skill=NumberSkill("double", double), overload_quests=3)
    room.advice = {"double": "back_off"}
    assert [room.make() is not None for _ in range(4)] == [True, True, True, False]
    assert "stayed in overload through 3" in room.told()[0]
    room.step += 50
    room.advice = {"double": "continue"}
    assert room.make() is not None and room.told()[-1] == "cleared"


def test_no_loss_and_falling_accuracy_pause(workspace: Workspace, db: Database) -> None:
    room = Room(workspace, db, skill=NumberSkill("double", double))
    for step, correct in ((10, 75), (20, 30)):
        taken = Examination(key=KEY, step=step, skill="double", level=1, role="frontier", n=100, correct=correct)
        room.ledger.record([taken])
    assert room.make() is not None
    room.loss = 0.0004
    assert room.make() is None and "fell from 75% to 30%" in room.told()[0]


def test_guards_can_be_turned_off(workspace: Workspace, db: Database, broken: Broken) -> None:
    room = Room(workspace, db, skill=broken, enabled="false")
    assert room.make() is not None and room.told() == []


def test_a_mistake_in_the_settings_is_a_blocker_and_not_an_end(room: Room, broken: Broken) -> None:
    def refused() -> Mix:
        raise UsageError("There is no skill in focus named 'x'.", hint="Did you mean 'y'?")

    assert room.own.batch(refused, 10, "s", Standing(0, {}, None), lambda: []) is None
    assert room.told() == ["There is no skill in focus named 'x'."]


def person(rows: int, quest: str = "abc") -> list[PastRow]:
    return [
        PastRow(quest, "notes.jsonl", "f" * 64, n, {"prompt": f"Q{n}?", "completion": f"A{n}"})
        for n in range(1, rows + 1)
    ]


def test_real_rows_take_their_share_and_the_sidecar_tells_of_them(room: Room, broken: Broken, tmp_path: Path) -> None:
    broken.mended = True
    room.past = person(300)
    batch = room.make(200)
    assert batch is not None and (len(batch.grounded), len(batch.problems)) == (20, 180)
    assert batch.mix.reason == "because 20 of 200 rows are real ones, of 1 completed file."
    path = batch.write(tmp_path / "p.jsonl", "s")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    real = {row["meta"]["origin"]["row"]: row for row in rows if "origin" in row["meta"]}
    assert len(rows) == 200 and len(real) == 20
    assert all(row["prompt"] == f"Q{n}?" and row["completion"] == f"A{n}" for n, row in real.items())
    about = json.loads((tmp_path / "p.jsonl.meta.json").read_text(encoding="utf-8"))
    (origin,) = about["grounding"]
    assert (origin["quest"], origin["name"], set(origin["rows"])) == ("abc", "notes.jsonl", set(real))
    assert about["variety"]["double/1"]["unique"] > 0.5 and about["parameters"]["rows"] == 200


def test_few_real_rows_are_not_repeated(room: Room, broken: Broken) -> None:
    broken.mended = True
    room.past = person(3)
    batch = room.make(200)
    assert batch is not None and (len(batch.grounded), len(batch.problems)) == (3, 197)
    room.settings = load(overrides=["campaign.skills=double", "guards.grounding_share=0"], env={})
    room.wake()
    batch = room.make(200)
    assert batch is not None and not batch.grounded


def test_what_the_examination_asks_does_not_come_back_as_a_real_row(room: Room, broken: Broken) -> None:
    broken.mended = True
    asked = room.engine.generate_eval_batch("double", 2, 100)
    room.past = [
        PastRow("q", "leak.jsonl", "", n, {"prompt": p.prompt, "completion": p.answer}) for n, p in enumerate(asked)
    ]
    room.past += person(10)
    batch = room.make(100)
    assert batch is not None and {row.origin.quest for row in batch.grounded} == {"abc"}
