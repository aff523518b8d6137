"""Names of models: what each stands for, that it moves with the champion, and what it is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from realm.cli.context import Realm, open_workspace
from realm.cli.models import RealmModels
from realm.config.schema import RetentionSettings
from realm.errors import RealmError, UsageError
from realm.records import CampaignKey, Progress
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger
from realm.vault.manifest import ManifestFacts
from realm.workspace import Workspace
from tests.arena.arena_support import small_hero

KEY = CampaignKey("hatchling", "first-light")


@pytest.fixture
def realm(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Realm]:
    monkeypatch.setenv("REALM_HOME", str(workspace.root))
    opened = open_workspace(workspace, checkpoints=True)
    yield opened
    opened.db.close()


def save(realm: Realm, step: int, accuracy: float | None = None, key: CampaignKey = KEY) -> str:
    """Seal a small hero's checkpoint, and let it have been examined."""
    hero = small_hero(str(step))

    def write(folder: Path) -> None:
        hero.model.save_pretrained(folder)
        hero.tokenizer.save_pretrained(folder)

    facts = ManifestFacts(
        hero=key.hero, campaign=key.campaign, progress=Progress(step=step, run="r", quest="q"), run="r",
        quests=(), configuration={}, metrics={}, levels={}, created=1_700_000_000.0 + 60 * step,
    )  # fmt: skip
    ledger = CheckpointLedger(realm.db, realm.events)
    record = Keeper(realm.workspace, ledger, realm.events, RetentionSettings(enabled=False)).save(key, write, facts)
    if accuracy is not None:
        ledger.examined(record.id, accuracy, {"n": 100})
    return record.id


def test_each_name_stands_for_its_checkpoint(realm: Realm) -> None:
    best, newest = save(realm, 10, 0.8), save(realm, 20, 0.5)
    models = RealmModels(realm)
    for name in ("hatchling", "Hatchling:champion", "hatchling:first-light", "hatchling:first-light@champion", best):
        assert models.find(name).id == best
    for name in ("hatchling:latest", "hatchling:first-light@latest", newest):
        assert models.find(name).id == newest
    assert models.find("hatchling:base").id == "hatchling:base"
    better = save(realm, 30, 0.9)
    assert models.find("hatchling:champion").id == better, "the name has moved"
    names = [card.name for card in models.cards()]
    assert names[:4] == ["hatchling:champion", f"{KEY}@champion", "hatchling:latest", f"{KEY}@latest"]
    assert {best, newest, better, "hatchling:base"} <= set(names)
    assert all(models.find(name) for name in names)


def test_a_checkpoint_is_loaded_as_it_was_saved(realm: Realm) -> None:
    name = save(realm, 10)
    model = RealmModels(realm).find(name)
    loaded, own = model.load(), small_hero("10")
    assert loaded.name == name and model.size_bytes > 0
    assert all(bool((a == b).all()) for a, b in zip(loaded.model.parameters(), own.model.parameters(), strict=True))


def test_a_hero_without_a_checkpoint_is_its_base(realm: Realm) -> None:
    assert RealmModels(realm).find("hatchling").id == "hatchling:base"
    assert RealmModels(realm).find("hatchling:base").load().model.num_parameters() > 0


@pytest.mark.parametrize(
    "name",
    [
        "", ":", "@", "nobody", "hatchling:champion", "hatchling:none", "hatchling:@5",
        "hatchling:first-light@x", "hatchling:first-light@²", "hatchling:first-light@99999999999999999999",
        "hatchling:../../etc", "../../etc/passwd", "hatchling:first-light@5/../..", "hatchling\0", "hatchling:\ud800",
    ],
)  # fmt: skip
def test_a_name_that_stands_for_nothing_is_said_in_words(realm: Realm, name: str) -> None:
    with pytest.raises(UsageError, match="There is no model") as refused:
        RealmModels(realm).find(name)
    assert refused.value.param == "model" and refused.value.hint


def test_of_several_campaigns_one_must_be_named(realm: Realm) -> None:
    save(realm, 10, key=CampaignKey("smol", "one"))
    assert RealmModels(realm).find("smol").id == "smol:one@10"
    save(realm, 10, key=CampaignKey("smol", "two"))
    with pytest.raises(UsageError, match="smol:one, smol:two"):
        RealmModels(realm).find("smol")
    assert RealmModels(realm).find("smol:two").id == "smol:two@10"


def test_a_corrupt_checkpoint_is_not_served(realm: Realm) -> None:
    name = save(realm, 10)
    model, folder, _ = RealmModels(realm).folder(name)
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.chmod(0o644)
    weights.write_bytes(bytes(content))
    with pytest.raises(RealmError, match=r"model\.safetensors"):
        model.load()
