"""What the templates are given: plain values, already read. Knows no database, no room, no HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Stat:
    """One number of the hero with its definition (docs: progression). `word` is the ML word that lore may rename."""

    id: str
    word: str
    icon: str
    value: str
    definition: str
    formula: str
    detail: str = ""
    """What the value rests on, in a few words."""


@dataclass(frozen=True, slots=True)
class Hero:
    name: str
    title: str
    """Earned by what the hero has done."""
    byline: str
    about: str
    campaign: str
    mood: str
    """training, examining, paused, idle or offline: how the portrait behaves."""
    level: int
    steps: int
    level_fraction: float
    """0..1 of the way to the next level."""
    steps_to_next: int
    stats: Sequence[Stat]
    words: Sequence[Stat] = ()
    """What else opens its definition: level and title."""
    bests: Sequence[Stat] = ()
    """Personal bests of the campaign."""
    best: str = ""
    """The best checkpoint in words, empty before there is one."""
    portrait: str = "crest"
    """Name of a drawing in `templates/fragments/portraits`."""
    initial: str = ""
    """What the coat of arms bears."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What a training method measures beside the loss."""

    name: str
    label: str
    about: str
    value: float
    """Of the newest step."""
    points: str
    """The steps of the quest as points of a line in a box of 100 by 24; empty before there are two."""


@dataclass(frozen=True, slots=True)
class Battle:
    """The run that goes on, or the last one."""

    state: str
    """training, examining, paused, idle or offline."""
    quest: str = ""
    quest_id: str = ""
    source: str = ""
    method: str = ""
    skill: str = ""
    level: int | None = None
    step: int = 0
    quest_step: int = 0
    quest_steps: int = 0
    loss: float | None = None
    val_loss: float | None = None
    damage: float | None = None
    tokens_per_second: float | None = None
    step_seconds: float | None = None
    learning_rate: float | None = None
    grad_norm: float | None = None
    eta_seconds: float | None = None
    requested: Sequence[str] = ()
    """Requests that the training has not answered yet: pause, stop, skip."""
    waiting: int = 0
    """Quests that wait in the queue."""
    measures: Sequence[Measure] = ()
    """What the method measures beside the loss."""

    @property
    def fraction(self) -> float:
        return min(1.0, self.quest_step / self.quest_steps) if self.quest_steps else 0.0

    @property
    def is_on(self) -> bool:
        return self.state in {"training", "paused"}


@dataclass(frozen=True, slots=True)
class Strain:
    value: float | None
    zone: str
    advice: str
    rate: float | None
    effort: float
    samples: int = 0
    bounds: tuple[float, float, float] = (0.1, 0.3, 0.5)
    scale: float = 0.7
    """Strain at the right end of the dial."""


@dataclass(frozen=True, slots=True)
class Exam:
    """One examination: accuracy with its 95 % Wilson interval on `n` problems."""

    step: int
    n: int
    accuracy: float
    low: float
    high: float
    training_accuracy: float | None = None

    @property
    def gap(self) -> float | None:
        """Training-side minus held-out accuracy: what was memorised."""
        return None if self.training_accuracy is None else self.training_accuracy - self.accuracy


@dataclass(frozen=True, slots=True)
class Primitive:
    name: str
    n: int
    accuracy: float
    low: float
    high: float
    history: Sequence[float] = ()
    """Rolling accuracy at the checkpoints, oldest first."""
    about: str = ""
    """What it is, and its family."""


@dataclass(frozen=True, slots=True)
class Canary:
    """One set of canaries at the checkpoint that was asked last, beside the best before it."""

    module: str
    kind: str
    """core, extended, or together: the core modules as one set."""
    step: int
    n: int
    accuracy: float
    low: float
    high: float
    best_step: int
    best_accuracy: float
    severity: str
    """Empty, warning or critical."""
    history: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Rung:
    """One level of a skill. `state` is mastered, frontier, slipping or ahead."""

    level: int
    state: str
    exam: Exam | None = None


@dataclass(frozen=True, slots=True)
class MixPart:
    skill: str
    level: int
    share: float
    role: str
    """frontier, above, below or review."""


@dataclass(frozen=True, slots=True)
class Practice:
    """The newest practice quest: its mix and why."""

    reason: str
    rows: int
    time: float
    parts: Sequence[MixPart]


@dataclass(frozen=True, slots=True)
class Skill:
    id: str
    name: str
    about: str
    level: int
    """Highest mastered level; 0 before the first."""
    levels: int
    frontier: int
    passes: int
    needed: int
    threshold: float
    exam: Exam | None
    """Newest examination of the frontier level."""
    wide_gap: float
    """Memorisation gap from which practice widens."""
    title: str = ""
    """Earned by this skill's level."""
    best_level: int = 0
    """Highest level ever held in the campaign, lost again or not."""
    weakest: Sequence[Primitive] = ()
    """The primitives that go worst, worst first."""
    rungs: Sequence[Rung] = ()
    primitives: Sequence[Primitive] = ()
    practice: Practice | None = None


@dataclass(frozen=True, slots=True)
class Achievement:
    """One row of the catalogue. `time` is when it was awarded, None while it is not."""

    id: str
    name: str
    motto: str
    time: float | None
    fraction: float
    """0..1 of the way there."""


@dataclass(frozen=True, slots=True)
class Achievements:
    """What the campaign has earned, and the streaks that lead on."""

    rows: Sequence[Achievement]
    gold: int
    days: int
    best_days: int
    passes: int
    best_passes: int

    @property
    def earned(self) -> int:
        return sum(row.time is not None for row in self.rows)


@dataclass(frozen=True, slots=True)
class Meter:
    id: str
    name: str
    fraction: float | None
    text: str
    detail: str = ""
    bounds: tuple[float, float] = (0.75, 0.92)
    """Above the first it is high, above the second critical."""

    @property
    def tone(self) -> str:
        if self.fraction is None:
            return "none"
        return "bad" if self.fraction > self.bounds[1] else "high" if self.fraction > self.bounds[0] else "calm"


@dataclass(frozen=True, slots=True)
class LogLine:
    id: int
    time: float
    kind: str
    icon: str
    tone: str
    text: str


@dataclass(frozen=True, slots=True)
class Blocker:
    id: str
    trying: str
    why: str
    fix: str
    action: str = ""
    """Name of a request that mends it (resume), empty when only a person can."""


@dataclass(frozen=True, slots=True)
class Quest:
    """One quest of the queue."""

    id: str
    name: str
    state: str
    source: str
    rows: int
    set_aside: int
    size_bytes: int
    retries: int
    added: float
    method: str = ""
    skill: str = ""
    level: int | None = None
    reason: str = ""
    """Why it failed or ended otherwise than by training, in words."""
    outcome: str = ""
    """completed, skipped, failed, rejected, duplicate or removed; empty while it has no end."""
    owner: str = ""
    """The campaign that alone may train it, as `hero:campaign`; empty for anybody's."""


@dataclass(frozen=True, slots=True)
class Board:
    """The queue by state, in the order in which quests are taken."""

    states: Sequence[tuple[str, Sequence[Quest]]]
    hidden: dict[str, int] = field(default_factory=dict)
    """Quests per state beyond those shown."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a rendered example; `trained` pieces carry loss."""

    text: str
    trained: bool


@dataclass(frozen=True, slots=True)
class Example:
    number: int
    segments: Sequence[Segment]


@dataclass(frozen=True, slots=True)
class Problem:
    line: int | None
    what: str
    fix: str


@dataclass(frozen=True, slots=True)
class Preview:
    """A file before it is queued: what it is, what is wrong with it, what would be trained."""

    name: str
    size_bytes: int
    verdict: str
    """fit, mended (bad rows are set aside) or unfit."""
    summary: str
    figures: Sequence[tuple[str, str]]
    problems: Sequence[Problem]
    more_problems: int
    examples: Sequence[Example]
    findings: Sequence[Problem] = ()
    """What deep validation found in rows that may be trained all the same."""
    more_findings: int = 0
    notes: Sequence[str] = ()
    plan: Sequence[tuple[str, str]] = ()
    """Of a practice: why it has its mix, and what it is made of."""
    token: str = ""
    """Names the waiting upload; empty for a quest that is already filed."""
