"""The tables of campaigns: which there are, what each began with, its state, its level cap. Knows no examination."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from realm.config.schema import CampaignSettings
from realm.errors import UsageError
from realm.events import CampaignActivated, CampaignChanged, CampaignMaxedOut, CampaignStarted
from realm.guild import level_cap
from realm.guild.campaign_state import Action, after
from realm.guild.ledger_base import LedgerBase
from realm.guild.level_cap import SkillVerdict
from realm.guild.tables import (
    Campaign,
    CampaignState,
    LevelCap,
    as_campaign,
    as_level_cap,
    campaign_table,
    level_cap_table,
    of,
)
from realm.records import CampaignKey


class CampaignLedger(LedgerBase):
    """Reads and writes `campaign` and `level_cap`."""

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

    def begun_from(self) -> dict[str, str]:
        """The checkpoints that live campaigns began with, and which campaign it was, in words."""
        return {
            each.starting_checkpoint: f"{each.key} began with it"
            for each in self.campaigns()
            if each.starting_checkpoint and each.state in {"active", "paused"}
        }

    def campaign_state(self, key: CampaignKey) -> CampaignState:
        """The state of a campaign; one that was never begun may be played."""
        found = self.campaign(key)
        return found.state if found else "active"

    def change_campaign(self, key: CampaignKey, action: Action) -> CampaignState:
        """Pause, archive or continue a campaign. Raises UsageError where its state does not allow it."""
        with self._db.write() as connection:
            before, state = self._follow(connection, key, action)
            if state != before:
                self._events.append_in(
                    connection, CampaignChanged(hero=key.hero, campaign=key.campaign, before=before, state=state)
                )
        return state

    def tell_activated(self, key: CampaignKey, previous: CampaignKey) -> None:
        """Record that a person put a campaign in play."""
        self._events.append(CampaignActivated(hero=key.hero, campaign=key.campaign, previous=str(previous)))

    def max_out(self, key: CampaignKey, verdicts: Sequence[SkillVerdict], *, step: int, tokens: int) -> LevelCap:
        """Archive a campaign at its level cap, with the evidence; row, state and fact in one transaction."""
        levels = dict(level_cap.caps(verdicts))
        row = {
            "hero": key.hero,
            "campaign": key.campaign,
            "step": step,
            "tokens": tokens,
            "levels": json.dumps(levels),
            "evidence": json.dumps([verdict.as_json() for verdict in verdicts]),
            "time": self._clock(),
        }
        reason = " ".join(verdict.reason for verdict in verdicts)
        with self._db.write() as connection:
            self._follow(connection, key, "max_out")
            connection.execute(level_cap_table.insert(), row)
            self._events.append_in(
                connection,
                CampaignMaxedOut(
                    hero=key.hero, campaign=key.campaign, step=step, tokens=tokens, levels=levels, reason=reason
                ),
            )
        found = self.level_cap(key)
        assert found is not None
        return found

    def level_cap(self, key: CampaignKey) -> LevelCap | None:
        """The newest level cap of a campaign; None while it was never maxed out."""
        t = level_cap_table
        query = select(t).where(of(t, key)).order_by(t.c.step.desc(), t.c.id.desc()).limit(1)
        with self._db.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else as_level_cap(row)

    def _follow(self, connection: Connection, key: CampaignKey, action: Action) -> tuple[CampaignState, CampaignState]:
        found = _campaign(connection, key)
        if found is None:
            raise UsageError(f"There is no campaign {key}.", hint="See them all: realm campaign list")
        state = after(found.state, action, str(key))
        connection.execute(campaign_table.update().where(of(campaign_table, key)).values(state=state))
        return found.state, state

    def _forget_beyond(self, connection: Connection, key: CampaignKey, step: int) -> None:
        t = level_cap_table
        gone = connection.execute(t.delete().where(of(t, key), t.c.step > step)).rowcount
        if gone and (found := _campaign(connection, key)) and found.state == "maxed_out":
            self._follow(connection, key, "continue")  # what it was archived for is forgotten
            self._events.append_in(
                connection, CampaignChanged(hero=key.hero, campaign=key.campaign, before="maxed_out", state="active")
            )
        super()._forget_beyond(connection, key, step)


def _campaign(connection: Connection, key: CampaignKey) -> Campaign | None:
    row = connection.execute(select(campaign_table).where(of(campaign_table, key))).one_or_none()
    return None if row is None else as_campaign(row)
