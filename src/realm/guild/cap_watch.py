"""Looks for the level cap after each examination; archives a campaign that reached it. The rule is `level_cap`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from realm.config.schema import LevelCapSettings
from realm.guild import campaign_report, level_cap
from realm.guild.ledger import GuildLedger
from realm.guild.level_cap import SkillVerdict
from realm.records import CampaignKey
from realm.workspace import Workspace


def verdicts(
    ledger: GuildLedger, key: CampaignKey, levels: Mapping[str, int], settings: LevelCapSettings
) -> list[SkillVerdict]:
    """Whether each skill in focus (skill -> its highest level) goes further; after a continue from there on."""
    before = ledger.level_cap(key)
    since_step = before.step if before else -1
    return [ledger.verdict(key, skill, highest, settings, since_step) for skill, highest in levels.items()]


def look(
    ledger: GuildLedger,
    workspace: Workspace,
    key: CampaignKey,
    levels: Mapping[str, int],
    settings: LevelCapSettings,
    *,
    step: int,
    tokens: int,
    totals: Callable[[], Mapping[str, Any]],
) -> None:
    """Archive the campaign if it is maxed out, and see that its method lies in its folder.

    Safe to repeat: a kill between the two is mended when the hero wakes.
    """
    if ledger.campaign_state(key) == "active":
        found = verdicts(ledger, key, levels, settings)
        if level_cap.is_maxed_out(found):
            ledger.max_out(key, found, step=step, tokens=tokens)
    campaign, cap = ledger.campaign(key), ledger.level_cap(key)
    method = workspace.campaign_method(key.hero, key.campaign)
    if campaign and cap and campaign.state == "maxed_out" and not _tells(method, cap.step):
        method.parent.mkdir(parents=True, exist_ok=True)
        campaign_report.write(method, campaign_report.report(ledger, campaign, totals()))


def _tells(method: Path, step: int) -> bool:
    """Whether the method in the folder is that of this cap, and not of one before it."""
    if not method.is_file():
        return False
    cap = campaign_report.read(method).get("level_cap")
    return isinstance(cap, dict) and cap["step"] == step
