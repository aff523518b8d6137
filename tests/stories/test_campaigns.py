"""Several heroes in one workspace mix nothing, a switch waits for no quest, and a rerun repeats every loss."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from realm.cli.context import open_workspace
from realm.config import in_play
from realm.config.beginning import deciding_tables
from realm.db import open_database
from realm.events import Events, QuestCompleted, QuestReceived
from realm.guild import campaign_report
from realm.guild.campaigns import Campaigns
from realm.guild.ledger import GuildLedger
from realm.hero_loop import HeroLoop
from realm.quests.queue import Quest, QuestQueue
from realm.records import CampaignKey, StepMetrics
from realm.vault.files import verify
from realm.vault.ledger import CheckpointLedger
from realm.watchtower.metrics import Metrics, MetricsWriter
from realm.workspace import Workspace

from .conftest import SETTINGS, Nursery, quest_lines
from .test_ends import days, drop, facts

pytestmark = pytest.mark.slow

ONE, TWO = CampaignKey("hatchling", "story"), CampaignKey("twin", "side")
HEROES = SETTINGS + '\n[heroes.twin]\nbase_model = "hatchling"\nidle_generation = { enabled = false }\n'
PRACTISING = SETTINGS.replace("enabled = false", "enabled = true\nexamples = 40")


@pytest.fixture
def both(home: Workspace) -> Workspace:
    home.settings.write_text(HEROES)
    with campaigns(home) as made:
        made.create(TWO, {"campaign": {"seed": 5}})
    return home


@contextmanager
def campaigns(workspace: Workspace) -> Iterator[Campaigns]:
    realm = open_workspace(workspace)
    yield Campaigns(workspace, GuildLedger(realm.db, realm.events))
    realm.db.close()


@contextmanager
def awake(workspace: Workspace, cls: type[HeroLoop] = HeroLoop) -> Iterator[HeroLoop]:
    """The hero of the campaign in play, one day at a time."""
    realm = open_workspace(workspace, checkpoints=True)
    loop = cls(workspace, realm.settings, realm.db, realm.events)
    with workspace.hold("hero"):
        loop.wake()
        loop.open_queue()
        yield loop
    realm.db.close()


def losses(loop: HeroLoop) -> list[tuple[int, float]]:
    return [(m.step, m.loss) for m in Metrics(loop.db).after(loop.key, 0, 10_000)]


class SwitchedAway(HeroLoop):
    """A person puts the other campaign in play after the third step of a quest."""

    def on_step(self, quest: Quest, metrics: StepMetrics, writer: MetricsWriter) -> None:
        super().on_step(quest, metrics, writer)
        if metrics.quest_step == 3:
            Campaigns(self.workspace, self.guild).activate(str(TWO))


def test_two_heroes_side_by_side_mix_nothing(both: Workspace, tmp_path: Path) -> None:
    calm = Workspace(tmp_path / "calm")
    calm.create()
    calm.settings.write_text(HEROES)
    drop(calm, "alder")
    with awake(calm) as loop:
        days(loop, 1)
        expected = losses(loop)

    drop(both, "alder")
    with awake(both, SwitchedAway) as loop:
        assert loop.key == ONE
        while not loop.watch.has_moved():
            loop.day()
        stopped = loop.engine.progress
        assert stopped.quest_step == 3 and not stopped.quest_done
        assert loop.newest is not None and loop.newest.step == 3

    with awake(both) as loop:
        assert loop.key == TWO and loop.engine.progress.step == 0
        for _ in range(4):
            loop.day()
        assert loop.engine.progress.step == 0, "it trained what the other campaign has begun"
        drop(both, "birch")
        days(loop, 1)
        assert [f.name for f in facts(loop, QuestCompleted)] == ["birch.jsonl"]  # type: ignore[attr-defined]
        two_steps = loop.engine.progress.step
        two_losses = losses(loop)
        assert both.current_model.resolve().parent == both.checkpoints(TWO.hero, TWO.campaign)
        Campaigns(both, loop.guild).activate(str(ONE))

    with awake(both) as loop:
        assert loop.key == ONE and loop.engine.progress == stopped
        days(loop, 2)
        assert losses(loop) == expected, "going on after the switch is not what an uninterrupted run does"
        ledger, guild = CheckpointLedger(loop.db, loop.events), loop.guild
        for key, steps in ((ONE, loop.engine.progress.step), (TWO, two_steps)):
            newest = ledger.newest(key)
            assert newest is not None and newest.step == steps
            assert verify(Path(newest.path)).key == key
            assert Path(newest.path).parent == both.checkpoints(key.hero, key.campaign)
            assert {e.key for e in guild.examinations(key)} == {key}
            assert loop.queue.completed(key) == 1
        assert [(m.step, m.loss) for m in Metrics(loop.db).after(TWO, 0, 10_000)] == two_losses
        assert two_losses[0] != expected[0], "the seeds of the two are not the same"
        folders = {key: list(both.runs(key.hero, key.campaign).iterdir()) for key in (ONE, TWO)}
        assert len(folders[ONE]) == len(folders[TWO]) == 1


def test_a_hero_rests_while_its_campaign_is_paused_and_goes_on_where_it_was(home: Workspace) -> None:
    class Paused(HeroLoop):
        def on_step(self, quest: Quest, metrics: StepMetrics, writer: MetricsWriter) -> None:
            super().on_step(quest, metrics, writer)
            if metrics.step == 2:
                Campaigns(self.workspace, self.guild).change(str(self.key), "pause")
                time.sleep(1.1)  # the state is looked up once a second

    drop(home, "alder")
    with awake(home, Paused) as loop:
        while not loop.held():
            loop.day()
        at = loop.engine.progress
        assert at.quest_step >= 2 and not at.quest_done
        loop.day()
        assert loop.engine.progress == at and not facts(loop, QuestCompleted)
        Campaigns(home, loop.guild).change(str(loop.key), "continue")
        days(loop, 1)


def practised(workspace: Workspace, quests: int) -> tuple[list[str], list[tuple[int, float]], dict[str, object]]:
    """sha256 of each practice quest, every loss, and the report of the campaign."""
    with awake(workspace) as loop:
        days(loop, loop_quests(loop) + quests)
        mine = {p.quest for p in loop.guild.practices(loop.key, limit=quests)}
        received = [f for f in facts(loop, QuestReceived) if f.quest in mine]  # type: ignore[attr-defined]
        campaign = loop.guild.campaign(loop.key)
        assert campaign is not None
        return [f.sha256 for f in received], losses(loop), campaign_report.report(loop.guild, campaign, {})  # type: ignore[attr-defined]


def loop_quests(loop: HeroLoop) -> int:
    return len(facts(loop, QuestCompleted))


def test_a_rerun_practises_the_same_bytes_and_has_the_same_losses(home: Workspace, tmp_path: Path) -> None:
    home.settings.write_text(PRACTISING)
    files, expected, report = practised(home, 2)
    assert len(files) == 2 and len(expected) > 4
    exported = campaign_report.read(campaign_report.write(tmp_path / "method.json", report))
    elsewhere = Workspace(tmp_path / "elsewhere")
    elsewhere.create()
    for workspace in (home, elsewhere):  # beside the one that it repeats, and where nobody has heard of that
        with campaigns(workspace) as made:
            key = CampaignKey("hatchling", "again")
            made.create(key, exported["settings"])
            made.activate(str(key))
        again, losses_again, told = practised(workspace, 2)
        assert again == files
        assert losses_again == expected
        assert told["settings"] == exported["settings"]


def test_new_game_plus_begins_with_the_weights_and_earns_its_levels_anew(home: Workspace) -> None:
    drop(home, "alder")
    with awake(home) as loop:
        days(loop, 1)
        assert loop.newest is not None
        start, folder = loop.newest.id, loop.keeper.folder(loop.newest)
        answers = loop.answer(["alder 1?", "alder 2?"])
        plus = CampaignKey(ONE.hero, "plus")
        Campaigns(home, loop.guild).create(plus, {}, start=folder, starting_checkpoint=start)
        Campaigns(home, loop.guild).activate(str(plus))
    with awake(home) as loop:
        assert loop.key == plus and loop.engine.progress.step == 0 and loop.guild.levels(plus) == {}
        assert loop.answer(["alder 1?", "alder 2?"]) == answers
        begun = loop.guild.campaign(plus)
        assert begun is not None and begun.starting_checkpoint == start
        names = {file.name for file in home.campaign_start(plus.hero, plus.campaign).iterdir()}
        assert "model.safetensors" in names and "optimizer.pt" not in names and "realm.json" not in names
    with campaigns(home) as made:
        assert made.find("plus").starting_checkpoint == start


def test_a_campaign_that_goes_no_further_is_archived_and_leaves_its_method(home: Workspace) -> None:
    home.settings.write_text(PRACTISING + "\n[level_cap]\nminimum_tokens = 10\nexaminations = 3\n")

    class Dull(HeroLoop):
        def answer(self, prompts: object) -> list[str]:
            return ["?" for _ in prompts]  # type: ignore[attr-defined]

    with awake(home, Dull) as loop:
        for _ in range(12):
            loop.day()
        cap, campaign = loop.guild.level_cap(loop.key), loop.guild.campaign(loop.key)
        assert cap is not None and campaign is not None
        assert campaign.state == "maxed_out" and cap.levels == {"bin": 0}
        assert cap.evidence[0]["accuracies"] == [0.0, 0.0, 0.0]
        steps = loop.engine.progress.step
        loop.day()
        assert loop.engine.progress.step == steps, "it went on practising"
        told = campaign_report.read(home.campaign_method(*("hatchling", "story")))
        assert told["level_cap"]["levels"] == {"bin": 0}
        assert told["settings"] == deciding_tables(loop.settings, loop.key)


SWITCHES = 8


def test_kill_nine_during_a_switch_loses_nothing(nursery: Nursery, tmp_path: Path) -> None:
    """Heroes and switches are killed at random moments; both campaigns end as if nothing had happened."""
    moments = random.Random("switches")
    calm, stormy = (two_campaigns(tmp_path / name) for name in ("calm", "stormy"))
    expected = {}
    for key in (ONE, TWO):
        with campaigns(calm) as made:
            made.activate(str(key))
        assert nursery.live(calm.root) == 0
    expected = {key: told(calm, key) for key in (ONE, TWO)}
    for _ in range(SWITCHES):
        pid = nursery.start(stormy.root)
        time.sleep(moments.uniform(0.3, 1.5))
        target = moments.choice([ONE, TWO])
        switch = subprocess.Popen(
            [sys.executable, "-m", "realm", "-w", str(stormy.root), "campaign", "activate", str(target)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        time.sleep(moments.uniform(0.4, 1.6))
        switch.send_signal(signal.SIGKILL)
        switch.wait()
        nursery.kill(pid)
        assert in_play.key_of(in_play.load_in_play(stormy, {})) in {ONE, TWO}
    for key in (ONE, TWO):
        with campaigns(stormy) as made:
            made.activate(str(key))
        assert nursery.live(stormy.root) == 0
    assert {key: told(stormy, key) for key in (ONE, TWO)} == expected


def two_campaigns(root: Path) -> Workspace:
    """Each campaign has a quest that its sidecar gives to it alone."""
    workspace = Workspace(root)
    workspace.create()
    workspace.settings.write_text(HEROES)
    with campaigns(workspace) as made:
        made.create(TWO, {"campaign": {"seed": 5}})
    for key, name in ((ONE, "alder"), (TWO, "birch")):
        sidecar = f'{{"hero": "{key.hero}", "campaign": "{key.campaign}"}}'
        (workspace.inbox / f"{name}.jsonl.meta.json").write_text(sidecar)
        (workspace.inbox / f"{name}.jsonl").write_text(quest_lines(name, 400))
    return workspace


def told(workspace: Workspace, key: CampaignKey) -> tuple[object, ...]:
    """What a campaign has to show for itself: its losses, what it completed, its examinations."""
    db = open_database(workspace.database)
    events = Events(db)
    completed = Counter(
        r.fact.name
        for r in events.replay()
        if isinstance(r.fact, QuestCompleted) and (r.fact.hero, r.fact.campaign) == (key.hero, key.campaign)
    )
    guild = GuildLedger(db, events)
    steps = [(m.step, m.loss) for m in Metrics(db).after(key, 0, 10_000)]
    taken = [(e.step, e.level, e.n, e.correct) for e in guild.examinations(key)]
    tokens = guild.tokens(key, "bin")
    settings = in_play.load_in_play(workspace, {})
    waiting = QuestQueue(workspace, db, events, settings.quests).counts()["active"]
    newest = CheckpointLedger(db, events).newest(key)
    assert newest is not None
    verify(workspace.checkpoints(key.hero, key.campaign) / Path(newest.path).name)
    db.close()
    return completed, steps, taken, tokens, waiting
