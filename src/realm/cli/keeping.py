"""What several commands need of the vault: its keeper, and the checkpoint that a name means."""

from __future__ import annotations

from realm.cli.context import Realm
from realm.errors import CheckpointError, UsageError
from realm.guild.ledger import GuildLedger
from realm.records import CampaignKey, CheckpointRecord
from realm.vault.catalogue import Catalogue
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger
from realm.vault.manifest import checkpoint_id


def open_keeper(realm: Realm) -> Keeper:
    """The keeper of this workspace's checkpoints."""
    ledger = CheckpointLedger(realm.db, realm.events)
    guild = GuildLedger(realm.db, realm.events, realm.settings.curriculum)
    return Keeper(
        realm.workspace, ledger, realm.events, realm.settings.retention, realm.settings.storage,
        begun=guild.begun_from,
    )  # fmt: skip


def campaign_key(realm: Realm, hero: str, campaign: str) -> CampaignKey:
    """The campaign that is named; what is not, is of the one in play."""
    return CampaignKey(hero or realm.key.hero, campaign or realm.key.campaign)


def find_checkpoint(realm: Realm, ledger: CheckpointLedger, name: str) -> CheckpointRecord:
    """The checkpoint that is meant by an id, a step, a version, `latest` or `champion`.

    Raises CheckpointError and UsageError.
    """
    if name in {"latest", "champion"}:
        found = ledger.newest(realm.key) if name == "latest" else ledger.champion(realm.key)
        if found is None:
            raise CheckpointError(f"{realm.key} has no {name} checkpoint yet.", hint="Train first: realm play")
        return found
    if name.isdigit():
        return ledger.get(checkpoint_id(realm.key, int(name)))
    if "@" in name:
        return ledger.get(name)
    if version := Catalogue(realm.db, realm.events).named(name):
        return ledger.get(version.checkpoint)
    raise UsageError(
        f"'{name}' names no checkpoint.", hint="Give a step, an id as in realm vault ls, a version, or champion."
    )
