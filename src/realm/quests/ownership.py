"""Whose a quest is: a campaign's own practice, and what a campaign has begun, belong to it alone. Moves nothing.

A file that a person drops belongs to nobody until a hero claims it, or to whom its sidecar names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from realm.quests.sidecar import Sidecar
from realm.records import CampaignKey

NOBODY = {"hero": "", "campaign": ""}


def named(sidecar: Sidecar) -> dict[str, str]:
    """The columns of the owner that a sidecar names; a name that is too long names nobody."""
    hero, campaign = sidecar.text("hero"), sidecar.text("campaign")
    return owner(CampaignKey(hero, campaign)) if hero and campaign and max(len(hero), len(campaign)) <= 80 else NOBODY


def owner(key: CampaignKey | None) -> dict[str, str]:
    """The columns that say that a campaign has a quest."""
    return NOBODY if key is None else {"hero": key.hero, "campaign": key.campaign}


def is_free_for(key: CampaignKey | None, row: Mapping[str, Any] | None) -> bool:
    """Whether a campaign may train a quest. Whoever looks without a campaign sees all; an unknown file is nobody's."""
    if key is None or row is None or not row["campaign"]:
        return True
    return (row["hero"], row["campaign"]) == (key.hero, key.campaign)


def is_of(mine: Mapping[str, str], row: Mapping[str, Any]) -> bool:
    """Whether a quest belongs to the same campaign, or to nobody as well."""
    return (mine["hero"], mine["campaign"]) == (row["hero"], row["campaign"])
