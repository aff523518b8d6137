"""What the parts of the Guild's ledger share: one database, one list of facts, one rule, one clock. Holds no query."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Connection

from realm.config.schema import CurriculumSettings
from realm.db import Database
from realm.events import Events
from realm.guild.engine import SkillEngine
from realm.guild.mastery import Rules
from realm.records import CampaignKey


class LedgerBase:
    """A part of the ledger; each fact is recorded in the transaction of its row."""

    def __init__(
        self,
        db: Database,
        events: Events,
        settings: CurriculumSettings | None = None,
        clock: Callable[[], float] = time.time,
        engine: SkillEngine | None = None,
    ) -> None:
        self._db = db
        self._events = events
        self.rules = Rules(engine or SkillEngine(), settings or CurriculumSettings())
        self._clock = clock

    def _forget_beyond(self, connection: Connection, key: CampaignKey, step: int) -> None:
        """Each part forgets what it knows of a campaign after a step, then asks the next one."""
