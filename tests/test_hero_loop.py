"""What the hero's day refuses before anything is loaded; the stories train for real."""

from __future__ import annotations

import pytest

from realm.config.layers import load
from realm.db import Database
from realm.errors import HeroError
from realm.events import Events
from realm.hero_loop import HeroLoop
from realm.workspace import Workspace


def test_a_hero_with_an_adapter_is_refused_in_words(workspace: Workspace, db: Database) -> None:
    settings = load(overrides=["campaign.hero=FLO"], env={})
    with pytest.raises(HeroError, match="FLO learns through the adapter 'standard'") as refused:
        HeroLoop(workspace, settings, db, Events(db))
    assert refused.value.hint.endswith("realm config set heroes.FLO.adapter none")
    HeroLoop(workspace, load(overrides=["campaign.hero=FLO", "heroes.FLO.adapter=none"], env={}), db, Events(db))
