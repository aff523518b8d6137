"""The method `distill`: learn from a teacher on one's own answers. Knows no quest, no file but a run's first weights.

On-policy distillation (Agarwal et al. 2024, https://arxiv.org/abs/2306.13649): the student samples answers with the
weights it has at that step, the teacher scores the same tokens, and their divergence is minimised; its formula is TRL's
(`GKDTrainer.generalized_jsd_loss`). A teacher that only writes gives the text to learn instead (sequence-level).
"""

from __future__ import annotations

import copy
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_model, save_model
from torch import Tensor

from realm.arena.batches import Batch, Part, collate
from realm.arena.data import Examples, Reading
from realm.arena.level_tokens import LevelTokens
from realm.arena.methods import Parts, TextTeacher
from realm.arena.methods.sft import PackedSFTTrainer, SftCourse, SupervisedFineTuning, logits_at, summed_loss
from realm.arena.packing import CPU_PART_TOKENS, Plan, Rows, parts, slices
from realm.arena.prompts import Prompt, read_prompts
from realm.arena.seeds import number
from realm.arena.teachers import require_same_tokenizer
from realm.config.schema import Hyperparameters
from realm.config.teacher import OWN_MEAN, SELF
from realm.errors import CheckpointError, TrainingError
from realm.heroes.generation import sample_ids, stop_ids
from realm.heroes.hero import LoadedHero
from realm.records import LevelCell, Row

with warnings.catch_warnings():  # it says at import that it may change; the version of TRL is pinned
    warnings.simplefilter("ignore")
    from trl.experimental.gkd import GKDTrainer

HELD_OUT_PROMPTS = 32
"""A reading of the validation loss samples an answer to each of these."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """A teacher that tells the probability of every token. Its weights get no gradient."""

    name: str
    model: Any
    stands: Callable[[], AbstractContextManager[None]] = nullcontext
    """What the model must be in while it scores: nothing, or the running mean of its weights."""

    @torch.no_grad()
    def logits(self, part: Part) -> Tensor:
        """Logits (N, V) at the trained places of a part; nothing is dropped."""
        was_training = self.model.training
        self.model.eval()
        try:
            with _uncached(self.model.device.type), self.stands():
                return logits_at(self.model, self.model.get_output_embeddings(), part)
        finally:
            self.model.train(was_training)


def _uncached(device: str) -> torch.autocast:
    """The number format in force, but weights that are swapped in are not remembered as casts of the student's."""
    enabled, dtype = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)
    return torch.autocast(device, dtype, enabled, cache_enabled=False)


class DistillTrainer(PackedSFTTrainer):
    """Minimises the divergence from a teacher where there is one that scores; else the cross-entropy."""

    scorer: Scorer | None = None
    settings: Hyperparameters

    def compute_loss(
        self, model: Any, inputs: Part, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor:
        if self.scorer is None:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        items = num_items_in_batch or len(inputs["targets"])
        return self.summed_divergence(model, inputs, self.scorer) / items

    def summed_divergence(self, model: Any, part: Part, scorer: Scorer, *, weighted: bool = True) -> Tensor:
        """Summed over the trained places of a part, in nats."""
        seen: Any = part.get("shown", part)  # the same tokens after a prompt that tells more
        taught = scorer.logits(seen)
        logits = logits_at(model, self.model.get_output_embeddings(), part)
        losses = divergences(logits, taught, self.settings)
        if self.weighting and weighted:
            weights = part["weights"] if "weights" in part else self.weighting.of_one(logits, part["targets"])
            losses = losses * weights
        return losses.sum()


def divergences(student: Tensor, teacher: Tensor, settings: Hyperparameters) -> Tensor:
    """The divergence at each place in nats, (N,), from logits (N, V). A vocabulary that only one pads is cut."""
    width = min(student.shape[-1], teacher.shape[-1])
    pointwise = GKDTrainer.generalized_jsd_loss(
        student[:, :width],
        teacher[:, :width],
        beta=settings.distill_beta,
        temperature=settings.distill_temperature,
        reduction="none",
    )  # (N, V)
    total: Tensor = pointwise.sum(-1)
    return total


class Distillation(SupervisedFineTuning):
    """Opened once for a model; finds the teacher anew for each quest."""

    trainer_class = DistillTrainer
    trainer: DistillTrainer

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.trainer.settings = parts.settings

    def course(self, rows: Iterable[Row], *, seed: str) -> DistillCourse:
        """Raises TrainingError without a teacher or a prompt, and what finding the teacher raises."""
        settings, hero = self._parts.settings, self._parts
        asked = read_prompts(
            rows,
            self._encode,
            max_length=settings.max_length,
            eval_fraction=settings.eval_fraction,
            most_held_out=HELD_OUT_PROMPTS,
            shown=settings.teacher_sees_answer,
        )
        if not asked.train:
            raise TrainingError(
                "The quest holds no prompt to answer.",
                hint=f"Rows need a prompt shorter than max_length = {settings.max_length} tokens.",
            )
        teacher = self._teacher()
        self.trainer.scorer = teacher if isinstance(teacher, Scorer) else None
        longest = [min(len(p.ids) + settings.distill_max_new_tokens, settings.max_length) for p in asked.train]
        plan = Plan(
            np.array(longest, dtype=np.int64),
            seed=seed,
            batch_rows=settings.batch_rows,
            max_length=settings.max_length,
            packing=settings.packing,
            accumulation=settings.gradient_accumulation_steps,
            epochs=settings.num_train_epochs,
            max_steps=settings.max_steps,
        )
        answers = Answerer(hero, teacher, seed)
        return DistillCourse(self.trainer, answers, plan, asked.train, asked.held_out, asked.unasked, seed)

    def _encode(self, prompt: Any) -> Sequence[int]:
        return self._parts.render_prompt(prompt)

    def _teacher(self) -> Scorer | TextTeacher:
        name, hero = self._parts.settings.teacher, self._parts
        if hero.teachers is None:
            raise TrainingError(
                "The method distill needs a teacher, and nobody here can find one.",
                hint="Hand Engine.open the teachers: realm.arena.teachers.Teachers.",
            )
        progress = hero.progress()
        if name in (SELF, OWN_MEAN):
            file = hero.teachers.kept(progress, name)
            return self._own_mean() if name == OWN_MEAN else self._own_start(file, fresh=progress.quest_step == 0)
        found = hero.teachers.find(name, progress)
        if not isinstance(found, LoadedHero):
            return found
        require_same_tokenizer(hero.tokenizer, found, found.name)
        return Scorer(found.name, _frozen(found.model.to(hero.model.device)))

    def _own_mean(self) -> Scorer:
        if not self._parts.average:
            raise TrainingError(
                "The teacher 'self:mean' is the running mean of the weights, and none is kept.",
                hint="Set training.ema_decay, such as 0.98, or learn from 'self'.",
            )
        return Scorer(OWN_MEAN, self._parts.model, self._parts.average.applied)

    def _own_start(self, file: Path, *, fresh: bool) -> Scorer:
        """The hero as it answered when the quest began; a run that goes on finds those weights in its folder."""
        with self._parts.average.applied():
            start = _frozen(copy.deepcopy(self._parts.model))
        if fresh:
            save_model(start, str(file.with_suffix(".partial")))
            os.replace(file.with_suffix(".partial"), file)
        elif file.is_file():
            load_model(start, file)
        else:
            raise CheckpointError(
                f"The weights that this quest began with are gone from {file.parent}.",
                hint="Leave the quest with `realm skip`, and begin it anew with `realm quest retry`.",
            )
        return Scorer(SELF, start)


def _frozen(model: Any) -> Any:
    """The model as somebody who learns nothing any more."""
    model.zero_grad()
    return model.requires_grad_(False).eval()


@dataclass(frozen=True, slots=True)
class Answered:
    """Examples of one batch, for the student and (where it sees more) for the teacher, and how they came to be."""

    student: Examples
    teacher: Examples | None
    sampled: int
    ended: int
    """Sampled answers that ended by themselves."""


class Answerer:
    """Writes the answers of a batch: the student's own, the rows' own, or those of a teacher that only writes."""

    def __init__(self, parts: Parts, teacher: Scorer | TextTeacher, seed: str) -> None:
        self._parts, self._settings, self._seed = parts, parts.settings, seed
        self._writer = None if isinstance(teacher, Scorer) else teacher
        self._stops = stop_ids(parts.model, parts.tokenizer)

    def answer(self, prompts: Sequence[Prompt], name: str) -> Answered:
        """Examples for these prompts, in their order; what is drawn follows from the weights and the name alone."""
        if self._writer is not None:
            texts = self._writer.answer([prompt.asked for prompt in prompts])
            written = [self._rendered(prompt, text) for prompt, text in zip(prompts, texts, strict=True)]
            return Answered(_examples(prompts, written), None, 0, 0)
        own = [p.answer is None or self._draws(name, at) for at, p in enumerate(prompts)]
        sampled = iter(self._sampled([p for p, samples in zip(prompts, own, strict=True) if samples], name))
        pairs = [
            (prompt.ids, next(sampled)) if samples else self._rendered(prompt, prompt.answer or "")
            for prompt, samples in zip(prompts, own, strict=True)
        ]
        shown = [(prompt.shown_ids, answer) for prompt, (_, answer) in zip(prompts, pairs, strict=True)]
        ended = sum(
            bool(answer) and answer[-1] in self._stops for (_, answer), mine in zip(pairs, own, strict=True) if mine
        )
        seen = _examples(prompts, shown) if self._settings.teacher_sees_answer else None
        return Answered(_examples(prompts, pairs), seen, sum(own), ended)

    def _draws(self, name: str, at: int) -> bool:
        return number(self._seed, name, "on-policy", at) < self._settings.distill_lmbda * 2**63

    def _sampled(self, prompts: Sequence[Prompt], name: str) -> list[list[int]]:
        """Answers by the weights as they are in training, each cut where its row is full."""
        if not prompts:
            return []
        settings, room = self._settings, [self._settings.max_length - len(prompt.ids) for prompt in prompts]
        drawn = sample_ids(
            self._parts.model,
            [prompt.ids for prompt in prompts],
            stop_ids=self._stops,
            count=1,
            temperature=settings.distill_temperature,
            top_p=settings.distill_top_p,
            max_new_tokens=min(settings.distill_max_new_tokens, max(room)),
            seed=f"{self._seed}/{name}",
        )
        return [ids[0][:most] for ids, most in zip(drawn, room, strict=True)]

    def _rendered(self, prompt: Prompt, text: str) -> tuple[Sequence[int], Sequence[int]]:
        """A text as the answer to a prompt, in tokens of the hero's template."""
        rendered = self._parts.render([{"prompt": prompt.asked, "completion": text}])[0]
        first = _last_answer(rendered.trained)
        most = self._settings.max_length
        return rendered.token_ids[:first], rendered.token_ids[first:most]


def _last_answer(trained: Sequence[bool]) -> int:
    """Where the last run of trained tokens begins; the end where there is none."""
    at = len(trained)
    while at and not trained[at - 1]:
        at -= 1
    end = at
    while at and trained[at - 1]:
        at -= 1
    return at if end else len(trained)


def _examples(prompts: Sequence[Prompt], pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Examples:
    """Prompts and answers end to end; the loss falls on the answers."""
    tokens = np.array([token for asked, answer in pairs for token in (*asked, *answer)], dtype=np.int32)
    sizes = np.array([(len(asked), len(answer)) for asked, answer in pairs], dtype=np.int64).reshape(-1, 2)
    trained = np.repeat(np.tile([False, True], len(pairs)), sizes.ravel())
    offsets = np.concatenate([[0], np.cumsum(sizes.sum(1))]).astype(np.int64)
    cells = LevelTokens()
    for prompt, (_, answer) in zip(prompts, pairs, strict=True):
        cells.add(prompt.cell, len(answer))
    return Examples(tokens, trained, offsets, cells)


@dataclass(frozen=True)
class AnswerLoader:
    """The batches of a plan from one on, answered when they are asked for: with the weights of that moment."""

    prompts: Sequence[Prompt]
    plan: Plan
    answers: Answerer
    lay_out: Callable[[Answered], Batch]
    first: int = 0
    told: dict[str, Any] = field(default_factory=dict)
    """Of the newest batch: its tokens by level, and what is measured of its answers since that was taken."""

    def __len__(self) -> int:
        return self.plan.batches - self.first

    def __iter__(self) -> Iterator[Batch]:
        for index in range(self.first, self.plan.batches):
            members = self.plan.batch(index).members
            answered = self.answers.answer([self.prompts[at] for at in members], f"batch/{index}")
            self._note(answered)
            yield self.lay_out(answered)

    def level_tokens(self, index: int) -> Counter[LevelCell]:
        """The trained tokens of the newest batch by skill and level."""
        counted: Counter[LevelCell] = self.told["level_tokens"]
        return counted

    def _note(self, answered: Answered) -> None:
        examples = answered.student
        self.told["level_tokens"] = examples.level_tokens.of(np.arange(len(examples)))
        counts = (len(examples), int(examples.trained.sum()), answered.sampled, answered.ended)
        before = self.told.get("counts", (0, 0, 0, 0))
        self.told["counts"] = tuple(a + b for a, b in zip(before, counts, strict=True))


class DistillCourse(SftCourse):
    """One quest of prompts; each batch is answered when its step has come."""

    def __init__(
        self,
        trainer: DistillTrainer,
        answers: Answerer,
        plan: Plan,
        prompts: list[Prompt],
        held_out: list[Prompt],
        unasked: int,
        seed: str,
    ) -> None:
        nothing = _examples([], [])
        self._part_tokens: int | None = None
        loader = AnswerLoader(prompts, plan, answers, self._lay_out)
        super().__init__(trainer, Reading(nothing, nothing, 0, unasked), loader, None, seed)  # type: ignore[arg-type]
        self._distill, self._answers, self._prompts = trainer, answers, held_out

    def measures(self) -> dict[str, float]:
        """Of the answers of the step: how many the student wrote, their mean length, how many ended by themselves."""
        told: dict[str, Any] = self._loader.told
        rows, tokens, sampled, ended = told.pop("counts")
        measured = {"answer_tokens": tokens / rows, "on_policy": sampled / rows}
        return super().measures() | measured | ({"ended": ended / sampled} if sampled else {})

    def lighten(self) -> tuple[int, int] | None:
        """See `fit.shortage.Divisible`. Answers are still sampled together: they keep no gradient."""
        before = self._part_tokens or self._loader.plan.batch_tokens
        tokens = max(before // 2, self._distill.settings.max_length)
        if before <= tokens:
            return None
        self._part_tokens = tokens
        return before, tokens

    @torch.no_grad()
    def validate(self) -> float | None:
        """The same loss per token on held-out prompts, with answers that are drawn alike at each reading.

        None for a hero that learns from its own mean: it is measured as that mean.
        """
        trainer, scorer = self._distill, self._distill.scorer
        if not self._prompts or (scorer and scorer.name == OWN_MEAN):
            return None
        batch = self._lay_out(self._answers.answer(self._prompts, "held-out"))
        was_training = trainer.model.training
        trainer.model.eval()
        total = 0.0
        with trainer.autocast_smart_context_manager():
            for part in map(trainer._prepare_inputs, batch):
                head = trainer.model.get_output_embeddings()
                if scorer:
                    total += float(trainer.summed_divergence(trainer.model, part, scorer, weighted=False))
                else:
                    total += float(summed_loss(trainer.model, head, part))
        trainer.model.train(was_training)
        return total / max(1, sum(len(part["targets"]) for part in batch))

    def _lay_out(self, answered: Answered) -> Batch:
        """Rows of like width, several examples in each where packing is on, in parts that are computed together."""
        settings, pad_id = self._distill.settings, self._distill.processing_class.pad_token_id
        layout, lengths = [_alone(len(answered.student))], answered.student.lengths
        if settings.packing:
            widest = max(settings.max_length, int(lengths.max()))
            layout = parts(lengths, max_width=widest, part_tokens=self._part_tokens or CPU_PART_TOKENS)
        elif self._part_tokens:
            layout = slices(layout[0], lengths, part_tokens=self._part_tokens)
        batch = [collate(answered.student, rows, pad_id=pad_id) for rows in layout]
        if answered.teacher is not None:
            for part, rows in zip(batch, layout, strict=True):
                part["shown"] = collate(answered.teacher, rows, pad_id=pad_id)  # type: ignore[assignment]
        if batch := [part for part in batch if len(part["targets"])]:
            return batch
        raise TrainingError(
            "The answers of a whole batch hold no token to train on.",
            hint="Does the teacher answer with text? Try a larger max_length.",
        )


def _alone(count: int) -> Rows:
    return Rows(np.arange(count), np.arange(count + 1))
