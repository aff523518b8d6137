"""The states of a campaign and what may follow what. Pure: knows no database and no file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from realm.errors import UsageError
from realm.guild.tables import CampaignState

Action = Literal["activate", "pause", "continue", "archive", "max_out"]

FOLLOWS: Mapping[tuple[CampaignState, Action], CampaignState] = {
    ("active", "activate"): "active",
    ("active", "pause"): "paused",
    ("active", "continue"): "active",
    ("active", "archive"): "archived",
    ("active", "max_out"): "maxed_out",
    ("paused", "continue"): "active",
    ("paused", "archive"): "archived",
    ("archived", "continue"): "active",
    ("maxed_out", "continue"): "active",
}
WORDS: Mapping[CampaignState, str] = {
    "active": "active",
    "paused": "paused",
    "archived": "archived",
    "maxed_out": "archived, because it is maxed out",
}


def after(state: CampaignState, action: Action, name: str) -> CampaignState:
    """The state that an action leads to. Raises UsageError, with the next step, where it leads nowhere.

    `name` is the campaign's, for the words.
    """
    follows = FOLLOWS.get((state, action))
    if follows is None:
        verb = {"max_out": "maxed out"}.get(action, f"{action}d" if action.endswith("e") else f"{action}ed")
        raise UsageError(
            f"{name} is {WORDS[state]}; it cannot be {verb}.", hint=f"Go on with it: realm campaign continue {name}"
        )
    return follows
