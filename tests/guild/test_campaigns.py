"""Campaigns of a workspace: any sequence of commands leaves ledger, realm.toml and settings in one mind."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from realm.config import in_play
from realm.config.beginning import deciding_tables, differences
from realm.db import Database, metadata, open_database
from realm.errors import ConfigError, RealmError, UsageError
from realm.events import CampaignActivated, CampaignChanged, CampaignMaxedOut, CampaignStarted, Events
from realm.guild.campaign_state import FOLLOWS, WORDS, after
from realm.guild.campaigns import Campaigns, CampaignWatch
from realm.guild.ledger import GuildLedger
from realm.guild.level_cap import SkillVerdict
from realm.records import CampaignKey
from realm.workspace import Workspace

FIRST = CampaignKey("hatchling", "first-light")
CAPPED = SkillVerdict("bin", True, 3, "bin: no further.", None, 1000, 10)


@pytest.fixture
def ledger(db: Database) -> GuildLedger:
    return GuildLedger(db, Events(db))


@pytest.fixture
def campaigns(workspace: Workspace, ledger: GuildLedger) -> Campaigns:
    return Campaigns(workspace, ledger, env={})


@pytest.mark.parametrize("state", sorted(WORDS))
@pytest.mark.parametrize("action", ["activate", "pause", "continue", "archive", "max_out"])
def test_what_may_not_follow_is_refused_with_the_next_step(state: str, action: str) -> None:
    if (state, action) in FOLLOWS:
        assert after(state, action, "c") == FOLLOWS[state, action]  # type: ignore[arg-type, index]
        return
    with pytest.raises(UsageError) as caught:
        after(state, action, "c")  # type: ignore[arg-type]
    assert WORDS[state] in caught.value.message  # type: ignore[index]
    assert "realm campaign continue c" in caught.value.hint


def test_a_hero_that_comes_later_begins_no_campaign(workspace: Workspace, campaigns: Campaigns) -> None:
    with pytest.raises(UsageError, match="DRAKE comes later"):
        campaigns.create(CampaignKey("DRAKE", "fire"), {})
    assert not workspace.campaign_settings("DRAKE", "fire").exists()


def test_a_campaign_has_settings_of_its_own(workspace: Workspace, campaigns: Campaigns) -> None:
    key = CampaignKey("smol", "deep")
    campaigns.create(key, {"campaign": {"seed": 7, "skills": ["bin"]}, "curriculum": {"threshold": 0.9}})
    assert in_play.load_in_play(workspace, {}).curriculum.threshold is None, "the skill's own"
    assert campaigns.activate("deep") == (key, FIRST)
    settings = in_play.load_in_play(workspace, {})
    assert (in_play.key_of(settings), settings.campaign.seed, settings.curriculum.threshold) == (key, 7, 0.9)
    campaigns.activate("first-light")
    settings = in_play.load_in_play(workspace, {})
    assert (in_play.key_of(settings), settings.campaign.seed, settings.curriculum.threshold) == (FIRST, 0, None)


def test_comments_of_realm_toml_stay_when_another_campaign_is_put_in_play(
    workspace: Workspace, campaigns: Campaigns
) -> None:
    campaigns.create(CampaignKey("hatchling", "two"), {})
    before = workspace.settings.read_text()
    campaigns.activate("two")
    campaigns.activate(str(FIRST))
    assert workspace.settings.read_text() == before


@pytest.mark.parametrize("name", ["", "a:b", "a@3", "../x", "a/b", ".hidden", "a b", "x" * 61, "-v", "a\\b", "a\nb"])
def test_a_name_that_cannot_be_one_is_refused(campaigns: Campaigns, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a campaign's name"):
        campaigns.create(CampaignKey("hatchling", name), {})


def test_mistakes_leave_nothing_behind(workspace: Workspace, campaigns: Campaigns, ledger: GuildLedger) -> None:
    with pytest.raises(UsageError, match="already"):
        campaigns.create(FIRST, {})
    with pytest.raises(ConfigError, match="thresold"):
        campaigns.create(CampaignKey("hatchling", "bad"), {"curriculum": {"thresold": 1}})
    with pytest.raises(RealmError):
        campaigns.create(CampaignKey("hatchling", "bad"), {"campaign": {"skills": ["binn"]}})
    assert ledger.campaigns() == []
    made = campaigns.create(CampaignKey("hatchling", "bad"), {"campaign": {"skills": ["bin"]}})
    assert made.skills == ("bin",)


def test_a_campaign_is_found_by_its_name_where_that_is_enough(campaigns: Campaigns) -> None:
    for hero in ("hatchling", "smol"):
        campaigns.create(CampaignKey(hero, "both"), {})
    assert campaigns.find("first-light").key == FIRST
    assert campaigns.find("smol:both").key == CampaignKey("smol", "both")
    with pytest.raises(UsageError, match="may mean hatchling:both, smol:both"):
        campaigns.find("both")
    with pytest.raises(UsageError) as caught:
        campaigns.find("first-ligth")
    assert caught.value.hint == "Did you mean 'first-light'?"


def test_the_environment_wins_and_says_so(workspace: Workspace, ledger: GuildLedger) -> None:
    pinned = Campaigns(workspace, ledger, env={"REALM_CAMPAIGN__NAME": "first-light"})
    pinned.create(CampaignKey("hatchling", "two"), {})
    with pytest.raises(ConfigError, match="REALM_CAMPAIGN__NAME"):
        pinned.activate("two")


def test_own_settings_that_name_another_campaign_are_refused(workspace: Workspace, campaigns: Campaigns) -> None:
    own = workspace.campaign_settings(FIRST.hero, FIRST.campaign)
    own.parent.mkdir(parents=True)
    own.write_text('[campaign]\nname = "other"\n')
    with pytest.raises(ConfigError, match="names the campaign hatchling:other"):
        in_play.load_in_play(workspace, {})


def test_a_watch_sees_a_move_and_a_rest(workspace: Workspace, campaigns: Campaigns, ledger: GuildLedger) -> None:
    campaigns.create(CampaignKey("hatchling", "two"), {})
    campaigns.change("first-light", "continue")
    watch = CampaignWatch(workspace, ledger, FIRST, clock=lambda: 0.0)
    assert not watch.is_called_away()
    workspace.settings.write_text(workspace.settings.read_text() + "# a remark\n")
    assert not watch.has_moved()
    workspace.settings.write_text("[campaign\n")  # a person is at it
    assert not watch.has_moved()
    workspace.settings.write_text('[campaign]\nhero = "hatchling"\nname = "first-light"\n')
    campaigns.change("first-light", "pause")
    assert not watch.rests() and watch.rests(now=True) and watch.is_called_away()
    campaigns.change("first-light", "continue")
    assert not watch.rests(now=True)
    campaigns.activate("two")
    assert watch.has_moved() and watch.is_called_away()


def test_a_level_cap_archives_with_evidence_and_is_forgotten_when_training_goes_back(
    campaigns: Campaigns, ledger: GuildLedger, db: Database
) -> None:
    campaigns.change("first-light", "continue")
    cap = ledger.max_out(FIRST, [CAPPED], step=900, tokens=5000)
    assert (cap.levels, cap.step, cap.evidence[0]["reason"]) == ({"bin": 3}, 900, "bin: no further.")
    assert ledger.campaign_state(FIRST) == "maxed_out"
    with pytest.raises(UsageError, match="maxed out"):
        ledger.max_out(FIRST, [CAPPED], step=901, tokens=5001)
    ledger.rewind(FIRST, 900)
    assert ledger.level_cap(FIRST) == cap
    ledger.rewind(FIRST, 899)
    assert ledger.level_cap(FIRST) is None and ledger.campaign_state(FIRST) == "active"


def test_deciding_tables_load_to_the_same_settings(workspace: Workspace, campaigns: Campaigns) -> None:
    one = in_play.load_in_play(workspace, {})
    tables = deciding_tables(one, FIRST)
    key = CampaignKey("hatchling", "again")
    campaigns.create(key, tables)
    mine = deciding_tables(in_play.settings_of(workspace, key, {}), key)
    assert differences(in_play.without_none(tables), in_play.without_none(mine)) == []
    assert mine["campaign"]["practice_seed"] == str(FIRST)


class Life(RuleBasedStateMachine):
    """Any sequence of commands, against what a plain table of states expects."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.workspace = Workspace(Path(self.folder.name))
        self.workspace.create()
        self.db = open_database(self.workspace.database, checkpoints=True)
        with self.db.write() as connection:
            metadata.create_all(connection)
        self.events = Events(self.db)
        self.ledger = GuildLedger(self.db, self.events)
        self.campaigns = Campaigns(self.workspace, self.ledger, env={})
        self.states: dict[CampaignKey, str] = {FIRST: "active"}
        self.playing = FIRST
        self.seeds = {FIRST: 0}

    names = st.sampled_from(["first-light", "b", "c"])
    heroes = st.sampled_from(["hatchling", "smol"])

    @rule(name=names, hero=heroes, seed=st.integers(0, 9))
    def create(self, name: str, hero: str, seed: int) -> None:
        key = CampaignKey(hero, name)
        if key in self.states:
            with pytest.raises(UsageError):
                self.campaigns.create(key, {"campaign": {"seed": seed}})
            return
        self.campaigns.create(key, {"campaign": {"seed": seed}})
        self.states[key], self.seeds[key] = "active", seed

    @rule(name=names, hero=heroes, action=st.sampled_from(["pause", "continue", "archive"]))
    def change(self, name: str, hero: str, action: str) -> None:
        key = CampaignKey(hero, name)
        follows = FOLLOWS.get((self.states.get(key, "none"), action))  # type: ignore[arg-type]
        if follows is None:
            with pytest.raises(UsageError):
                self.campaigns.change(str(key), action)  # type: ignore[arg-type]
        else:
            assert self.campaigns.change(str(key), action).state == follows  # type: ignore[arg-type]
            self.states[key] = follows

    @rule(name=names, hero=heroes)
    def activate(self, name: str, hero: str) -> None:
        key = CampaignKey(hero, name)
        if self.states.get(key) != "active":
            with pytest.raises(UsageError):
                self.campaigns.activate(str(key))
        else:
            assert self.campaigns.activate(str(key)) == (key, self.playing)
            self.playing = key

    @rule()
    def max_out(self) -> None:
        if self.states[self.playing] == "active" and self.ledger.campaign(self.playing):
            self.ledger.max_out(self.playing, [CAPPED], step=1, tokens=1)
            self.states[self.playing] = "maxed_out"

    @invariant()
    def one_mind(self) -> None:
        assert {each.key: each.state for each in self.campaigns.all()} == self.states
        assert self.campaigns.in_play() == self.playing
        assert in_play.load_in_play(self.workspace, {}).campaign.seed == self.seeds[self.playing]

    @invariant()
    def facts_tell_the_same(self) -> None:
        states: dict[CampaignKey, str] = {}
        playing = FIRST
        for recorded in self.events.replay():
            fact = recorded.fact
            key = CampaignKey(fact.hero, fact.campaign)
            if isinstance(fact, CampaignStarted):
                states[key] = "active"
            elif isinstance(fact, CampaignChanged):
                assert states[key] == fact.before
                states[key] = fact.state
            elif isinstance(fact, CampaignMaxedOut):
                states[key] = "maxed_out"
            elif isinstance(fact, CampaignActivated):
                assert fact.previous == str(playing)
                playing = key
        assert playing == self.playing
        assert all(self.states[key] == state for key, state in states.items())

    def teardown(self) -> None:
        self.db.close()
        self.folder.cleanup()


TestLife = Life.TestCase
TestLife.settings = examples(max_examples=12, stateful_step_count=15, deadline=None)
