"""Every setting, its type, its default and its meaning (the string under each field). Reads no file.

The reference page and `realm config schema` are generated from here.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """A table of settings: unknown keys are mistakes, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=True)


class CampaignSettings(Settings):
    """Which hero plays, and in which campaign."""

    hero: str = "hatchling"
    """Name of a hero of the catalogue or of this file."""
    name: str = "first-light"
    """Name of the campaign; one attempt of one hero."""
    skills: tuple[str, ...] = ("bin",)
    """Skills in focus."""
    seed: int = 0
    """Seed of the hero's first weights and of its practice."""


class Hyperparameters(Settings):
    """How a run trains. Names are those of TRL and of the transformers Trainer."""

    method: Literal["sft"] = "sft"
    """Training method."""
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
    lr_scheduler_type: Literal["constant_with_warmup", "linear", "cosine"] = "constant_with_warmup"
    """Shape of the learning rate over the steps of the campaign."""
    warmup_steps: int = Field(50, ge=0)
    """Steps of the campaign until the learning rate is full."""
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
    eval_fraction: float = Field(0.02, ge=0, lt=0.5)
    """Share of a quest's rows held out for the validation loss."""
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
    training_defaults: dict[str, float | int | str | bool] = {}
    """Hyperparameters of this hero; layered over the defaults."""
    adapter: str = "none"
    """Name of an adapter of the catalogue, or `none` for all weights."""
    portrait: str = ""
    """Name of a built-in portrait."""
    color: str = ""
    """Accent colour of the hero's card."""


class CurriculumSettings(Settings):
    """How practice is mixed and when a level is mastered."""

    threshold: float = Field(0.80, gt=0, le=1)
    """Accuracy that counts as passed."""
    consecutive: int = Field(3, ge=1)
    """Examinations in a row, each at another checkpoint."""
    tolerance: float = Field(0.05, ge=0, lt=1)
    """A mastered level may fall this far below the threshold."""
    unmaster_after: int = Field(5, ge=1)
    """Examinations below that bound until a level is lost."""
    exam_problems: int = Field(100, ge=1)
    """Problems of an examination."""
    panel_problems: int = Field(100, ge=1)
    """Problems per mastered level in the regression panel."""
    panel_levels: int = Field(4, ge=1)
    """Mastered levels sampled for the panel when there are more."""
    levels_above: int = Field(3, ge=0)
    """How far above the frontier practice reaches; a small space alone is memorised."""
    wide_gap: float = Field(0.15, gt=0)
    """Training-side minus held-out accuracy from which practice widens."""


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


class ServiceSettings(Settings):
    """Addresses of the services."""

    bind: str = "127.0.0.1"
    """Address to listen on. Anything but loopback requires a token."""
    tavern_port: int = Field(8888, ge=0, le=65535)
    """Port of the page."""
    watchtower_port: int = Field(8081, ge=0, le=65535)
    """Port of the Prometheus metrics."""
    allowed_hosts: tuple[str, ...] = ()
    """Further Host headers to accept."""
    token: str = ""
    """Required off loopback; made at start when empty."""


class PageSettings(Settings):
    """How the page looks."""

    skin: Literal["realm", "lab"] = "realm"
    """`lab` shows the plain words of the field."""
    theme: Literal["auto", "dark", "light"] = "auto"
    """Colours."""


class AdapterSettings(Settings):
    """A low-rank adapter."""

    r: int = Field(16, ge=1)
    """Rank."""
    lora_alpha: int = Field(16, ge=1)
    """Scale."""
    lora_dropout: float = Field(0.05, ge=0, lt=1)
    """Dropout on the adapter's input."""
    bias: Literal["none", "all", "lora_only"] = "none"
    """Which biases train."""
    target_modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")
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
    domains: tuple[str, ...] = ()
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
