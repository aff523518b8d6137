"""How a model is trained. Reads no file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from realm.config.schema.base import Settings, part

REWARDED = frozenset({"grpo", "rloo"})
"""Methods that learn from the grades of sampled answers, on rows that are prompts alone."""


class Hyperparameters(Settings):
    """How a run trains. Names are those of TRL and of the transformers Trainer."""

    method: Annotated[str, part("training method", "realm.methods", "sft", "sparring", "grpo", "rloo")] = "sft"
    """Training method: `sft`, `sparring` (`sft` on the rows that `realm spar` writes), `grpo` and `rloo` (sampled
    answers to prompts, rewarded by a skill's grader), or one that an installed package brings."""
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
    bf16: bool | Literal["auto"] = False
    """Take products of matrices in bfloat16; `auto`: where the device has instructions for it."""
    gradient_checkpointing: bool = False
    """Trade time for memory."""
    num_generations: int = Field(8, ge=2)
    """`grpo`, `rloo`: answers sampled for each prompt. A row of a batch is a prompt there."""
    max_completion_length: int = Field(256, ge=1)
    """`grpo`, `rloo`: longest sampled answer in tokens; a longer one is cut and graded as it stands."""
    temperature: float = Field(1.0, gt=0)
    """Temperature of sampled answers."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Sampled answers draw from the smallest set of tokens that has this much probability."""
    kl_beta: float = Field(0.0, ge=0)
    """`grpo`, `rloo`: weight of the divergence from the weights that the quest began with (TRL's `beta`); above 0 these
    are held beside the model."""
    scale_rewards: Literal["group", "batch", "none"] = "group"
    """`grpo`: advantages are divided by the standard deviation of the rewards of a prompt, of the batch, or not."""
    refill_rounds: int = Field(1, ge=0)
    """`grpo`, `rloo`: so often a step replaces prompts whose answers all earned the same by others of the quest."""
    random_reward: bool = False
    """`grpo`, `rloo`: the control. A fair coin instead of the grader; what then still rises was not learned from it."""
