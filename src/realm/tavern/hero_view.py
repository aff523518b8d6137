"""What the page says about the hero and its training, from recent steps and facts. Pure: reads no database."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean

from realm.config.schema import HeroProfile, StrainSettings
from realm.events import Recorded
from realm.guild.hero_stats import Numbers, hero_stats, smoothed
from realm.guild.hero_stats import Stat as Computed
from realm.guild.progression import STEPS_PER_HERO_LEVEL, Examination, damage, hero_level
from realm.guild.strain import ADVICE_SAMPLES, RATE_ALPHA, Advice, zone_of
from realm.guild.tables import Bests
from realm.guild.titles import Deeds, Title, hero_title
from realm.records import StepMetrics
from realm.tavern.measure_view import measures
from realm.tavern.pages import NONE, count, figure, percent
from realm.tavern.shown import Battle, Hero, Quest, Stat, Strain

HOLDING = frozenset({"pause", "stop"})
"""Requests that hold the hero until somebody says resume."""
SHOWN: dict[str, tuple[str, str, Callable[[float], str]]] = {
    "xp": ("optimizer steps", "spark", count), "attack": ("1 / training loss", "sword", figure),
    "defence": ("1 / validation loss", "shield", figure), "accuracy": ("examination accuracy", "target", percent),
    "gold": ("files completed × 100", "coin", count), "effort": ("sum of strain", "flame", count),
    "experience": ("experience", "star", figure),
    "level": ("level", "crown", count), "title": ("title", "banner", str),
    "best_level": ("highest skill level", "ladder", count),
    "best_accuracy": ("best examination", "target", percent),
    "best_val_loss": ("lowest validation loss", "shield", figure),
}  # fmt: skip
"""How each number of the card is shown: the ML word, the plain icon, how it is written."""
PORTRAITS = frozenset({"hatchling", "smol"})
"""Drawn heroes; any other bears a coat of arms."""
CARD = ("xp", "attack", "defence", "accuracy", "gold", "effort", "experience")
BESIDE = ("level", "title")
BESTS = ("best_level", "best_accuracy", "best_val_loss")
SPEED_SECONDS = 10.0
EXAMINING_SECONDS = 120.0
"""A run that ended that long ago without an examination is over; the hero idles."""
STATE_KINDS = {
    "run_started": "training", "run_resumed": "training", "run_paused": "paused", "run_finished": "examining",
    "examination_taken": "examining", "quest_started": "training", "run_failed": "idle", "quest_failed": "idle",
}  # fmt: skip
ADVICE_WORDS: dict[Advice, str] = {
    "wait": "Too few steps yet to advise.",
    "back_off": "Too hard, and not getting easier: practice steps back to easier levels.",
    "continue": "Worth the effort: practice goes on as it is.",
    "level_up": "This has become easy: practice reaches higher.",
}
UNPLANNED = "Advice comes with the first practice."


NO_BESTS = Bests({}, None)


@dataclass(frozen=True, slots=True)
class Record:
    """What the ledgers say about the hero beside its steps."""

    examined: Sequence[Examination] = ()
    quests_completed: int = 0
    total_levels: int = 0
    titles: Sequence[Title] = ()
    best: str = ""
    bests: Bests = NO_BESTS
    lowest_val_loss: float | None = None
    experience: float | None = None
    """None before the first verdict."""


def training_state(
    running: bool, newest: Recorded | None, last_step_time: float, now: float, requested: Collection[str] = ()
) -> str:
    """training, examining, paused, idle or offline.

    `running` says whether the training process lives, `newest` is the last fact of a kind in STATE_KINDS. Steps
    after an examination mean that the run went on after it. A hero that was asked to stop holds like a paused one.
    """
    if not running:
        return "offline"
    state = "idle" if newest is None else STATE_KINDS[newest.kind]
    if newest is not None and state == "examining":
        if last_step_time > newest.time and newest.kind == "examination_taken":
            state = "training"
        elif now - newest.time >= EXAMINING_SECONDS:
            state = "idle"
    return "paused" if state != "training" and HOLDING & set(requested) else state


def hero(name: str, profile: HeroProfile, campaign: str, state: str, recent: Sequence[StepMetrics],
         record: Record) -> Hero:  # fmt: skip
    """The hero's card. `recent` are the newest steps, oldest first."""
    numbers = _numbers(recent, record)
    computed = hero_stats(numbers)
    rest = numbers.steps % STEPS_PER_HERO_LEVEL
    shown = profile.display_name or name
    return Hero(
        name=shown, initial=shown[:1].upper(), portrait=profile.portrait if profile.portrait in PORTRAITS else "crest",
        title=numbers.title, byline=profile.title, about=profile.about,
        campaign=campaign, mood=state, level=hero_level(numbers.steps), steps=numbers.steps,
        level_fraction=rest / STEPS_PER_HERO_LEVEL, steps_to_next=STEPS_PER_HERO_LEVEL - rest,
        stats=[_shown(computed[key]) for key in CARD], words=[_shown(computed[key]) for key in BESIDE],
        bests=[replace(_shown(computed[key]), detail=detail) for key, detail in _details(record.bests).items()],
        best=record.best,
    )  # fmt: skip


def _details(bests: Bests) -> dict[str, str]:
    """What each personal best rests on."""
    taken, details = bests.examination, dict.fromkeys(BESTS, "")
    if bests.levels:
        details["best_level"] = max(bests.levels, key=lambda skill: bests.levels[skill]).upper()
    if taken is not None:
        low, high = taken.interval
        details["best_accuracy"] = (
            f"{taken.skill.upper()} level {taken.level}, n = {taken.n}, 95 % interval {percent(low)} – {percent(high)}"
        )
    return details


def _numbers(recent: Sequence[StepMetrics], record: Record) -> Numbers:
    steps = recent[-1].step if recent else 0
    frontier = [e for e in record.examined if e.role == "frontier"]
    asked, correct = sum(e.n for e in frontier), sum(e.correct for e in frontier)
    deeds = Deeds(hero_level(steps), record.quests_completed, record.total_levels, correct / asked if asked else 0.0)
    return Numbers(
        steps=steps, losses=[row.loss for row in recent if math.isfinite(row.loss)], val_loss=last_validation(recent),
        correct=correct, asked=asked, quests_completed=record.quests_completed,
        effort=next((row.effort for row in reversed(recent) if row.effort is not None), 0.0),
        title=hero_title(record.titles, deeds),
        experience=record.experience, lowest_val_loss=record.lowest_val_loss, highest_levels=record.bests.levels,
        best_accuracy=record.bests.examination.accuracy if record.bests.examination else None,
    )  # fmt: skip


def _shown(stat: Computed) -> Stat:
    word, icon, write = SHOWN[stat.key]
    value = NONE if stat.value is None else stat.value if isinstance(stat.value, str) else write(stat.value)
    return Stat(stat.key, word, icon, value, stat.definition, stat.formula)


def last_validation(recent: Sequence[StepMetrics]) -> float | None:
    return next((row.val_loss for row in reversed(recent) if row.val_loss is not None), None)


def speed(recent: Sequence[StepMetrics], now: float) -> tuple[float, float]:
    """Steps and useful tokens per second of wall time over the last ten seconds; zeros when nothing trains."""
    rows = [row for row in recent if now - SPEED_SECONDS < row.time <= now]
    if not rows:
        return 0.0, 0.0
    covered = max(1e-9, now - (rows[0].time - rows[0].step_seconds))
    return len(rows) / covered, sum(row.input_tokens for row in rows) / covered


def battle(state: str, recent: Sequence[StepMetrics], quest: Quest | None, *, steps_per_second: float,
           tokens_per_second: float, requested: Collection[str], waiting: int) -> Battle:  # fmt: skip
    """The run as it goes on. Speeds are of the last seconds, 0 while nothing trains."""
    last = recent[-1] if recent else None
    moving = state == "training" and last is not None and steps_per_second > 0
    left = last.quest_steps - last.quest_step if last and quest else 0
    return Battle(
        state=state, quest=quest.name if quest else "", quest_id=quest.id if quest else "",
        source=quest.source if quest else "", method=quest.method if quest else "",
        skill=quest.skill if quest else "", level=quest.level if quest else None,
        step=last.step if last else 0, quest_step=last.quest_step if last and quest else 0,
        quest_steps=last.quest_steps if last and quest else 0,
        loss=last.loss if last and math.isfinite(last.loss) else None, val_loss=last_validation(recent),
        damage=_damage(recent[-10:]), tokens_per_second=tokens_per_second if moving else None,
        step_seconds=fmean(row.step_seconds for row in recent[-20:]) if recent else None,
        learning_rate=last.learning_rate if last else None, grad_norm=last.grad_norm if last else None,
        eta_seconds=left / steps_per_second if moving and left > 0 else None,
        requested=sorted(requested), waiting=waiting, measures=measures(recent),
    )  # fmt: skip


def _damage(recent: Sequence[StepMetrics]) -> float | None:
    loss = smoothed([row.loss for row in recent if math.isfinite(row.loss)])
    return None if loss is None else damage(loss)


def strain(recent: Sequence[StepMetrics], settings: StrainSettings, advice: Mapping[str, Advice]) -> Strain:
    """The dial: mean strain of the last ten steps, whatever they trained, and its zone.

    `advice` is what practice follows: that of each skill's own meter, which begins anew with a level.
    """
    values = [row.strain for row in recent if row.strain is not None]
    bounds = (settings.recovery_below, settings.productive_below, settings.stretch_below)
    effort = next((row.effort for row in reversed(recent) if row.effort is not None), 0.0)
    words = _advice_words(advice)
    if not values:
        return Strain(None, "", words, None, effort, 0, bounds, bounds[2] * 1.4)
    rate = 0.0
    for before, after in pairwise(values):
        rate += RATE_ALPHA * (after - before - rate)
    mean = fmean(values[-ADVICE_SAMPLES:])
    return Strain(mean, zone_of(mean, settings), words, rate, effort, len(values), bounds, bounds[2] * 1.4)


def _advice_words(advice: Mapping[str, Advice]) -> str:
    if len(advice) == 1:
        return ADVICE_WORDS[next(iter(advice.values()))]
    return " ".join(f"{skill.upper()}: {ADVICE_WORDS[each]}" for skill, each in advice.items()) or UNPLANNED


def chart_rows(rows: Sequence[StepMetrics], per_row: int) -> list[list[float | None]]:
    """New steps for the live chart as [step, mean, lowest, highest, validation], `per_row` steps in one."""
    drawn: list[list[float | None]] = []
    for start in range(0, len(rows), per_row):
        part = rows[start : start + per_row]
        losses = [row.loss for row in part if math.isfinite(row.loss)]
        if losses:
            drawn.append([part[-1].step, fmean(losses), min(losses), max(losses), last_validation(part)])
    return drawn


def joined(
    losses: Sequence[tuple[int, float, float, float]], validations: Sequence[tuple[int, float, float, float]]
) -> list[list[float | None]]:
    """Two downsampled series as the chart's rows; a validation stands at the first row that reaches its step."""
    rows: list[list[float | None]] = [[step, mean, low, high, None] for step, mean, low, high in losses]
    at = 0
    for step, mean, _, _ in validations:
        while at < len(losses) - 1 and losses[at][0] < step:
            at += 1
        if rows:
            rows[at][4] = mean
    return rows
