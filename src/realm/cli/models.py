"""The models of a realm by name: its heroes' checkpoints and their bases. Resolves names; the service serves them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from realm.cli.context import Realm, train_packages
from realm.config.in_play import key_of, load_in_play
from realm.config.layers import hero_name, resolve_hero
from realm.config.schema import RealmSettings
from realm.errors import UsageError
from realm.oracle.catalogue import Card, Model, unknown_model
from realm.records import CampaignKey, CheckpointRecord
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger
from realm.vault.manifest import checkpoint_id

if TYPE_CHECKING:
    from realm.heroes.hero import LoadedHero

BEST, NEWEST, BASE = "champion", "latest", "base"
LISTED = 50
"""Checkpoints of a campaign that are listed; any other answers to its name too."""


class RealmModels:
    """`hero`, `hero:champion`, `hero:latest`, `hero:base`, `hero:campaign`, `hero:campaign@champion|latest|STEP`.

    A hero alone is its champion, or its newest checkpoint while there is none, or its base. Without a campaign the one
    in play is meant, or the only one. Called in worker threads.
    """

    def __init__(self, realm: Realm) -> None:
        self._realm = realm
        self._ledger = CheckpointLedger(realm.db, realm.events)
        self._keeper = Keeper(realm.workspace, self._ledger, realm.events, realm.settings.retention)
        self._read: tuple[int, RealmSettings] = self._stamp(), realm.settings

    def find(self, name: str) -> Model:
        """What a name stands for now. Raises UsageError for one that stands for nothing."""
        if not name.isprintable():
            raise unknown_model(name)
        asked, _, rest = name.partition(":")
        settings = self._settings()
        try:
            hero = hero_name(settings, asked)
        except UsageError as error:
            raise unknown_model(name, error.hint) from error
        if rest == BASE:
            return self._base(settings, hero)
        record = self._record(name, hero, rest)
        if record is not None:
            return self._checkpoint(record)
        if not rest:
            return self._base(settings, hero)
        raise unknown_model(name, "no such checkpoint.")

    def cards(self) -> list[Card]:
        """The campaign in play first, then the others; of each the champion, the newest, and the checkpoints."""
        settings = self._settings()
        played = key_of(settings)
        keys = sorted(self._ledger.keys(), key=lambda key: (key != played, str(key)))
        cards = [card for key in keys if key.hero in settings.heroes for card in self._campaign(key, key == played)]
        heroes = dict.fromkeys([played.hero, *(key.hero for key in keys)])
        bases = [hero for hero in heroes if hero in settings.heroes]
        return [*cards, *(Card(f"{h}:{BASE}", f"{h}:{BASE}", about="before any training") for h in bases)]

    def folder(self, name: str) -> tuple[Model, Path, CheckpointRecord]:
        """A checkpoint's model and its folder, every byte as sealed. Raises UsageError for a base."""
        model = self.find(name)
        record = self._ledger.find(model.id)
        if record is None:
            raise UsageError(f"{model.id} is no checkpoint.", hint="Name one: realm vault ls")
        _, folder = self._keeper.named(record.hero, record.campaign, str(record.step))
        return model, folder, record

    def _campaign(self, key: CampaignKey, played: bool) -> Iterator[Card]:
        best, newest = self._ledger.champion(key), self._ledger.newest(key)
        for which, record in ((BEST, best), (NEWEST, newest)):
            if record is not None:
                card = _card(f"{key}@{which}", record)
                yield from [replace(card, name=f"{key.hero}:{which}"), card] if played else [card]
        for record in self._ledger.list(key, state="present", limit=LISTED):
            yield _card(record.id, record)

    def _record(self, name: str, hero: str, rest: str) -> CheckpointRecord | None:
        campaign, at, which = ("", "@", rest) if rest in (BEST, NEWEST) else rest.partition("@")
        if at and which not in (BEST, NEWEST) and not (which.isascii() and which.isdecimal() and len(which) < 16):
            raise unknown_model(name, f"after the @ stands a step, {BEST} or {NEWEST}.")
        key = CampaignKey(hero, campaign) if campaign else self._only_campaign(name, hero)
        if key is None:
            return None
        if which.isdecimal():
            record = self._ledger.find(checkpoint_id(key, int(which)))
            return record if record is not None and record.state == "present" else None
        best = None if which == NEWEST else self._ledger.champion(key)
        return best or (None if which == BEST else self._ledger.newest(key))

    def _only_campaign(self, name: str, hero: str) -> CampaignKey | None:
        """The campaign in play, if it is this hero's, else the only one that has a checkpoint."""
        played = key_of(self._settings())
        if played.hero == hero:
            return played
        names = self._ledger.campaigns(hero)
        if len(names) > 1:
            raise unknown_model(name, f"say which campaign: {', '.join(f'{hero}:{known}' for known in names)}.")
        return CampaignKey(hero, names[0]) if names else None

    def _checkpoint(self, record: CheckpointRecord) -> Model:
        weights = self._keeper.folder(record).glob("*.safetensors")
        return Model(record.id, partial(self._load, record), sum(file.stat().st_size for file in weights))

    def _load(self, record: CheckpointRecord) -> LoadedHero:
        with train_packages("Chat"):
            from realm.heroes.hero import load  # noqa: PLC0415 - the packages of training may be absent

            _, folder = self._keeper.named(record.hero, record.campaign, str(record.step))
            profile = resolve_hero(self._settings(), record.hero)
            return load(profile, models=self._realm.workspace.models, checkpoint=folder, name=record.id)

    def _base(self, settings: RealmSettings, hero: str) -> Model:
        return Model(f"{hero}:{BASE}", partial(self._load_base, settings, hero))

    def _load_base(self, settings: RealmSettings, hero: str) -> LoadedHero:
        with train_packages("Chat"):
            from realm.heroes.hero import load  # noqa: PLC0415 - as above

            models, seed = self._realm.workspace.models, settings.campaign.seed
            return load(resolve_hero(settings, hero), models=models, seed=seed, name=f"{hero}:{BASE}")

    def _settings(self) -> RealmSettings:
        """The settings of the campaign in play, read again when realm.toml was written."""
        stamp = self._stamp()
        if stamp != self._read[0]:
            self._read = stamp, load_in_play(self._realm.workspace, os.environ)
        return self._read[1]

    def _stamp(self) -> int:
        return self._realm.workspace.settings.stat().st_mtime_ns


def _card(name: str, record: CheckpointRecord) -> Card:
    levels = ", ".join(f"{skill.upper()} {level}" for skill, level in sorted(record.levels.items()) if level)
    accuracy = "" if record.accuracy is None else f"{record.accuracy:.0%} right when examined"
    about = "; ".join(part for part in (f"step {record.step}", levels, accuracy) if part)
    return Card(name, record.id, record.created, about)
