"""Facts as lines for a terminal, in the field's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from realm.events import Recorded


def line(recorded: Recorded) -> str | None:
    """One line for a fact worth a line, or None."""
    say = LINES.get(recorded.kind)
    return say(recorded.fact) if say else None


LINES: dict[str, Callable[[Any], str]] = {
    "campaign_started": lambda f: f"campaign {f.hero}:{f.campaign} begins",
    "campaign_activated": lambda f: f"campaign {f.hero}:{f.campaign} is in play (before: {f.previous})",
    "campaign_changed": lambda f: f"campaign {f.hero}:{f.campaign}: {f.before} -> {f.state}",
    "campaign_maxed_out": lambda f: f"campaign {f.hero}:{f.campaign} is maxed out: {f.reason}",
    "quest_queued": lambda f: f"quest queued ({f.priority}): {f.name}, {f.rows} rows",
    "quest_rejected": lambda f: f"quest refused: {f.name}: {f.reason}",
    "quest_started": lambda f: f"training on {f.name}",
    "quest_failed": lambda f: f"quest failed: {f.name}: {f.reason}",
    "quest_skipped": lambda f: f"quest skipped: {f.name}",
    "quest_expired": lambda f: f"quest out of date: {f.name}: {f.reason}",
    "sparring_held": lambda f: (
        f"sparred at {f.skill.upper()} level {f.level}: {f.asked} asked, {f.wrong} wrong, {f.examples} examples"
    ),
    "run_paused": lambda f: f"paused at step {f.step}",
    "run_lightened": lambda f: (
        f"memory ran out at step {f.step}: {f.tokens} tokens at once from here on, before {f.before}"
    ),
    "run_resumed": lambda f: f"going on at step {f.step}",
    "run_finished": lambda f: f"step {f.step}: loss {f.loss_first:.3f} -> {f.loss_last:.3f} in {f.seconds:.0f} s",
    "run_failed": lambda f: f"run failed at step {f.step}: {f.reason}",
    "checkpoint_quarantined": lambda f: f"checkpoint {f.checkpoint} set aside: {f.reason}",
    "verdict_given": lambda f: f"verdict on {f.run}: {f.word}, quality {f.quality:.2f}, {f.recommendation}",
    "champion_changed": lambda f: f"new champion: {f.checkpoint} ({f.accuracy:.0%})",
    "examination_taken": lambda f: (
        f"examined {f.skill.upper()} level {f.level}: {f.correct}/{f.n} = {f.accuracy:.0%} [{f.low:.0%}, {f.high:.0%}]"
    ),
    "level_gained": lambda f: f"LEVEL UP: {f.skill.upper()} level {f.level} at step {f.step}",
    "level_lost": lambda f: f"level lost: {f.skill.upper()} level {f.level}",
    "achievement_awarded": lambda f: f"achievement: {f.name}. {f.description}",
    "title_earned": lambda f: f"title earned: {f.title}",
    "service_crashed": lambda f: f"{f.service} ended with code {f.exit_code}; again in {f.wait_seconds:.1f} s",
    "service_gave_up": lambda f: f"{f.service} crashed {f.restarts} times and is left alone. {f.hint}",
    "blocker_raised": lambda f: f"blocked while {f.trying}: {f.why} {f.fix}",
    "blocker_cleared": lambda f: f"no longer blocked: {f.blocker}",
    "alert_raised": lambda f: f"{f.severity}: {f.what} {f.todo}",
}
