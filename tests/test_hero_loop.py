"""What the hero's day refuses before anything is loaded; the stories train for real."""

from __future__ import annotations

import pytest

from realm.config.layers import load
from realm.db import Database
from realm.errors import UsageError
from realm.events import Events
from realm.hero_loop import HeroLoop
from realm.workspace import Workspace


def test_a_base_in_four_bits_is_refused_where_there_is_no_card(
    workspace: Workspace, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")  # no driver answers
    settings = load(overrides=["campaign.hero=FLO", "adapters.standard.quantize=nf4"], env={})
    with pytest.raises(UsageError, match="FLO is to learn on a base in 4 bits") as refused:
        HeroLoop(workspace, settings, db, Events(db))
    assert "realm config set adapters.standard.quantize none" in refused.value.hint
    HeroLoop(workspace, load(overrides=["campaign.hero=FLO"], env={}), db, Events(db))
