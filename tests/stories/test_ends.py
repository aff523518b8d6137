"""How a quest ends when a person skips it, and when the process dies around that end. A kill is an exception that
nothing catches: what comes after it does not happen, and the next life has only what lies on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from realm.cli.context import open_workspace
from realm.events import Fact, QuestCompleted, QuestSkipped, RunFinished
from realm.hero_loop import HeroLoop
from realm.quests.queue import Quest
from realm.records import CheckpointRecord, RunResult, StepMetrics
from realm.watchtower.metrics import MetricsWriter
from realm.workspace import Workspace

from .conftest import quest_lines

pytestmark = pytest.mark.slow


class Killed(BaseException):
    """SIGKILL, as far as one process can play it."""


class Life(HeroLoop):
    """A hero whose person skips the quest after its second step."""

    skips = True

    def on_step(self, quest: Quest, metrics: StepMetrics, writer: MetricsWriter) -> None:
        super().on_step(quest, metrics, writer)
        if self.skips and metrics.quest_step == 2:
            self.workspace.request("skip", quest.id)


class Calm(Life):
    skips = False


class KilledInExamination(Life):
    def be_examined(self, checkpoint: CheckpointRecord) -> None:
        raise Killed


class KilledBeforeFiling(Life):
    def settle(self, quest: Quest, result: RunResult) -> None:
        raise Killed


class KilledAfterFiling(Life):
    def settle(self, quest: Quest, result: RunResult) -> None:
        super().settle(quest, result)
        self.workspace.request("skip", quest.id)  # the kill came before it was withdrawn
        raise Killed


@contextmanager
def life(workspace: Workspace, kind: type[HeroLoop] = Calm, *, awake: bool = True) -> Iterator[HeroLoop]:
    """A hero, awake and with its queue open."""
    realm = open_workspace(workspace, checkpoints=True)
    loop = kind(workspace, realm.settings, realm.db, realm.events)
    try:
        if awake:
            loop.wake()
            loop.open_queue()
        yield loop
    finally:
        realm.db.close()


def facts(loop: HeroLoop, kind: type[Fact]) -> list[Fact]:
    return [r.fact for r in loop.events.replay() if isinstance(r.fact, kind)]


def drop(workspace: Workspace, *names: str) -> None:
    for name in names:
        (workspace.inbox / f"{name}.jsonl").write_text(quest_lines(name, 400))


def days(loop: HeroLoop, count: int) -> None:
    """Days with a quest; resting ones, on which the inbox looks, come between."""
    for _ in range(100):
        ended = len(facts(loop, QuestCompleted)) + len(facts(loop, QuestSkipped))
        if ended >= count:
            return
        loop.day()
    raise AssertionError(f"{count} quests have not ended")


@pytest.mark.parametrize("killed", [KilledInExamination, KilledBeforeFiling, KilledAfterFiling])
def test_a_kill_around_a_skip_files_that_quest_as_skipped_and_spares_the_next(
    home: Workspace, killed: type[HeroLoop]
) -> None:
    drop(home, "alder")
    with life(home, killed) as loop, pytest.raises(Killed):
        days(loop, 1)
        raise AssertionError("it lived on")
    drop(home, "birch")
    with life(home) as loop:
        days(loop, 2)
        assert [f.name for f in facts(loop, QuestSkipped)] == ["alder.jsonl"]  # type: ignore[attr-defined]
        assert [f.name for f in facts(loop, QuestCompleted)] == ["birch.jsonl"]  # type: ignore[attr-defined]
        assert home.requests() == set()


@pytest.mark.parametrize("restarted", [False, True])
def test_a_skipped_quest_that_is_tried_again_is_trained(home: Workspace, restarted: bool) -> None:
    drop(home, "alder")
    with life(home, Life) as loop:
        days(loop, 1)
        skipped = facts(loop, QuestSkipped)[0]
        loop.queue.retry(skipped.quest)  # type: ignore[attr-defined]
        if not restarted:
            loop.skips = False  # type: ignore[attr-defined]
            days(loop, 2)
    with life(home) as loop:
        days(loop, 2)
        assert [f.name for f in facts(loop, QuestCompleted)] == ["alder.jsonl"]  # type: ignore[attr-defined]
        last = facts(loop, RunFinished)[-1]
        assert last.outcome == "completed" and last.steps > 2  # type: ignore[attr-defined]


def test_a_skip_that_was_asked_while_nothing_trained_skips_nothing(home: Workspace) -> None:
    home.request("skip")
    drop(home, "alder")
    with life(home) as loop:
        days(loop, 1)
        assert [f.name for f in facts(loop, QuestCompleted)] == ["alder.jsonl"]  # type: ignore[attr-defined]
        assert home.requests() == set()


def test_a_skip_of_another_quest_skips_nothing(home: Workspace) -> None:
    class Late(Calm):
        def on_step(self, quest: Quest, metrics: StepMetrics, writer: MetricsWriter) -> None:
            super().on_step(quest, metrics, writer)
            self.workspace.request("skip", "some-other-quest")

    drop(home, "alder")
    with life(home, Late) as loop:
        days(loop, 1)
        assert [f.name for f in facts(loop, QuestCompleted)] == ["alder.jsonl"]  # type: ignore[attr-defined]
