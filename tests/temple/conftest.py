"""A small realm, empty and healthy."""

from __future__ import annotations

import pytest

from realm.config.layers import load
from realm.config.schema import RealmSettings
from realm.db import Database
from realm.workspace import Workspace
from tests.temple.small_realm import SmallRealm


@pytest.fixture
def settings() -> RealmSettings:
    return load(env={})


@pytest.fixture
def realm(workspace: Workspace, db: Database, settings: RealmSettings) -> SmallRealm:
    """Nothing has happened yet."""
    return SmallRealm(workspace, db, settings)


@pytest.fixture
def healthy(realm: SmallRealm) -> SmallRealm:
    return realm.healthy()
