"""How a model is trained. Reads no file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from realm.config.schema.base import Settings, Words, named_part, part, split

TRACKERS = ("mlflow", "tensorboard", "trackio", "wandb")
DpoLoss = Literal[
    "sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot", "aot_unpaired",
    "apo_zero", "apo_down", "discopop", "sft", "sigmoid_norm",
]  # fmt: skip
"""What TRL's DPOConfig knows as `loss_type`."""


def _trackers(names: tuple[str, ...]) -> tuple[str, ...]:
    """Each name once and known; `none` is the transformers Trainer's word for no tracker."""
    return tuple(dict.fromkeys(named_part("tracker", "realm.trackers", TRACKERS, n) for n in names if n != "none"))


REWARDED = frozenset({"grpo", "rloo"})
"""Methods that learn from the grades of sampled answers, on rows that are prompts alone."""


class Hyperparameters(Settings):
    """How a run trains. Names are those of TRL and of the transformers Trainer."""

    method: Annotated[
        str,
        part("training method", "realm.methods", "sft", "sparring", "dpo", "kto", "orpo", "grpo", "rloo", "distill"),
    ] = "sft"
    """Training method: `sft`, `sparring` (`sft` on the rows that `realm spar` writes), `dpo`, `orpo` and `kto`
    (preferences), `grpo` and `rloo` (sampled answers to prompts, rewarded by a skill's grader), `distill` (learn from a
    teacher), or one that an installed package brings. A quest that it cannot use is trained by one that fits."""
    learning_rate: float = Field(2e-4, gt=0)
    """Peak learning rate of AdamW (and of what Muon does not take)."""
    optim: Literal[
        "adamw", "adamw_8bit", "paged_adamw", "paged_adamw_8bit", "muon", "galore", "galore_8bit", "apollo"
    ] = "adamw"
    """Optimizer (docs/fit.md). Muon, GaLore and APOLLO take the hidden matrices, AdamW the rest; of an adapter, which
    has none, AdamW takes all under Muon, and the other two are refused. Paged: on a GPU."""
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
    """Packed rows (or pairs, or prompts) per step and device; `auto`: as many as the device computes at once, found by
    trying."""
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
    teacher: str = ""
    """Who is learned from by `distill`: a hero's best checkpoint (`HERO:CAMPAIGN`) or another one
    (`HERO:CAMPAIGN@STEP`, `...@latest`), a hero of the catalogue as it comes, a model's folder, `self` (the hero as it
    is when a quest begins), `self:mean` (its running mean), or an OpenAI-compatible endpoint
    (`https://HOST/v1#MODEL`)."""
    teacher_key_variable: str = ""
    """Name of the environment variable that holds the endpoint's API key; the key itself stands in no file."""
    teacher_timeout_seconds: float = Field(60.0, gt=0)
    """An endpoint that takes longer for an answer does not answer."""
    teacher_sees_answer: bool = False
    """Show the teacher the row's own answer before it scores the student's: a hero can then teach itself."""
    distill_beta: float = Field(1.0, ge=0, le=1)
    """What is minimised (TRL's `beta`): 0 the forward divergence KL(teacher, student), 1 the reverse one KL(student,
    teacher), in between their generalised Jensen-Shannon divergence."""
    distill_lmbda: float = Field(1.0, ge=0, le=1)
    """Share of examples whose answer the student samples itself (TRL's `lmbda`); the others take the row's own."""
    distill_temperature: float = Field(1.0, gt=0)
    """Temperature of the student's samples and of both distributions that are compared."""
    distill_top_p: float = Field(1.0, gt=0, le=1)
    """The student samples from the smallest set of tokens that has this much probability."""
    distill_max_new_tokens: int = Field(256, ge=1)
    """Longest answer of the student, or of an endpoint, in tokens."""
    token_weighting: Literal["none", "entropy", "surprise", "margin"] = "none"
    """Weigh the loss of each trained token by how the model stands there: by the entropy of its prediction, by its
    surprise (1 minus the probability of the right token), or by the margin between its two best guesses."""
    token_weighting_temperature: float = Field(1.0, gt=0)
    """Divides the standardised score before the sigmoid: the higher, the more alike the weights."""
    token_weighting_min: float = Field(0.5, gt=0)
    """Least weight, before the mean of a step's weights is brought to 1."""
    token_weighting_max: float = Field(2.0, gt=0)
    """Largest weight, before that."""
    bf16: bool | Literal["auto"] = False
    """Take products of matrices in bfloat16; `auto`: where the device has instructions for it."""
    beta: float = Field(0.1, gt=0)
    """`dpo`, `kto`: how dear it is to leave the reference; `orpo`: weight of the odds ratio."""
    loss_type: Annotated[tuple[DpoLoss, ...], BeforeValidator(split)] = ("sigmoid",)
    """`dpo`: TRL's losses, summed by `loss_weights`; `sigmoid, sft` keeps the chosen answers likely."""
    loss_weights: tuple[float, ...] = ()
    """`dpo`: one weight for each of `loss_type`; none: all 1."""
    label_smoothing: float = Field(0.0, ge=0, lt=0.5)
    """`dpo`: share of pairs that may stand the wrong way round; for the losses `robust`, `exo_pair` and `aot`."""
    desirable_weight: float = Field(1.0, gt=0)
    """`kto`: weight of wanted answers."""
    undesirable_weight: float = Field(1.0, gt=0)
    """`kto`: weight of the others."""
    preference_learning_rate_share: float = Field(0.1, gt=0, le=1)
    """`dpo`, `kto`, `orpo` train with this share of the learning rate: they need smaller steps than `sft`."""
    gradient_checkpointing: bool = False
    """Trade time for memory."""
    num_generations: int = Field(8, ge=2)
    """`grpo`, `rloo`: answers sampled for each prompt. A row of a batch is a prompt there."""
    max_completion_length: int = Field(256, ge=1)
    """`grpo`, `rloo`: longest sampled answer in tokens; a longer one is cut and graded as it stands."""
    temperature: float = Field(1.0, gt=0)
    """`grpo`, `rloo`: temperature of sampled answers."""
    top_p: float = Field(1.0, gt=0, le=1)
    """`grpo`, `rloo`: sampled answers draw from the smallest set of tokens that has this much probability."""
    kl_beta: float = Field(0.0, ge=0)
    """`grpo`, `rloo`: weight of the divergence from the weights that the quest began with (TRL's `beta`); above 0 these
    are held beside the model."""
    scale_rewards: Literal["group", "batch", "none"] = "group"
    """`grpo`: advantages are divided by the standard deviation of the rewards of a prompt, of the batch, or not."""
    refill_rounds: int = Field(1, ge=0)
    """`grpo`, `rloo`: so often a step replaces prompts whose answers all earned the same by others of the quest."""
    random_reward: bool = False
    """`grpo`, `rloo`: the control. A fair coin instead of the grader; what then still rises was not learned from it."""
    report_to: Annotated[Words, AfterValidator(_trackers)] = ()
    """Trackers that are told each recorded step: `tensorboard`, `wandb`, `trackio`, `mlflow`, or one that an installed
    package brings (docs: tracking)."""

    @model_validator(mode="after")
    def _losses_fit(self) -> Hyperparameters:
        if self.loss_weights and len(self.loss_weights) != len(self.loss_type):
            raise ValueError(f"loss_weights has {len(self.loss_weights)} values for {len(self.loss_type)} of loss_type")
        if "exo_pair" in self.loss_type and not self.label_smoothing:
            raise ValueError("the loss exo_pair needs label_smoothing above 0, such as 0.001")
        if self.token_weighting_max < self.token_weighting_min:
            raise ValueError("token_weighting_max must not be below token_weighting_min")
        return self

    @property
    def batch_rows(self) -> int:
        """Rows per step and device; 1 as long as they are still to be found."""
        return 1 if self.per_device_train_batch_size == "auto" else self.per_device_train_batch_size
