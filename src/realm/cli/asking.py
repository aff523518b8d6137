"""Asks a checkpoint something outside training: loads its hero, verified, and hands out who answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from realm.cli.context import Realm, train_packages
from realm.config.layers import resolve_hero
from realm.errors import CheckpointError, UsageError
from realm.guild.passives.canaries import Canaries, Greedy
from realm.guild.passives.drift import Sitting
from realm.guild.primitives import CATALOGUE, atoms
from realm.guild.primitives.rolling import Reading
from realm.records import CampaignKey, CheckpointRecord
from realm.vault import files
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger

PROBE_TOKENS = 64
"""A probe's answers may be longer than a canary's: one primitive asks for JSON."""


def checkpoint_of(realm: Realm, key: CampaignKey, name: str) -> CheckpointRecord:
    """The checkpoint that is meant. Raises CheckpointError when it is not there, UsageError for another campaign's."""
    ledger = CheckpointLedger(realm.db, realm.events)
    if name in {"latest", "champion"}:
        found = ledger.newest(key) if name == "latest" else ledger.champion(key)
        if found is None:
            raise CheckpointError(f"{key} has no {name} checkpoint yet.", hint="Train first: realm play")
    else:
        found = ledger.get(f"{key}@{name}" if name.isdigit() else name)
    if CampaignKey(found.hero, found.campaign) != key:
        raise UsageError(f"{found.id} is no checkpoint of {key}.", hint="Give --hero and --campaign as well.")
    if found.state != "present":
        raise CheckpointError(f"{found.id} is {found.state}.", hint="See which are there: realm vault ls")
    return found


def ask_canaries(realm: Realm, checkpoint: CheckpointRecord, names: Sequence[str]) -> list[Sitting]:
    answer, template_hash = _hero(realm, checkpoint)
    canaries = Canaries(realm.db, realm.events, realm.settings.passives)
    key = CampaignKey(checkpoint.hero, checkpoint.campaign)
    return canaries.ask(key, checkpoint.step, names, answer, template_hash)


def probe(realm: Realm, checkpoint: CheckpointRecord, count: int) -> Reading:
    """Each primitive asked alone, on problems of the examination side, in one generation."""
    answer, _ = _hero(realm, checkpoint)
    asked = [problem for name in CATALOGUE for problem in atoms.batch(name, count, "probe", side="exam")]
    limit = max(PROBE_TOKENS, realm.settings.passives.max_new_tokens)
    answers = answer([problem.prompt for problem in asked], max_new_tokens=limit, before_batch=lambda: None)
    told: dict[str, tuple[int, int]] = {}
    for problem, response in zip(asked, answers, strict=True):
        correct, n = told.get(problem.primitives[0], (0, 0))
        told[problem.primitives[0]] = (correct + atoms.score(problem, response).correct, n + 1)
    return Reading(checkpoint.step, atoms.SKILL, "probe", told)


def _hero(realm: Realm, checkpoint: CheckpointRecord) -> tuple[Greedy, str]:
    """Who answers, loaded from a verified checkpoint, and the hash of the form in which it is asked."""
    keeper = Keeper(realm.workspace, CheckpointLedger(realm.db, realm.events), realm.events, realm.settings.retention)
    folder = keeper.folder(checkpoint)
    with keeper.leases.reading(checkpoint.id, "asking"), train_packages("Asking a checkpoint"):
        files.verify(folder)
        from realm.heroes import hero as heroes  # noqa: PLC0415 - torch stays behind this door

        profile = resolve_hero(realm.settings, checkpoint.hero)
        loaded = heroes.load(profile, models=realm.workspace.models, checkpoint=folder, name=checkpoint.hero)

    def answer(
        prompts: Sequence[str], /, *, max_new_tokens: int, before_batch: Callable[[], object] = lambda: None
    ) -> list[str]:
        return loaded.answer(prompts, max_new_tokens=max_new_tokens, before_batch=before_batch)

    return answer, loaded.form_hash
