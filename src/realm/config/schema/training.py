"""How a model is trained. Reads no file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from realm.config.schema.base import Settings, part


class Hyperparameters(Settings):
    """How a run trains. Names are those of TRL and of the transformers Trainer."""

    method: Annotated[str, part("training method", "realm.methods", "sft", "sparring")] = "sft"
    """Training method: `sft`, `sparring` (`sft` on the rows that `realm spar` writes), or one that an installed package
    brings."""
    learning_rate: float = Field(2e-4, gt=0)
    """Peak learning rate of AdamW (and of what Muon does not take)."""
    optim: Literal[
        "adamw", "adamw_8bit", "paged_adamw", "paged_adamw_8bit", "muon", "galore", "galore_8bit", "apollo"
    ] = "adamw"
    """Optimizer (docs/fit.md). Muon, GaLore and APOLLO take the hidden matrices, AdamW the rest; paged: on a GPU."""
    optim_rank: int = Field(128, ge=1)
    """Rank to which GaLore and APOLLO project a matrix's gradient."""
    optim_update_gap: int = Field(200, ge=1)
    """Steps between two projections of GaLore and APOLLO."""
    optim_scale: float | None = Field(None, gt=0)
    """Scale of their updates; by default 0.25 for GaLore and 1 for APOLLO."""
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
    lr_scheduler_type: Literal["constant_with_warmup", "inverse_sqrt", "linear", "cosine", "wsd"] = (
        "constant_with_warmup"
    )
    """Shape of the learning rate: over the steps of the campaign; `linear` and `cosine` over each quest; `wsd` holds it
    and lets it fall at the end, of each quest or once (`lr_decay_from`)."""
    lr_decay_share: float = Field(0.2, gt=0, le=1)
    """`wsd` falls over this last share of each quest, while `lr_decay_from` is 0."""
    lr_decay_from: int = Field(0, ge=0)
    """Campaign step from which `wsd` falls, once; 0: at the end of each quest."""
    lr_decay_steps: int = Field(1000, ge=1)
    """Steps that this fall takes; after them the rate stays at its lowest."""
    lr_timescale: int = Field(1000, ge=1)
    """`inverse_sqrt` has halved the rate after three times as many steps."""
    min_lr_rate: float = Field(0.1, ge=0, le=1)
    """`inverse_sqrt` and `wsd` fall no lower than to this share of the rate."""
    warmup_steps: int = Field(50, ge=0)
    """Steps of the campaign until the learning rate is full."""
    ema_decay: float = Field(0.0, ge=0, lt=1)
    """Answer, be examined and be saved with the running mean of the weights (0: with the weights themselves)."""
    per_device_train_batch_size: Annotated[int, Field(ge=1)] | Literal["auto"] = 8
    """Packed rows per step and device; `auto`: as many as the device computes at once, found by trying."""
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
    bf16: bool | Literal["auto"] = False
    """Take products of matrices in bfloat16; `auto`: where the device has instructions for it."""
    gradient_checkpointing: bool = False
    """Trade time for memory."""

    @property
    def batch_rows(self) -> int:
        """Rows per step and device; 1 as long as they are still to be found."""
        return 1 if self.per_device_train_batch_size == "auto" else self.per_device_train_batch_size
