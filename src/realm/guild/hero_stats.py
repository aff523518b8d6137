"""Every number of the hero's card, computed in one pure function and carried with its definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from realm.guild.progression import STEPS_PER_HERO_LEVEL, damage, hero_level

GOLD_PER_QUEST = 100
SMOOTHED_STEPS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What the rooms know of one hero in one campaign."""

    steps: int = 0
    losses: Sequence[float] = ()
    """Training losses of the last steps, oldest first (mean nats per trained token)."""
    val_loss: float | None = None
    """The newest validation loss."""
    correct: int = 0
    """Right answers of the newest examination, frontier levels of all skills pooled."""
    asked: int = 0
    quests_completed: int = 0
    effort: float = 0.0
    experience: float | None = None
    """None until runs are given a quality."""
    lowest_val_loss: float | None = None
    highest_levels: Mapping[str, int] = field(default_factory=dict)
    """Skill -> highest level ever held in the campaign."""
    best_accuracy: float | None = None
    title: str = ""


@dataclass(frozen=True, slots=True)
class Stat:
    """One number. None means that there is nothing to compute it from yet."""

    key: str
    name: str
    value: float | str | None
    formula: str
    definition: str


def hero_stats(numbers: Numbers) -> dict[str, Stat]:
    """The card: key -> number, in the order in which it is shown."""
    loss = smoothed(numbers.losses)
    stats = (
        Stat(
            "xp",
            "XP",
            numbers.steps,
            "optimizer steps of the campaign",
            "Steps that the hero has trained in this campaign. They are never counted anew.",
        ),
        Stat(
            "level",
            "Level",
            hero_level(numbers.steps),
            f"XP // {STEPS_PER_HERO_LEVEL}",
            "One level for every thousand steps. It tells how long the hero has trained, not how well.",
        ),
        Stat(
            "attack",
            "ATK",
            None if loss is None else damage(loss),
            "1 / training loss",
            f"The training loss, averaged over about {SMOOTHED_STEPS} steps and turned upside down, so that a small "
            "loss is a large number.",
        ),
        Stat(
            "defence",
            "DEF",
            None if numbers.val_loss is None else damage(numbers.val_loss),
            "1 / validation loss",
            "The same of the validation loss: rows of the quest that were never trained on.",
        ),
        Stat(
            "accuracy",
            "ACC",
            numbers.correct / numbers.asked if numbers.asked else None,
            "correct / asked",
            "Right answers of the newest examination on held-out problems, the frontier levels of all skills pooled.",
        ),
        Stat(
            "gold",
            "Gold",
            numbers.quests_completed * GOLD_PER_QUEST,
            f"completed quests x {GOLD_PER_QUEST}",
            "Paid for each quest that was trained to its end.",
        ),
        Stat(
            "effort",
            "Effort",
            numbers.effort,
            "sum of max(0, loss - floor) over steps",
            "How much strain all steps of the campaign have cost together.",
        ),
        Stat(
            "experience",
            "Experience",
            numbers.experience,
            "sum of effort x quality over runs",
            "Effort that proved worthwhile. Bad data costs effort and earns none of this.",
        ),
        Stat(
            "best_val_loss",
            "Lowest validation loss",
            numbers.lowest_val_loss,
            "minimum over the campaign",
            "Personal best of this campaign.",
        ),
        Stat(
            "best_level",
            "Highest skill level",
            max(numbers.highest_levels.values(), default=None),
            "maximum over skills and time",
            "Personal best of this campaign; kept when the level is lost again.",
        ),
        Stat(
            "best_accuracy",
            "Best examination",
            numbers.best_accuracy,
            "maximum over examinations",
            "Personal best of this campaign: the highest accuracy of one examination of a frontier level.",
        ),
        Stat(
            "title",
            "Title",
            numbers.title or None,
            "highest priority of those that hold",
            "Earned by what the hero has done; the table is guild/titles.yaml.",
        ),
    )
    return {stat.key: stat for stat in stats}


def smoothed(losses: Sequence[float], span: int = SMOOTHED_STEPS) -> float | None:
    """Exponential moving average with weight 2 / (span + 1), begun at the first loss. None without losses."""
    average: float | None = None
    for loss in losses:
        average = loss if average is None else average + (loss - average) * 2 / (span + 1)
    return average
