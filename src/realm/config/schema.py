"""Every setting, its type, its default and its meaning (the string under each field). Reads no file.

The reference page and `realm config schema` are generated from here.
"""

from __future__ import annotations

import re
from string import Formatter
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from realm.registry import entry_names, nearest


def _split(value: Any) -> Any:
    """A command line or an environment variable gives a list as `a,b`."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _part(what: str, group: str, *own: str) -> AfterValidator:
    """A name of the program's own, or one that an installed package registers in an entry-point group."""

    def known(name: str) -> str:
        if name in own or name in (others := entry_names(group)):
            return name
        names = sorted({*own, *others})
        guess = nearest(name, names)
        raise ValueError(f"is no {what} ({f'did you mean {guess!r}?' if guess else 'known: ' + ', '.join(names)})")

    return AfterValidator(known)


Words = Annotated[tuple[str, ...], BeforeValidator(_split)]
SKILL_PORTS = {"sy": 8080, "bin": 8090}


def _with_usual_ports(value: Any) -> Any:
    return {**SKILL_PORTS, **value} if isinstance(value, dict) else value


Ports = Annotated[dict[str, Annotated[int, Field(ge=0, le=65535)]], BeforeValidator(_with_usual_ports)]
COLOUR = re.compile("#[0-9a-fA-F]{6}")
Strategy = Literal["curriculum", "balanced", "focus", "weighted", "lowest_first", "uniform"]
"""Ways to mix practice: docs/curriculum.md."""
Table = dict[str, Any]
"""A table that names only some of another schema's keys; the loader checks it against that schema."""


class Settings(BaseModel):
    """A table of settings: unknown keys are mistakes, values do not change after loading.

    `use_attribute_docstrings` would cost each command 50 ms; `realm.config.reference` reads the docstrings instead.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


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


class Hyperparameters(Settings):
    """How a run trains. Names are those of TRL and of the transformers Trainer."""

    method: Annotated[str, _part("training method", "realm.methods", "sft", "sparring")] = "sft"
    """Training method: `sft`, `sparring` (`sft` on the rows that `realm spar` writes), or one that an installed package
    brings."""
    learning_rate: float = Field(2e-4, gt=0)
    """Peak learning rate of AdamW (and of what Muon does not take)."""
    optim: Literal["adamw", "muon"] = "adamw"
    """Optimizer. Muon takes the hidden matrices, AdamW the rest."""
    muon_learning_rate: float = Field(0.02, gt=0)
    """Learning rate of Muon's matrices."""
    muon_momentum: float = Field(0.95, ge=0, lt=1)
    """Momentum of Muon."""
    weight_decay: float = Field(0.0, ge=0)
    """Decoupled weight decay."""
    adam_beta1: float = Field(0.9, ge=0, lt=1)
    """AdamW's first moment."""
    adam_beta2: float = Field(0.95, ge=0, lt=1)
    """AdamW's second moment."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients are clipped to this norm."""
    lr_scheduler_type: Literal["constant_with_warmup", "inverse_sqrt", "linear", "cosine"] = "constant_with_warmup"
    """Shape of the learning rate: over the steps of the campaign; `linear` and `cosine` over each quest."""
    lr_timescale: int = Field(1000, ge=1)
    """`inverse_sqrt` has halved the rate after three times as many steps."""
    min_lr_rate: float = Field(0.1, ge=0, le=1)
    """`inverse_sqrt` falls no lower than to this share of the rate."""
    warmup_steps: int = Field(50, ge=0)
    """Steps of the campaign until the learning rate is full."""
    ema_decay: float = Field(0.0, ge=0, lt=1)
    """Answer, be examined and be saved with the running mean of the weights (0: with the weights themselves)."""
    per_device_train_batch_size: int = Field(8, ge=1)
    """Packed rows per step and device."""
    gradient_accumulation_steps: int = Field(1, ge=1)
    """Batches summed before one optimizer step."""
    max_length: int = Field(1024, ge=8)
    """Tokens of a packed row; longer examples are cut and counted as truncated."""
    packing: bool = True
    """Put several examples in a row; they never attend to each other."""
    num_train_epochs: float = Field(1.0, gt=0)
    """Passes over a quest."""
    max_steps: int = -1
    """Ends a run after that many steps; -1 means never before its data ends."""
    logging_steps: int = Field(1, ge=1)
    """Steps between two recorded metrics."""
    save_steps: int = Field(500, ge=1)
    """Steps between two checkpoints inside a long quest; each quest also ends with one."""
    save_total_limit: int | None = Field(None, ge=1)
    """Newest checkpoints kept by a preset's training, instead of retention's `keep_newest`."""
    eval_fraction: float = Field(0.02, ge=0, lt=0.5)
    """Share of a quest's rows held out for the validation loss."""
    eval_strategy: Literal["steps", "no"] = "steps"
    """`no` holds no rows out and reads no validation loss."""
    eval_steps: int = Field(100, ge=1)
    """Steps between two readings of the validation loss."""
    seed: int = 0
    """Seed of the data order."""
    bf16: bool = False
    """Train in bfloat16."""
    gradient_checkpointing: bool = False
    """Trade time for memory."""


class IdleGeneration(Settings):
    """What a hero does when its queue is empty."""

    enabled: bool = True
    """Practise when idle."""
    examples: int = Field(2000, ge=1)
    """Examples of one practice quest."""
    min_queue_depth: int = Field(0, ge=0)
    """Practise only while no more quests than this wait."""
    review_share: float = Field(0.2, ge=0, le=1)
    """Share of practice on mastered levels."""


class SparringSettings(Settings):
    """When a hero makes practice of its own mistakes (docs: sparring)."""

    every: int = Field(0, ge=0)
    """Spar after that many practice quests; 0: not by count."""
    stalled_after: int = Field(0, ge=0)
    """Spar when the accuracy of the frontier has not risen over that many examinations; 0: never for that."""
    from_level: int = Field(2, ge=0)
    """Skill level below which the hero only practises: there is little to check before something is known."""
    problems: int = Field(100, ge=1)
    """Problems that are asked each time."""


class HeroProfile(Settings):
    """One hero: where its weights come from, how it learns, how it looks."""

    display_name: str = ""
    """Name as shown."""
    title: str = ""
    """A few words under the name."""
    about: str = ""
    """One or two sentences."""
    base_model: str
    """`hatchling`, `smol`, a local folder, or a hub id."""
    revision: str | None = None
    """Revision of a hub model."""
    family: Annotated[str, _part("model family", "realm.families", "transformers")] = "transformers"
    """How its model is loaded and spoken to: `transformers`, or one that an installed package brings."""
    role: str = ""
    """What the hero is for."""
    group: str = ""
    """Heroes shown together."""
    context_window: int = Field(1024, ge=8)
    """Longest input in tokens."""
    specialization: str = ""
    """Field of knowledge in words."""
    prompt_template: str | None = None
    """Template for instruction/input/output rows; fields {context} {instruction} {input_section} {output}."""
    chat_template: str | None = None
    """Overrides the tokenizer's chat template."""
    skill_priorities: dict[str, float] = {}
    """Weight of each skill in practice."""
    idle_generation: IdleGeneration = IdleGeneration()
    """Practice when idle."""
    sparring: SparringSettings = SparringSettings()
    """Practice with its own mistakes."""
    training_defaults: Table = {}
    """Hyperparameters of this hero; layered over the defaults."""
    parameters_billion: float | None = Field(None, gt=0)
    """Size of the model, for the memory estimate when its config.json is not at hand."""
    adapter: str = "none"
    """Name of an adapter of the catalogue, or `none` for all weights."""
    portrait: str = ""
    """Built-in portrait: `hatchling` or `smol`. Any other name, or none, is a coat of arms with the hero's initial."""
    color: str = ""
    """Accent colour of the hero's card and portrait, as `#rrggbb`."""

    @field_validator("color")
    @classmethod
    def _is_a_colour(cls, color: str) -> str:
        # It stands in a stylesheet of the page, so nothing else may pass.
        if color and not COLOUR.fullmatch(color):
            raise ValueError("must be a colour such as #e8a33d")
        return color


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
    exam_max_new_tokens: int = Field(256, ge=1)
    """Longest answer of an examination in tokens; a longer one is cut and counts as it stands."""
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


class QuestSettings(Settings):
    """How quest files are taken and checked."""

    settle_seconds: float = Field(0.3, ge=0)
    """A file is taken when it stood still that long."""
    rescan_seconds: float = Field(10.0, gt=0)
    """Look at the inbox at least this often."""
    bad_row_fraction: float = Field(0.01, ge=0, le=1)
    """Share of bad rows that are set aside; above it the file fails."""
    max_line_bytes: int = Field(8_000_000, ge=1000)
    """Longer lines are bad rows."""
    max_upload_bytes: int = Field(2_000_000_000, ge=1)
    """Largest file the page accepts."""
    max_retries: int = Field(2, ge=0)
    """Tries after a failure."""
    sample_rows: int = Field(500, ge=1)
    """Rows whose tokens are counted in standard validation."""


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


class RetentionSettings(Settings):
    """Which checkpoints stay."""

    keep_newest: int = Field(3, ge=1)
    """The newest ones."""
    keep_champion: bool = True
    """The best by examination."""
    keep_first_at_level: bool = True
    """The first at each mastered level."""
    enabled: bool = True
    """Drop the others after each save."""


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


class ServiceSettings(Settings):
    """Addresses of the services."""

    bind: str = "127.0.0.1"
    """Address to listen on. Anything but loopback requires a token."""
    tavern_port: int = Field(8888, ge=0, le=65535)
    """Port of the page."""
    watchtower_port: int = Field(8081, ge=0, le=65535)
    """Port of the Prometheus metrics."""
    skill_ports: Ports = SKILL_PORTS
    """Port of each skill's service by the skill's id; what a file names is added to these. 0: not served."""
    serve_skills: bool = True
    """`realm start-all` and `realm play` also serve the skills that have a port."""
    allowed_hosts: Words = ()
    """Further Host headers to accept."""
    hosts: dict[str, str] = {}
    """Services that run elsewhere: name = "http://host:port"."""
    token: str = ""
    """Required off loopback; made at start when empty."""


class PageSettings(Settings):
    """How the page looks."""

    skin: Literal["realm", "lab"] = "realm"
    """`lab` shows the plain words of the field."""
    theme: Literal["auto", "dark", "light"] = "auto"
    """Colours."""


class AdapterSettings(Settings):
    """A low-rank adapter. This version estimates memory with it and trains all weights."""

    r: int = Field(16, ge=1)
    """Rank."""
    lora_alpha: int = Field(16, ge=1)
    """Scale."""
    lora_dropout: float = Field(0.05, ge=0, lt=1)
    """Dropout on the adapter's input; accepted and not used."""
    bias: Literal["none", "all", "lora_only"] = "none"
    """Which biases train; accepted and not used."""
    target_modules: Words = ("q_proj", "k_proj", "v_proj", "o_proj")
    """Layers that get an adapter."""


class DatasetSettings(Settings):
    """A dataset on disk."""

    path: str
    """Folder or file; `~` is expanded."""
    description: str = ""
    """What it holds."""
    train_split: str = "train.jsonl"
    """File for training."""
    val_split: str = "val.jsonl"
    """File for validation."""
    test_split: str = "test.jsonl"
    """File for examination."""
    quality_threshold: float = Field(0.0, ge=0, le=1)
    """Rows whose `quality` is lower are left out."""
    domains: Words = ()
    """Fields of knowledge."""
    notes: str = ""
    """Remarks."""


class HardwareProfile(Settings):
    """What a machine can do."""

    name: str
    """Name as shown."""
    device: Literal["cpu", "cuda", "mps"]
    """Where tensors live."""
    available_memory_gb: float = Field(gt=0)
    """Memory a run may use, in GB."""
    max_batch_size: int = Field(ge=1)
    """Largest batch per device."""
    max_sequence_length: int = Field(ge=8)
    """Longest row in tokens."""
    supports_fp16: bool = False
    """float16 works."""
    supports_bf16: bool = False
    """bfloat16 works."""
    supports_gradient_checkpointing: bool = True
    """Gradient checkpointing works with adapters."""
    max_lora_rank: int = Field(64, ge=0)
    """Largest adapter rank."""
    recommended_gradient_accumulation: int = Field(1, ge=1)
    """Used when a preset gives none."""
    processes: int = Field(1, ge=1)
    """Training processes on a node."""
    nodes: int = Field(1, ge=1)
    """Machines."""
    status: Literal["available", "unsupported"] = "available"
    """Unsupported profiles are refused with `reason`."""
    reason: str = ""
    """Why a profile is unsupported."""
    cost_per_hour: float | None = None
    """USD per hour, shown with the estimate."""
    notes: str = ""
    """Remarks."""
    python_path: str | None = None
    """Accepted for older files; not used."""


class PresetSettings(BaseModel):
    """One training, put together from parts. Any hyperparameter or adapter setting may stand beside them."""

    model_config = ConfigDict(extra="allow", frozen=True)

    hero: str
    """Who trains."""
    hardware: str = ""
    """Hardware profile whose limits hold; none without a name."""
    dataset: str = ""
    """Dataset that is trained on."""
    hyperparameters: str = "default"
    """Set of hyperparameters; what it does not name comes from `default`."""
    adapter: str = ""
    """Adapter; without a name the hero's own, and `none` trains all weights."""
    campaign: str = ""
    """Campaign that the training belongs to; by default the preset's own name."""

    @property
    def overrides(self) -> Table:
        """Hyperparameters and adapter settings that the preset names itself."""
        return dict(self.model_extra or {})


class MetadataSettings(Settings):
    """What `metadata.json` of a finished training tells."""

    include_dataset_stats: bool = True
    """Number of samples."""
    include_training_duration: bool = True
    """Seconds and minutes."""
    include_hardware_info: bool = True
    """Section `hardware`."""
    include_hyperparameters: bool = True
    """Epochs, batch, learning rate, lengths."""
    include_git_commit: bool = True
    """Commit of the program."""


class OutputSettings(Settings):
    """Where a preset's finished model goes."""

    models_dir: str = ""
    """Folder of finished models; by default the workspace's `models`."""
    logs_dir: str = ""
    """Accepted for older files; logs stay in the workspace."""
    checkpoints_dir: str = ""
    """Accepted for older files; checkpoints stay in the workspace."""
    name_template: str = "{name}-{base_short}-{date}"
    """Name of the folder; fields {name} {role} {base_short} {date}."""
    date_format: str = "%Y%m%d"
    """How {date} is written (strftime)."""
    metadata: MetadataSettings = MetadataSettings()
    """What `metadata.json` tells."""

    @field_validator("name_template")
    @classmethod
    def _known_fields(cls, template: str) -> str:
        known = {"name", "role", "base_short", "date"}
        unknown = {name for _, name, _, _ in Formatter().parse(template) if name is not None} - known
        if unknown:
            raise ValueError(f"has no field {{{min(unknown)}}}; known: {', '.join(sorted(known))}")
        return template


class FileSettings(Settings):
    """Remarks of a settings file about itself."""

    schema_version: Literal[1] = 1
    """Version of the keys; there is one."""
    updated: str = ""
    """Date of the last change, for readers of the file."""


class RealmSettings(Settings):
    """All settings of a realm: a table for each subject, and the catalogue's tables by name."""

    campaign: CampaignSettings = CampaignSettings()
    """Who plays."""
    training: Table = {}
    """Hyperparameters for every training of this realm; layered over the hero's own."""
    curriculum: CurriculumSettings = CurriculumSettings()
    """Practice and mastery."""
    guards: GuardSettings = GuardSettings()
    """Guards of generated practice."""
    passives: PassiveSettings = PassiveSettings()
    """Canaries."""
    quests: QuestSettings = QuestSettings()
    """Quest files."""
    level_cap: LevelCapSettings = LevelCapSettings()
    """When a campaign is maxed out."""
    retention: RetentionSettings = RetentionSettings()
    """Which checkpoints stay."""
    strain: StrainSettings = StrainSettings()
    """Zones of strain."""
    services: ServiceSettings = ServiceSettings()
    """Addresses."""
    page: PageSettings = PageSettings()
    """The page."""
    output: OutputSettings = OutputSettings()
    """Finished models."""
    metadata: FileSettings = FileSettings()
    """About the file."""
    heroes: dict[str, HeroProfile] = {}
    """Heroes by name (synonym: experts)."""
    hardware: dict[str, HardwareProfile] = {}
    """Hardware profiles by name."""
    adapters: dict[str, AdapterSettings] = {}
    """Adapters by name (synonym: lora)."""
    hyperparameters: dict[str, Table] = {}
    """Sets of hyperparameters for presets, by name."""
    datasets: dict[str, DatasetSettings] = {}
    """Datasets by name."""
    presets: dict[str, PresetSettings] = {}
    """Presets by name."""
