"""What the page says about the campaigns of a workspace: where each stands, what its levels cost. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from realm.config.in_play import key_of
from realm.config.schema import RealmSettings
from realm.db import Database
from realm.events import Events
from realm.guild.campaign_state import FOLLOWS, WORDS, Action
from realm.guild.campaigns import Campaigns
from realm.guild.ledger import GuildLedger
from realm.guild.level_cap import Attempt
from realm.guild.tables import Campaign
from realm.tavern.shown import Blocker
from realm.watchtower.metrics import Metrics
from realm.workspace import Workspace

KINDS = (
    "campaign_started", "campaign_activated", "campaign_changed", "campaign_maxed_out", "examination_taken",
    "level_gained", "level_lost", "checkpoint_saved",
)  # fmt: skip
"""Facts after which the campaigns are read again."""
SHOWN_COSTS = 12
OFFERED: Sequence[tuple[Action, str]] = (
    ("activate", "play"),
    ("continue", "play"),
    ("pause", "pause"),
    ("archive", "chest"),
)
"""What may be asked of a campaign, with its icon."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One level: what it cost to master, or has cost so far."""

    level: int
    state: str
    """mastered or frontier."""
    frontier_tokens: int
    maintenance_tokens: int
    multiplier: float | None


@dataclass(frozen=True, slots=True)
class CampaignSkill:
    """One skill of a campaign."""

    name: str
    level: int
    best_level: int
    cap: int | None
    costs: Sequence[Cost]


@dataclass(frozen=True, slots=True)
class CampaignCard:
    """One campaign as the page shows it."""

    key: str
    """`hero:campaign`."""
    id: str
    """The same as a name in HTML."""
    hero: str
    campaign: str
    state: str
    words: str
    in_play: bool
    begun: float
    steps: int
    tokens: int
    best: float | None
    best_of: str
    starting_checkpoint: str
    skills: Sequence[CampaignSkill]
    actions: Sequence[tuple[str, str]]
    """Names of what may be asked of it, with their icons."""
    why: str = ""
    """Why it is maxed out."""


class CampaignReader:
    """Reads every campaign of a workspace, again only after a fact that concerns them."""

    def __init__(self, workspace: Workspace, settings: RealmSettings, db: Database, events: Events) -> None:
        self._events = events
        self._ledger = GuildLedger(db, events, settings.curriculum)
        self._campaigns = Campaigns(workspace, self._ledger)
        self._metrics = Metrics(db)
        self._settings = settings
        self._key = key_of(settings)
        self._read: tuple[int, list[CampaignCard]] = (-1, [])

    def cards(self) -> list[CampaignCard]:
        """Those that may be played first, newest first; then those put aside."""
        newest = self._events.newest(1, kinds=KINDS)
        fact = newest[0].id if newest else 0
        if self._read[0] != fact:
            playing = self._campaigns.in_play()
            found = [self._card(each, each.key == playing) for each in reversed(self._campaigns.all())]
            found.sort(key=lambda card: (not card.in_play, card.state != "active"))
            self._read = fact, found
        return self._read[1]

    def heroes(self) -> list[tuple[str, str]]:
        """Who may play a new campaign: name, and name as shown."""
        return [(name, profile.display_name or name) for name, profile in self._settings.heroes.items()]

    def blocker(self) -> Blocker | None:
        """What keeps the campaign in play from being trained, in words; None while it is active."""
        key = self._key
        state = self._ledger.campaign_state(key)
        if state == "active":
            return None
        cap = self._ledger.level_cap(key) if state == "maxed_out" else None
        if cap:
            levels = ", ".join(f"{skill.upper()} {level}" for skill, level in cap.levels.items())
            why = f"{key} has reached its level cap: {levels}. Nothing of it is lost."
            return Blocker(
                "campaign", "", why, "Begin a new campaign, with this hero or another: on the page of campaigns."
            )
        why = f"The campaign {key} is {WORDS[state]}, so nothing trains it."
        return Blocker("campaign", "", why, f"Go on with it: realm campaign continue {key}")

    def _card(self, campaign: Campaign, in_play: bool) -> CampaignCard:
        key = campaign.key
        bests, cap = self._ledger.bests(key), self._ledger.level_cap(key)
        latest, totals = self._metrics.latest(key), self._metrics.totals(key)
        taken = bests.examination
        states = self._ledger.states(key)
        return CampaignCard(
            key=str(key), id=f"campaign-{key.hero}-{key.campaign}", hero=self._shown(key.hero), campaign=key.campaign,
            state=campaign.state, words=WORDS[campaign.state], in_play=in_play, begun=campaign.created,
            steps=latest.step if latest else 0, tokens=totals.tokens, best=taken.accuracy if taken else None,
            best_of=f"{taken.skill.upper()} level {taken.level}, n = {taken.n}" if taken else "",
            starting_checkpoint=campaign.starting_checkpoint,
            skills=[
                CampaignSkill(
                    skill, states[skill].level if skill in states else 0, bests.levels.get(skill, 0),
                    cap.levels.get(skill) if cap and campaign.state == "maxed_out" else None,
                    [_cost(attempt) for attempt in self._ledger.attempts(key, skill)[-SHOWN_COSTS:]],
                )
                for skill in campaign.skills
            ],
            actions=offered(campaign, in_play),
            why=" ".join(str(verdict["reason"]) for verdict in cap.evidence)
            if cap and campaign.state == "maxed_out" else "",
        )  # fmt: skip

    def _shown(self, hero: str) -> str:
        profile = self._settings.heroes.get(hero)
        return (profile.display_name if profile else "") or hero


def offered(campaign: Campaign, in_play: bool) -> list[tuple[str, str]]:
    """What may be asked of a campaign: what its state allows and what would change something."""
    found: list[tuple[str, str]] = []
    for action, icon in OFFERED:
        follows = FOLLOWS.get((campaign.state, action))
        if follows is not None and (follows != campaign.state or (action == "activate" and not in_play)):
            found.append((action, icon))
    return found


def _cost(attempt: Attempt) -> Cost:
    state = "mastered" if attempt.ended_step is not None else "frontier"
    return Cost(attempt.level, state, attempt.frontier_tokens, attempt.maintenance_tokens, attempt.multiplier)
