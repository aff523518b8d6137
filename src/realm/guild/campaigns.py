"""Campaigns of a workspace: made, put in play, paused, archived, continued, and watched by the hero that plays one.

realm.toml alone says which one is in play, the ledger in what state each is. Knows no model and no checkpoint.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from realm.config import in_play
from realm.config.beginning import deciding_tables
from realm.config.layers import load, resolve_hero
from realm.config.run_spec import installed_versions, program_commit
from realm.config.schema import RealmSettings
from realm.errors import CheckpointError, ConfigError, UsageError
from realm.guild.campaign_state import Action
from realm.guild.engine import SkillEngine
from realm.guild.ledger import GuildLedger
from realm.guild.tables import Campaign
from realm.records import CampaignKey
from realm.registry import nearest
from realm.workspace import Workspace

NAME = re.compile(r"[^\s:@/\\.-][^\s:@/\\]{0,59}")
POLL_SECONDS = 1.0
NOT_FOR_A_START = ("realm.json", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json",
                   "own_weights.safetensors", "quest_state.safetensors")  # fmt: skip
"""Files of a checkpoint that only going on needs: a New Game+ begins with the weights that were examined."""


def recorded(settings: RealmSettings, key: CampaignKey) -> dict[str, Any]:
    """The configuration that a campaign begins with, as its row keeps it."""
    return {
        "tables": deciding_tables(settings, key),
        "versions": installed_versions(),
        "git_commit": program_commit() or "",
    }


class Campaigns:
    """The campaigns of one workspace. Each change is one rename or transaction: a kill leaves the old or the new."""

    def __init__(self, workspace: Workspace, ledger: GuildLedger, env: Mapping[str, str] | None = None) -> None:
        self._workspace = workspace
        self._ledger = ledger
        self._env = os.environ if env is None else env

    def in_play(self) -> CampaignKey:
        """The campaign that realm.toml names."""
        return in_play.key_of(load(self._workspace.settings, env=self._env))

    def all(self) -> list[Campaign]:
        """Every campaign, oldest first; the one in play also before its hero has woken."""
        found = self._ledger.campaigns()
        key = self.in_play()
        return found if any(each.key == key for each in found) else [*found, self._not_begun(key)]

    def find(self, name: str) -> Campaign:
        """The campaign that is meant by `hero:campaign`, or by its name alone where that is enough.

        Raises UsageError that names the nearest one, or all that the name may mean.
        """
        every = self.all()
        found = [each for each in every if name in {str(each.key), each.key.campaign}]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(str(each.key) for each in found)
            raise UsageError(f"'{name}' may mean {names}.", hint="Name the hero too: HERO:CAMPAIGN")
        close = nearest(name, [each.key.campaign for each in every] + [str(each.key) for each in every])
        hint = f"Did you mean '{close}'?" if close else "See them all: realm campaign list"
        raise UsageError(f"There is no campaign '{name}'.", hint=hint)

    def create(
        self,
        key: CampaignKey,
        tables: Mapping[str, Any],
        *,
        start: Path | None = None,
        starting_checkpoint: str = "",
    ) -> Campaign:
        """Make a campaign with settings of its own, laid over those of the workspace.

        `start` is the folder of a checkpoint whose weights it begins with. Raises UsageError for a name that is taken
        or cannot be one, and ConfigError when its settings would not load.
        """
        if not NAME.fullmatch(key.campaign):
            raise UsageError(
                f"{key.campaign!r} cannot be a campaign's name.", hint="Use letters, digits, '-' and '_', at most 60."
            )
        hero = resolve_hero(load(self._workspace.settings, env=self._env), key.hero)
        if hero.status == "later":
            raise UsageError(f"{key.hero} comes later: {hero.reason}.", hint="Others: realm hero list")
        if any(each.key == key for each in self.all()):
            raise UsageError(
                f"There is a campaign {key} already.", hint=f"Choose another name, or: realm campaign activate {key}"
            )
        own = {**tables, "campaign": {**tables.get("campaign", {}), "starting_checkpoint": starting_checkpoint}}
        if start is not None:
            self._copy_start(start, self._workspace.campaign_start(key.hero, key.campaign))
        in_play.write_own_settings(self._workspace.campaign_settings(key.hero, key.campaign), own)
        settings = in_play.settings_of(self._workspace, key, self._env)
        require_skills(settings)
        return self._begin(key, settings)

    def activate(self, name: str) -> tuple[CampaignKey, CampaignKey]:
        """Put a campaign in play. Returns it and the one before. Raises UsageError where its state forbids it."""
        campaign, previous = self.find(name), self.in_play()
        for key in (previous, campaign.key):  # one that no hero has woken in is remembered too
            self._ensure(key)
        self.change(str(campaign.key), "activate")
        if campaign.key != previous:
            in_play.put_in_play(self._workspace, campaign.key, self._env)
            self._ledger.tell_activated(campaign.key, previous)
        return campaign.key, previous

    def change(self, name: str, action: Action) -> Campaign:
        """Pause, archive or continue a campaign. Raises UsageError where its state forbids it."""
        key = self.find(name).key
        self._ensure(key)
        self._ledger.change_campaign(key, action)
        return self.find(str(key))

    def _ensure(self, key: CampaignKey) -> None:
        if self._ledger.campaign(key) is None:
            self._begin(key, in_play.settings_of(self._workspace, key, self._env))

    def _begin(self, key: CampaignKey, settings: RealmSettings) -> Campaign:
        return self._ledger.begin(
            key, settings.campaign, settings=recorded(settings, key),
            starting_checkpoint=settings.campaign.starting_checkpoint,
        )  # fmt: skip

    def _not_begun(self, key: CampaignKey) -> Campaign:
        settings = in_play.settings_of(self._workspace, key, self._env)
        asked = settings.campaign
        return Campaign(key, time.time(), "active", asked.seed, asked.starting_checkpoint, asked.skills, {})

    @staticmethod
    def _copy_start(checkpoint: Path, folder: Path) -> None:
        """The folder appears whole; one that an earlier try left behind is replaced."""
        temporary = folder.with_name(f".{folder.name}.partial")
        for old in (temporary, folder):
            shutil.rmtree(old, ignore_errors=True)
        shutil.copytree(checkpoint, temporary, ignore=shutil.ignore_patterns(*NOT_FOR_A_START))
        temporary.rename(folder)


class CampaignWatch:
    """What the hero in play asks between its steps: is it still its turn?"""

    def __init__(
        self,
        workspace: Workspace,
        ledger: GuildLedger,
        key: CampaignKey,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = workspace.settings
        self._ledger = ledger
        self._key = key
        self._clock = clock
        self._stamp = self._look()
        self._named: CampaignKey | None = None
        self._named = self._name()
        self._moved = False
        self._rests = False
        self._due = 0.0

    @property
    def named(self) -> CampaignKey | None:
        """The campaign that realm.toml named when this watch began; None when it did not load then."""
        return self._named

    def is_called_away(self) -> bool:
        """Another campaign was put in play, or this one is not active. Cheap: asked at every step."""
        return self.has_moved() or self.rests()

    def has_moved(self) -> bool:
        """realm.toml names another campaign than when this watch began."""
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            self._moved = self._name() != self._named
        return self._moved

    def rests(self, *, now: bool = False) -> bool:
        """The campaign is paused, archived or maxed out; looked up about once a second, or `now`."""
        if now or self._clock() >= self._due:
            self._due = self._clock() + POLL_SECONDS
            self._rests = self._ledger.campaign_state(self._key) != "active"
        return self._rests

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_ino

    def _name(self) -> CampaignKey | None:
        """What realm.toml names now; while it does not load, for a person may be at it, what it named before."""
        try:
            return in_play.key_of(load(self._file, env=os.environ))
        except ConfigError:
            return self._named


def start_folder(workspace: Workspace, key: CampaignKey, starting_checkpoint: str) -> Path | None:
    """The weights that a New Game+ begins with; None for a new game. Raises CheckpointError when they are gone."""
    folder = workspace.campaign_start(key.hero, key.campaign)
    if starting_checkpoint and not folder.is_dir():
        raise CheckpointError(
            f"{key} begins with {starting_checkpoint}, but {folder} is gone.",
            hint="Put it back, or make the campaign anew: realm campaign create",
        )
    return folder if starting_checkpoint else None


def short_name(key: CampaignKey) -> str:
    """Eight digits that tell campaigns apart in the name of a file, however long their own names are."""
    return sha256(str(key).encode()).hexdigest()[:8]


def require_skills(settings: RealmSettings) -> None:
    """Raises UsageError, naming the nearest one, for a skill in focus that does not exist."""
    engine = SkillEngine()
    for skill in settings.campaign.skills:
        engine.get(skill)
