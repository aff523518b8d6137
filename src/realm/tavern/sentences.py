"""What each kind of fact says in plain words, and how it weighs. Knows no lore and no page."""

from __future__ import annotations

PLAIN: dict[str, str] = {
    "campaign_started": "Campaign {campaign} of {hero} started.",
    "campaign_activated": "Campaign {campaign} of {hero} is in play (before: {previous}).",
    "campaign_changed": "Campaign {campaign} of {hero}: {before} to {state}.",
    "campaign_maxed_out": "Campaign {campaign} of {hero} is maxed out at step {step}. {reason}",
    "quest_received": "File {name} received ({source}).",
    "quest_queued": "File {name} queued: priority {priority}, {rows} rows, {set_aside} set aside.",
    "quest_rejected": "File {name} rejected: {reason}",
    "quest_started": "Training on {name} started ({rows} rows).",
    "quest_completed": "File {name} trained to its end: {steps} steps.",
    "quest_failed": "Training on {name} failed: {reason} Retries left: {retries_left}.",
    "quest_skipped": "File {name} skipped at step {step}.",
    "quest_expired": "File {name} will not be trained: {reason}",
    "quest_removed": "File {name} removed from the queue.",
    "practice_planned": "Queue empty: {rows} practice examples generated.",
    "sparring_held": "{skill:short} level {level}, own mistakes: {asked} asked, {wrong} wrong, {examples} examples.",
    "run_started": "Run started at step {step} ({method}).",
    "teacher_fixed": "Learning from {teacher} ({learned}).",
    "run_paused": "Run paused at step {step}.",
    "run_lightened": "Memory ran out at step {step}: {tokens} tokens at once from here on, before {before}.",
    "run_resumed": "Run resumed at step {step}.",
    "run_finished": "Run {outcome} at step {step}: loss {loss_first} to {loss_last}.",
    "run_failed": "Run failed at step {step}: {reason}",
    "checkpoint_saved": "Checkpoint saved at step {step}.",
    "checkpoint_quarantined": "Checkpoint of step {step} quarantined: {reason}",
    "checkpoint_dropped": "Checkpoint of step {step} dropped: {reason:stop}",
    "checkpoint_moved": "Checkpoint of step {step} moved from {zone} to {to}: {reason:stop}",
    "checkpoint_fetched": "Checkpoint of step {step} fetched from {source}.",
    "checkpoint_promoted": "Checkpoint of step {step} made the best one by a person: {reason:stop}",
    "export_ended": "Export of {checkpoint} to {folder}: {problem:done}",
    "version_named": "Checkpoint {checkpoint} named {version}.",
    "backup_made": "Backup {backup} made and verified, before {reason:stop}",
    "backup_restored": "Backup {backup} restored.",
    "campaign_reset": "Campaign {campaign} of {hero} begins anew; what it had is in backup {backup}.",
    "champion_changed": "Best checkpoint: step {step}, accuracy {accuracy:pct}.",
    "verdict_given": "Verdict on the run up to step {step}: {word}, quality {quality:pct}, {recommendation:plain}.",
    "verdict_overridden": "A person decided otherwise about {run}: {action:plain}. {reason:stop}",
    "campaign_rolled_back": "Back to step {step}: {set_aside} checkpoints set aside. {reason:stop}",
    "examination_taken": "Examination {skill:short} level {level}: {correct}/{n} correct ({accuracy:pct}).",
    "level_gained": "{skill:short} level {level} mastered at step {step}.",
    "level_lost": "{skill:short} level {level} no longer mastered.",
    "canaries_drifted": "Canaries {module}: {correct}/{n}, {points} points below step {best_step} ({severity}).",
    "canaries_recovered": "Canaries {module} recovered: {correct}/{n} correct.",
    "steps_reached": "{step} steps: level {hero_level}.",
    "strain_zone_entered": "Strain entered the {zone} zone at step {step}.",
    "achievement_awarded": "Achievement: {name}. {description}",
    "title_earned": "Title earned: {title}.",
    "service_started": "Service {service} started (pid {pid}).",
    "service_crashed": "Service {service} exited with {exit_code}; restart in {wait_seconds} s.",
    "service_gave_up": "Service {service} crashed {restarts} times and is left alone. {hint}",
    "service_stopped": "Service {service} stopped.",
    "blocker_raised": "Blocked: {why}",
    "blocker_cleared": "Blocker cleared.",
    "alert_raised": "Alert: {what}",
}

GOOD = frozenset({
    "level_gained", "canaries_recovered", "champion_changed", "quest_completed", "blocker_cleared",
    "achievement_awarded", "title_earned",
})  # fmt: skip
BAD = frozenset({
    "quest_rejected", "quest_failed", "run_failed", "checkpoint_quarantined", "level_lost", "canaries_drifted",
    "service_crashed", "service_gave_up", "blocker_raised", "alert_raised",
})  # fmt: skip
QUIET = frozenset(
    {
        "checkpoint_dropped",
        "checkpoint_moved",
        "service_started",
        "service_stopped",
        "quest_received",
        "quest_queued",
        "quest_expired",
    }
)

ICONS: dict[str, str] = {
    "quest": "scroll", "practice": "loop", "run": "swords", "checkpoint": "chest", "champion": "crown",
    "examination": "target", "level": "star", "service": "gear", "blocker": "gate", "alert": "alert",
    "campaign": "flag", "canaries": "alert", "sparring": "swords", "steps": "spark", "strain": "gauge",
    "achievement": "star", "title": "banner", "version": "flag", "backup": "chest", "export": "chest",
    "verdict": "target",
}  # fmt: skip


def icon(kind: str) -> str:
    """Name of the icon for a kind of fact, by the first word of the kind."""
    return ICONS.get(kind.split("_", maxsplit=1)[0], "dot")


def tone(kind: str) -> str:
    """good, bad, quiet or plain: how a line of the log is coloured."""
    for name, kinds in (("good", GOOD), ("bad", BAD), ("quiet", QUIET)):
        if kind in kinds:
            return name
    return "plain"
