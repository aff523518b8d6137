"""What a hero does when it wakes: it ends what a kill cut short, it lives while it loads, and an examination that is
only looked at leaves no trace. A kill is an exception that nothing catches."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from realm.events import LevelGained, QuestCompleted
from realm.guild.progression import Examination
from realm.hero_loop import HeroLoop
from realm.heroes import kv_cache
from realm.records import CheckpointRecord
from realm.weaver.heartbeat import Heartbeat
from realm.workspace import Workspace

from .conftest import SETTINGS
from .test_ends import Killed, days, drop, facts, life

pytestmark = pytest.mark.slow

EASY = SETTINGS.replace("[curriculum]", "[curriculum]\nthreshold = 0.01")
"""One right answer in twelve masters a level."""


class Lucky(HeroLoop):
    """Answers everything with what is asked for most, so that some answers are right."""

    def sit(self, *given: object) -> list[Examination]:
        return [replace(taken, correct=taken.n) for taken in super().sit(*given)]  # type: ignore[arg-type]


class KilledBeforeStanding(Lucky):
    def standing(self, taken: Sequence[Examination]) -> tuple[float, dict[str, object]]:
        raise Killed


def test_a_checkpoint_whose_examination_was_recorded_gets_its_standing_when_the_hero_wakes(home: Workspace) -> None:
    drop(home, "alder")
    with life(home, KilledBeforeStanding) as loop, pytest.raises(Killed):
        days(loop, 1)
        raise AssertionError("it lived on")
    with life(home, Lucky) as loop:
        assert loop.newest is not None
        found = loop.keeper.ledger.get(loop.newest.id)
        taken = loop.guild.newest(loop.key)
        assert found.accuracy == pytest.approx(sum(e.correct for e in taken) / sum(e.n for e in taken))
        assert found.champion
        assert loop.keeper.ledger.examination(found.id)["n"] == sum(e.n for e in taken)


def test_a_level_that_was_won_before_a_kill_begins_for_the_strain_meter_too(home: Workspace) -> None:
    drop(home, "alder")
    with life(home, Lucky) as loop:
        days(loop, 1)
        assert facts(loop, LevelGained)
        before = loop.strain("bin").state()
    with life(home, Lucky) as loop:
        assert loop.strain("bin").state() == before


class Counted(Heartbeat):
    """Remembers when it beat."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, every_seconds=0.002)
        self.beats: list[float] = []

    def beat(self) -> None:
        super().beat()
        self.beats.append(time.monotonic())


def test_a_hero_shows_life_while_it_loads_and_between_the_batches_of_an_examination(
    home: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kv_cache, "CACHE_BYTES", kv_cache.CACHE_BYTES // 40)  # so that they need several batches
    with life(home, awake=False) as loop:
        heart = loop.heart = Counted(home.logs / "hero.beat")
        loop.wake()
        assert len(heart.beats) > 2
        assert max(after - before for before, after in pairwise(heart.beats)) < 2
        prompts = [f"{'9' * (i % 7)} {i}?" for i in range(150)]
        heart.beats.clear()
        answers = loop.answer(prompts)
        assert 1 < len(heart.beats) < len(prompts)
        assert answers == one_by_one(loop, prompts)


def one_by_one(loop: HeroLoop, prompts: Sequence[str]) -> list[str]:
    """Each prompt asked alone."""
    return [loop.engine.answer([prompt], max_new_tokens=24)[0] for prompt in prompts]


def test_a_look_at_the_hero_records_no_examination(home: Workspace) -> None:
    class Unexamined(HeroLoop):
        def be_examined(self, checkpoint: CheckpointRecord) -> None:
            raise Killed

    drop(home, "alder")
    with life(home, Unexamined) as loop, pytest.raises(Killed):
        days(loop, 1)
        raise AssertionError("it lived on")
    with life(home, awake=False) as loop:
        before = loop.events.last_id()
        looked = loop.examine_now(["bin"])
        assert looked and looked[0].n == 12
        assert loop.guild.newest(loop.key) == []
        assert loop.events.last_id() == before


def test_each_level_is_told_the_tokens_that_practice_spent_on_it(home: Workspace) -> None:
    home.settings.write_text(SETTINGS.replace("enabled = false", "enabled = true\nexamples = 100"))
    with life(home) as loop:
        days(loop, 1)
        spent = loop.engine.progress.tokens
        by_level = loop.guild.tokens(loop.key, "bin")
        assert len(by_level) > 1 and sum(by_level.values()) == spent
        planned = loop.guild.practices(loop.key)[0].mix
        assert {int(cell.rpartition("/")[2]) for cell in planned} == set(by_level)
        drop(home, "alder")
        while len(facts(loop, QuestCompleted)) < 2:
            loop.day()
        assert "alder.jsonl" in [f.name for f in facts(loop, QuestCompleted)]  # type: ignore[attr-defined]
        assert loop.guild.tokens(loop.key, "bin") == by_level, "nobody knows what a person's file practised"
