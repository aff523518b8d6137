"""The table of campaigns: which there are, what each began with, and in what state it is. Knows no examination."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from realm.config.schema import CampaignSettings
from realm.events import CampaignStarted
from realm.guild.ledger_base import LedgerBase
from realm.guild.tables import Campaign, CampaignState, as_campaign, campaign_table, of
from realm.records import CampaignKey


class CampaignLedger(LedgerBase):
    """Reads and writes `campaign`."""

    def begin(
        self,
        key: CampaignKey,
        campaign: CampaignSettings,
        *,
        settings: Mapping[str, Any] | None = None,
        starting_checkpoint: str = "",
    ) -> Campaign:
        """The campaign, made if it is new. One that stands keeps what it began with.

        `settings` is the resolved configuration; without a `starting_checkpoint` it is a new game.
        """
        with self._db.write() as connection:
            if (found := _campaign(connection, key)) is None:
                connection.execute(
                    campaign_table.insert(),
                    {
                        "hero": key.hero,
                        "campaign": key.campaign,
                        "created": self._clock(),
                        "state": "active",
                        "seed": campaign.seed,
                        "starting_checkpoint": starting_checkpoint,
                        "skills": json.dumps(campaign.skills),
                        "settings": json.dumps(dict(settings or {})),
                    },
                )
                self._events.append_in(connection, CampaignStarted(hero=key.hero, campaign=key.campaign))
                found = _campaign(connection, key)
        assert found is not None
        return found

    def campaign(self, key: CampaignKey) -> Campaign | None:
        with self._db.read() as connection:
            return _campaign(connection, key)

    def campaigns(self) -> list[Campaign]:
        """All campaigns, oldest first."""
        with self._db.read() as connection:
            rows = connection.execute(select(campaign_table).order_by(campaign_table.c.created)).all()
        return [as_campaign(row) for row in rows]

    def set_campaign_state(self, key: CampaignKey, state: CampaignState) -> None:
        with self._db.write() as connection:
            connection.execute(campaign_table.update().where(of(campaign_table, key)).values(state=state))


def _campaign(connection: Connection, key: CampaignKey) -> Campaign | None:
    row = connection.execute(select(campaign_table).where(of(campaign_table, key))).one_or_none()
    return None if row is None else as_campaign(row)
