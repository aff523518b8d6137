"""Learning from rewards on TRL's GRPOTrainer and RLOOTrainer, fed with answers that are already sampled and graded.

Rewards, advantages, KL and losses are TRL's own: `_generate_and_score_completions` and `_compute_loss`. What is
replaced is where answers come from (the hero's batched sampler, seeded by quest, step and prompt, so that a run that
was killed draws the same again) and who holds the batches (the arena: stops, saves and metrics as in every method).
TRL's own sampler would draw from torch's one generator and with `generate`, and choose its batches by a data loader.

Every step samples anew (TRL's `num_iterations` = 1), so the policy that is trained is the one that answered: the ratio
of the two is 1 and its clipping never takes hold.
"""

from __future__ import annotations

import copy
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from math import isnan
from statistics import fmean
from typing import Any, ClassVar

import numpy as np
import torch
from datasets import Dataset
from transformers import Trainer
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer
from trl.trainer.utils import add_fused_lm_head

from realm.arena.callbacks import StepFacts
from realm.arena.data import Examples, Reading
from realm.arena.methods import Parts
from realm.arena.methods.warm import WarmTrainer, common_arguments, quiet, untouched
from realm.arena.precision import prepare
from realm.arena.rollouts import Group, Rollout, Sampler, read
from realm.arena.seeds import number
from realm.config.schema import Hyperparameters
from realm.records import LevelCell, Row

Part = dict[str, Any]


class _Fed(WarmTrainer):
    """Mixed in before one of TRL's trainers: prompts and answers are those of `asked`, in its order."""

    mean_of_answers = False
    """Whether TRL's loss is the mean over the answers of a part; otherwise it is their share of the whole step's."""
    asked: Sequence[Group] = ()
    """The groups whose advantages are worked out."""
    shares: Sequence[float] = ()
    """What each part whose metrics were not taken yet is of its batch."""

    def compute_loss(
        self, model: Any, inputs: Part, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        share = inputs.pop("share", 1.0)
        self.shares = (*self.shares, share)
        loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)  # type: ignore[misc]
        return loss if share == 1.0 or not self.mean_of_answers else loss * share

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[Any], None, dict[str, Any]]:
        return [list(group.prompt.token_ids) for group in self.asked for _ in group.answers], None, {}

    def _prepare_inputs(self, inputs: Part) -> Any:
        return Trainer._prepare_inputs(self, inputs)  # TRL's own would sample here

    def _sampled(self) -> list[list[int]]:
        return [list(ids) for group in self.asked for ids in group.answers]

    def scored(self, groups: Sequence[Group]) -> Part:
        """Tensors of these groups as TRL makes them: ids, masks and advantages."""
        self.asked = groups
        rows = [{"prompt": "", "reward": reward} for group in groups for reward in group.rewards]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # TRL asks transformers by a name that is on its way out
            return self._generate_and_score_completions(rows)  # type: ignore[attr-defined, no-any-return]

    def take_measured(self) -> dict[str, float]:
        """Means of what TRL measured since this was asked last."""
        metrics, weights, self.shares = self._metrics["train"], self.shares, ()  # type: ignore[attr-defined]
        measured = {
            name: fmean(values, weights if len(values) == len(weights) else None)
            for name, values in metrics.items()
            if values
        }
        metrics.clear()
        return measured


class FedGRPOTrainer(_Fed, GRPOTrainer):  # type: ignore[misc]
    """TRL's GRPO on answers that are handed in."""

    def _generate_single_turn(self, *_: Any, **__: Any) -> tuple[list[list[int]], None]:
        return self._sampled(), None


class FedRLOOTrainer(_Fed, RLOOTrainer):  # type: ignore[misc]
    """TRL's RLOO on answers that are handed in."""

    mean_of_answers = True

    def _generate_single_turn(self, *_: Any, **__: Any) -> list[list[int]]:
        return self._sampled()


class GroupRelative:
    """The method `grpo`: answers are compared with the others to the same prompt."""

    trainer_class: ClassVar[type[Any]] = FedGRPOTrainer

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        with untouched(parts.model), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.trainer = self.trainer_class(
                model=parts.model,
                reward_funcs=handed_in,
                args=self.arguments(parts.settings),
                train_dataset=Dataset.from_dict({"prompt": [""]}),  # asked for, never read
                processing_class=parts.tokenizer,
                optimizers=(parts.optimizer, parts.scheduler),
            )
            self._forward = parts.model.__dict__["forward"]  # scores answers without holding all logits
        self.trainer.bf16 = prepare(parts.model, parts.settings.bf16)
        quiet(self.trainer)

    def course(self, rows: Iterable[Row], *, seed: str) -> RewardCourse:
        prompts, too_long = read(rows, self._parts)
        return RewardCourse(self, Sampler(self._parts, prompts, seed), too_long, seed, self._parts)

    def arguments(self, settings: Hyperparameters) -> Any:
        """TRL's settings: a prompt is one row of a batch, its answers are computed together."""
        return GRPOConfig(**_arguments(settings), scale_rewards=settings.scale_rewards)

    def reference(self) -> Any:
        """The model as it stands, held still."""
        model = self._parts.model
        own = model.__dict__.pop("forward", None)  # a patched one would go on calling the model itself
        try:
            held = copy.deepcopy(model)
        finally:
            if own is not None:
                model.__dict__["forward"] = own
        add_fused_lm_head(held, temperature=self._parts.settings.temperature)
        return held.requires_grad_(False).eval()

    @contextmanager
    def training(self, reference: Any = None) -> Iterator[Any]:
        """The trainer while the model scores answers in TRL's way; afterwards it is as it was.

        With a `reference` the divergence from it counts, `kl_beta` times.
        """
        model = self._parts.model
        self.trainer.beta = 0.0 if reference is None else self._parts.settings.kl_beta
        self.trainer.ref_model = reference
        own = model.__dict__.get("forward")
        model.__dict__["forward"] = self._forward
        try:
            yield self.trainer
        finally:
            model.__dict__.pop("forward", None)
            if own is not None:
                model.__dict__["forward"] = own
            self.trainer.batches, self.trainer.asked, self.trainer.ref_model = (), (), None
            self.trainer.take_measured()
            self.trainer.model.zero_grad()
            self.trainer.step_loss = 0.0


class LeaveOneOut(GroupRelative):
    """The method `rloo`: an answer is compared with the mean of the others to the same prompt."""

    trainer_class = FedRLOOTrainer

    def arguments(self, settings: Hyperparameters) -> Any:
        return RLOOConfig(**_arguments(settings))


class RewardCourse:
    """One prompt-only quest: sampled, graded and trained step by step."""

    learning_rate_share = 1.0

    def __init__(self, method: GroupRelative, sampler: Sampler, too_long: int, seed: str, parts: Parts) -> None:
        self.steps = sampler.steps
        nothing = Examples(np.zeros(0, np.int32), np.zeros(0, np.bool_), np.zeros(1, np.int64))
        self.reading = Reading(nothing, nothing, truncated=0, untrained=too_long)
        self._method, self._sampler, self._seed = method, sampler, seed
        self._accumulated = method.trainer.args.gradient_accumulation_steps
        self._now: Rollout | None = None
        self._model, self._needs_reference = parts.model, parts.settings.kl_beta > 0
        self._reference: Any = None
        self._batch_rows = parts.settings.batch_rows * parts.settings.num_generations
        self._part_tokens = parts.fit.part_tokens

    def lighten(self) -> tuple[int, int] | None:
        """See `fit.shortage.Divisible`: the answers of a batch are scored in smaller parts."""
        least = self._sampler.longest_tokens
        before = self._part_tokens or self._batch_rows * least
        if before <= least:
            return None
        self._part_tokens = max(before // 2, least)
        return before, self._part_tokens

    def begin(
        self,
        kept: Mapping[str, Any] | None,
        before_batch: Callable[[], object],
        measured: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Hold the weights still that the quest begins with, or those that it began with; `measured` is not needed."""
        self._sampler.before_batch = before_batch
        if self._needs_reference:
            self._reference = self._method.reference()
            self._reference.load_state_dict(kept or {}, strict=False)

    def state(self) -> Mapping[str, Any]:
        """The weights that the quest began with, where divergence from them counts."""
        held = self._model if self._reference is None else self._reference
        return {name: weight.detach() for name, weight in held.named_parameters()} if self._needs_reference else {}

    def run(self, first_step: int, watch: Any) -> None:
        if first_step == 0:
            self._sampler.dry_run()
        with self._method.training(self._reference) as trainer:
            trainer.batches = _Batches(self, first_step)
            trainer.add_callback(watch)
            try:
                trainer.train()
            finally:
                trainer.remove_callback(watch)

    def batches(self, step: int) -> Iterator[list[Part]]:
        """The batches of one optimizer step of the quest: its answers in as many parts as gradients are summed."""
        trainer = self._method.trainer
        self._now = rollout = self._sampler.rollout(step)
        torch.manual_seed(number(self._seed, "batch", step))  # draws of the model's own (dropout)
        trainer.model.train()  # TRL scores otherwise in evaluation
        whole = trainer.scored(rollout.groups)
        size = len(whole["advantages"]) // self._accumulated
        for first in range(0, size * self._accumulated, size):
            yield [_part(whole, some, size) for some in self._divided(whole, first, first + size)]

    def _divided(self, whole: Part, first: int, end: int) -> Iterator[range]:
        """The answers of a batch, as many together as are computed at once."""
        width = whole["prompt_ids"].shape[1] + whole["completion_ids"].shape[1]
        size = max(1, self._part_tokens // width) if self._part_tokens else end - first
        for begin in range(first, end, size):
            yield range(begin, min(begin + size, end))

    def facts(self) -> StepFacts:
        trainer, rollout = self._method.trainer, self._now
        assert rollout is not None
        measured = trainer.take_measured()
        trainer.step_loss = 0.0
        tokens: Counter[LevelCell] = Counter()
        for group in rollout.groups:
            if group.has_signal:
                tokens[group.prompt.cell] += sum(map(len, group.answers))
        measures = self._measures(rollout, measured)
        return StepFacts(
            loss=1.0 - measures["reward"],
            grad_norm=float(trainer.step_grad_norm),
            learning_rate=trainer.optimizer.param_groups[-1]["lr"],
            trained_tokens=tokens.total(),
            input_tokens=sum(group.tokens for group in rollout.groups),
            level_tokens=tokens,
            measures=measures,
        )

    def validate(self) -> float | None:
        return None  # the examination is the measure; a slice of prompts would be asked at random once more

    def _measures(self, rollout: Rollout, measured: dict[str, float]) -> dict[str, float]:
        """`reward` is the grader's, over the prompts in the order of the quest: no choice of prompts moves it."""
        first = [group.graded_mean for group in rollout.asked[: len(rollout.groups)]]
        answers = [ids for group in rollout.asked for ids in group.answers]
        found = {
            "reward": fmean([mean for mean in first if not isnan(mean)] or [0.0]),
            "signal": rollout.signal,
            "length": fmean(map(len, answers)),
            "cut": fmean(not self._sampler.ended(ids) for ids in answers),
        }
        return found | {name: measured[name] for name in ("entropy", "kl") if name in measured}


class _Batches:
    """All batches from a step of the quest on; those of a step are sampled when its turn comes."""

    def __init__(self, course: RewardCourse, first_step: int) -> None:
        self._course, self._first = course, first_step

    def __len__(self) -> int:
        return int((self._course.steps - self._first) * self._course._accumulated)

    def __iter__(self) -> Iterator[list[Part]]:
        for step in range(self._first, self._course.steps):
            yield from self._course.batches(step)


def handed_in(reward: list[float], **_: Any) -> list[float]:
    """The reward function that TRL asks for: what was graded before."""
    return reward


def _part(whole: Part, some: range, batch: int) -> Part:
    """These answers of a step; `share` says what they are of their batch, where they are not all of it."""
    share = {} if len(some) == batch else {"share": len(some) / batch}
    return {name: _slice(value, some) for name, value in whole.items()} | share


def _slice(value: Any, some: range) -> Any:
    return value[some.start : some.stop] if isinstance(value, torch.Tensor) and value.dim() else value


def _arguments(settings: Hyperparameters) -> dict[str, Any]:
    """Only TRL's scoring is wanted besides, not its sampling: answers are handed in."""
    return {
        **common_arguments(settings),
        "per_device_train_batch_size": settings.batch_rows * settings.num_generations,
        "num_generations": settings.num_generations,
        "max_completion_length": settings.max_completion_length,
        "temperature": settings.temperature,
        "beta": 0.0,  # above 0 TRL would load the reference by the model's name: see `reference`
    }
