"""The parts a preset is put together from, and what becomes of its model. Reads no file."""

from __future__ import annotations

from string import Formatter
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from realm.config.schema.base import Settings, Table, Words, part


class AdapterSettings(Settings):
    """A low-rank adapter (LoRA): it alone trains, on a base that stays as it is (docs: adapters)."""

    r: int = Field(16, ge=1)
    """Rank."""
    lora_alpha: int = Field(16, ge=1)
    """What the adapter adds is scaled by lora_alpha / r, with `use_rslora` by lora_alpha / sqrt(r)."""
    lora_dropout: float = Field(0.05, ge=0, lt=1)
    """Dropout on the adapter's input."""
    bias: Literal["none", "all", "lora_only"] = "none"
    """Which biases train: none, all, or those of the layers with an adapter."""
    target_modules: Words = ("q_proj", "k_proj", "v_proj", "o_proj")
    """Layers that get an adapter, by the last part of their names; or one word for them: `attention`, `all`."""
    use_rslora: bool = False
    """Rank-stabilised scale, for high ranks (https://arxiv.org/abs/2312.03732)."""
    use_dora: bool = False
    """Magnitude and direction apart: nearer to training all weights, and slower (https://arxiv.org/abs/2402.09353)."""
    quantize: Literal["none", "bf16", "nf4"] = "none"
    """How the base is held. `none`: in float32; `bf16`: in half of that, on any device; `nf4` (QLoRA): in 4 bits with
    double quantisation, by bitsandbytes, on an NVIDIA GPU only."""


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
    sharding: Literal["ddp", "fsdp2", "zero2", "zero3"] = "ddp"
    """How several processes hold the model: whole each (`ddp`), in slices (`fsdp2`), or with parts in the machine's
    memory (DeepSpeed's `zero2`, `zero3`). This version trains with `ddp` and prints configurations for the rest."""
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
    data_profile: Annotated[str, part("data profile", "realm.profiles", "", "none", "emoji_think", "regime3")] = ""
    """Data profile; without a name the hero's own."""
    campaign: str = ""
    """Campaign that the training goes on in; by default each training begins a campaign of its own."""
    examine: Words | None = None
    """Skills that the hero is examined in at each checkpoint and at the end; by default those that its profile weighs
    in `skill_priorities`. An empty list examines none."""

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
    include_evaluation: bool = True
    """Section `evaluation`: validation and test loss, examinations."""


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
