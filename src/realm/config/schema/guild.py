"""Practice, examinations, strain and the end of a campaign. Reads no file."""

from __future__ import annotations

import re
from typing import Annotated, Any, get_args

from pydantic import Field, field_validator, model_validator

from realm.config.schema.base import Settings, Strategy, Words
from realm.registry import nearest


class CampaignSettings(Settings):
    """Which hero plays, and in which campaign."""

    hero: str = "hatchling"
    """Name of a hero of the catalogue or of this file."""
    name: str = "first-light"
    """Name of the campaign; one attempt of one hero."""
    skills: Words = ("bin",)
    """Skills in focus."""
    seed: int = 0
    """Seed of the hero's first weights and of its practice."""
    practice_seed: str = ""
    """Name that practice is drawn by, with the seed; by default hero and campaign. A rerun has what it repeats."""
    starting_checkpoint: str = ""
    """Checkpoint that the campaign began with (New Game+); none is a new game. `realm campaign create` sets it."""


class CurriculumSettings(Settings):
    """How practice is mixed and when a level is mastered."""

    threshold: float | None = Field(None, gt=0, le=1)
    """Accuracy that counts as passed, for every skill; unset: each skill's own `thresholds.level_up`."""
    consecutive: int | None = Field(None, ge=1)
    """Examinations in a row, each at another checkpoint; unset: each skill's own `thresholds.examinations`."""
    tolerance: float = Field(0.05, ge=0, lt=1)
    """A mastered level may fall this far below the threshold."""
    unmaster_after: int = Field(5, ge=1)
    """Examinations below that bound until a level is lost."""
    exam_problems: int | None = Field(None, ge=1)
    """Problems of an examination; unset: each skill's own `thresholds.problems`."""
    exam_max_new_tokens: int | None = Field(None, ge=1)
    """Longest answer of an examination in tokens; a longer one is cut and counts as it stands. Unset: as long as the
    longest right answer to what is asked, and an eighth more."""
    panel_problems: int = Field(100, ge=1)
    """Problems per mastered level in the regression panel."""
    panel_levels: int = Field(4, ge=1)
    """Mastered levels sampled for the panel when there are more."""
    levels_above: int = Field(2, ge=0)
    """How far above the frontier practice reaches; a small space alone is memorised."""
    wide_gap: float = Field(0.25, gt=0)
    """Training-side minus held-out accuracy from which practice widens."""
    training_problems: int = Field(50, ge=0)
    """Fresh training-side problems asked beside the frontier's examination, for the memorisation gap."""
    level_weights: tuple[Annotated[float, Field(gt=0)], ...] = Field((0.35, 0.4, 0.25, 0.08), min_length=1)
    """Weights in practice of the frontier and of the levels above it; the last one also stands for all further up."""
    below_weight: float = Field(0.1, ge=0)
    """Weight of the level below the frontier, beside those."""
    kind_weights: dict[str, Annotated[float, Field(ge=0)]] = {"easy": 1.0, "medium": 0.7, "hard": 0.6, "expert": 0.15}
    """Practice takes a kind of problem so many times as often as the level's own mix does (not named: 1). Short answers
    teach most per token; examinations keep the full mix."""
    review_levels: int = Field(6, ge=1)
    """Mastered levels that one practice quest reviews; sampled when there are more."""
    repair_share: float = Field(0.25, ge=0, lt=1)
    """Share of practice that goes to regressing levels while there are any."""
    error_floor: float = Field(0.1, gt=0)
    """Within a level and kind, a practice problem weighs this much plus the error rate of the primitive in it that
    fails most. The larger, the less weakness counts."""
    strategy: Strategy = "curriculum"
    """How practice is mixed over skills and levels."""
    focus_skill: str = ""
    """The skill that `focus` practises; by default the one with the highest priority."""
    skill_weights: dict[str, Annotated[float, Field(ge=0)]] = {}
    """Weights for `weighted`: of a skill (`bin = 2`), or of one of its levels (`"bin/3" = 1`). A skill not named: 1."""
    uniform_levels: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = (1, 5)
    """First and last level that `uniform` practises in equal shares."""

    @field_validator("strategy", mode="before")
    @classmethod
    def _names_the_nearest(cls, given: Any) -> Any:
        known = get_args(Strategy)
        if given in known:
            return given
        guess = nearest(str(given), known)
        raise ValueError("there is no such strategy; " + (f"the nearest is '{guess}'" if guess else ", ".join(known)))

    @field_validator("skill_weights")
    @classmethod
    def _are_skills_or_their_levels(cls, weights: dict[str, float]) -> dict[str, float]:
        for name in weights:
            if not re.fullmatch(r"[a-z][a-z0-9_]*(/[1-9][0-9]*)?", name):
                raise ValueError(f"'{name}' is neither a skill (bin) nor a level of one (bin/3)")
        return weights

    @field_validator("uniform_levels")
    @classmethod
    def _count_up(cls, levels: tuple[int, int]) -> tuple[int, int]:
        if levels[0] > levels[1]:
            raise ValueError(f"the first level, {levels[0]}, is above the last, {levels[1]}")
        return levels


class GuardSettings(Settings):
    """When generated practice is paused, and what real data is mixed into it (docs: curriculum)."""

    enabled: bool = True
    """Watch what is generated, and how training on it goes."""
    min_distinct: int = Field(8, ge=1)
    """Fewest different problems of a level in a practice quest that has many of it."""
    min_unique_ratio: float = Field(0.4, ge=0, le=1)
    """Least share of different problems, measured against what the skill's own level gives."""
    min_entropy_ratio: float = Field(0.6, ge=0, le=1)
    """Least entropy of the text's three-character pieces, measured against the same."""
    grounding_share: float = Field(0.1, ge=0, le=0.9)
    """Share of practice taken from completed files of a person, when there are any."""
    grounding_quests: int = Field(10, ge=0)
    """Newest completed files that are read for it."""
    overload_quests: int = Field(40, ge=2)
    """Practice quests in a row in overload that does not fall, until practice pauses."""
    zero_loss: float = Field(0.01, ge=0)
    """Training loss that counts as zero; practice pauses when accuracy falls there."""
    falling_examinations: int = Field(10, ge=2)
    """Newest examinations of a level in which a fall is looked for."""
    overlook_quests: int = Field(10, ge=1)
    """Practice quests that `realm practice resume` lets pass unwatched."""


class PassiveSettings(Settings):
    """Canaries: small fixed sets of problems, never trained on, that tell when a hero forgets."""

    enabled: bool = True
    """Ask the core canaries at every checkpoint."""
    warning_points: float = Field(15.0, gt=0, le=100)
    """A set this many percentage points below its best checkpoint is a warning."""
    critical_points: float = Field(30.0, gt=0, le=100)
    """And this many are critical."""
    least_lost: int = Field(3, ge=1)
    """Fewer problems less than this are no drift, whatever their share."""
    max_new_tokens: int = Field(32, ge=1)
    """Longest answer in tokens."""

    @model_validator(mode="after")
    def _in_order(self) -> PassiveSettings:
        if self.critical_points < self.warning_points:
            raise ValueError("critical_points must not be below warning_points")
        return self


class LevelCapSettings(Settings):
    """When a campaign has reached what it can reach (docs: progression)."""

    enabled: bool = True
    """Archive a campaign that is maxed out."""
    maintenance_multiplier: float = Field(4.0, gt=0)
    """Keeping mastered levels costs more than so many times what the frontier gets."""
    token_factor: float = Field(5.0, gt=0)
    """The frontier has cost more than so many times the median of the last levels."""
    recent_levels: int = Field(3, ge=1)
    """How many levels that median is of."""
    minimum_tokens: int = Field(2_000_000, ge=0)
    """Tokens that a frontier level gets at least before its cost counts as high."""
    examinations: int = Field(10, ge=3)
    """Examinations of the frontier over which accuracy must not rise."""


class StrainSettings(Settings):
    """Zones of strain (docs: progression)."""

    recovery_below: float = 0.1
    """Under-challenged below this."""
    productive_below: float = 0.3
    """Best learning below this."""
    stretch_below: float = 0.5
    """Hard below this, overload above."""
    floor: float | None = Field(None, ge=0)
    """Loss that counts as no strain; by default each skill's lowest validation loss at a mastered level, 0 before."""
