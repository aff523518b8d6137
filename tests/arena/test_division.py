"""Methods that compare answers: a batch in smaller parts trains the same, and `auto` finds their rows too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from realm.arena.engine import Engine
from realm.arena.fit.batch import find_rows, most_rows, sequences
from realm.arena.fit.fit import Fit
from realm.errors import TrainingError
from realm.records import Progress, Row

from .arena_support import Notes, settings, small_hero

CPU = torch.device("cpu")
PAIRS: list[Row] = [
    {"prompt": f"{i}?", "chosen": f"yes {i % 7}" + " ok" * (i % 4), "rejected": f"{i % 5} no"} for i in range(24)
]
LABELS: list[Row] = [{"prompt": f"{i}?", "completion": f"{i % 7} ok", "label": i % 2 == 0} for i in range(24)]
PROMPTS: list[Row] = [{"prompt": f"say {i}" + "!" * (i % 4), "answer": "1"} for i in range(24)]
ROWS = {"dpo": PAIRS, "orpo": PAIRS, "kto": LABELS, "grpo": PROMPTS, "rloo": PROMPTS}
DIVIDED: list[tuple[str, dict[str, Any]]] = [
    ("dpo", {}),
    ("dpo", {"loss_type": ("ipo",), "gradient_accumulation_steps": 2}),
    ("orpo", {}),
    ("grpo", {"kl_beta": 0.1, "gradient_accumulation_steps": 2}),
    ("rloo", {}),
]


def short(_rows: Sequence[Row], answers: Sequence[str]) -> list[float]:
    return [1.0 - min(1.0, sum(c.isalpha() for c in answer) / 8) for answer in answers]


def chosen(method: str, **changes: Any) -> Any:
    usual = {
        "method": method, "per_device_train_batch_size": 4, "num_generations": 4, "max_completion_length": 8,
        "eval_fraction": 0.0, "preference_learning_rate_share": 1.0, "max_steps": 2,
    }  # fmt: skip
    return settings(**{**usual, **changes})


class Passes:
    """The sizes of all passes that learn; where one has more than `room` tokens, memory runs out."""

    def __init__(self, model: Any, room: int | None = None) -> None:
        self.tokens: list[int] = []
        self.room = room
        model.register_forward_pre_hook(self._before, with_kwargs=True)

    def _before(self, model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not (model.training and torch.is_grad_enabled()):
            return
        size = (kwargs["input_ids"] if "input_ids" in kwargs else args[0]).numel()
        if self.room is not None and size > self.room:
            raise MemoryError
        self.tokens.append(size)


def trained(
    method: str, changes: dict[str, Any], *, part_tokens: int | None = None, room: int | None = None
) -> tuple[Notes, Passes]:
    hero, notes = small_hero(), Notes()
    engine = Engine.open(hero, chosen(method, **changes), progress=Progress(), grade=short, fit=Fit("small"))
    engine._fit.part_tokens = part_tokens
    passes = Passes(hero.model, room)
    engine.train(ROWS[method], run="r", quest="a", hooks=notes)
    return notes, passes


def alike(one: Notes, other: Notes) -> bool:
    """Loss, norm and measures of the first step: later ones may sample other answers, a sum being rounded otherwise."""
    told = [{"loss": first.loss, "norm": first.grad_norm, **first.measures} for first in (one.steps[0], other.steps[0])]
    for measures in told:
        measures.pop("accuracy", None)  # policy and reference are the same yet: which of two zeros is larger is noise
    return told[0] == pytest.approx(told[1], rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(("method", "changes"), DIVIDED)
def test_smaller_parts_make_the_same_step(method: str, changes: dict[str, Any]) -> None:
    whole, large = trained(method, changes)
    parts, small = trained(method, changes, part_tokens=64)
    assert len(small.tokens) > len(large.tokens) and max(small.tokens) <= 64 < max(large.tokens)
    assert [step.tokens for step in parts.steps][:1] == [step.tokens for step in whole.steps][:1]
    assert alike(whole, parts)


@pytest.mark.parametrize(("method", "changes"), DIVIDED)
def test_a_shortage_divides_the_batch_and_goes_on(method: str, changes: dict[str, Any]) -> None:
    whole, large = trained(method, changes)
    notes, passes = trained(method, changes, room=max(large.tokens) // 2)
    assert notes.lightened and len(notes.steps) == len(whole.steps)
    assert all(tokens < before for _, before, tokens in notes.lightened)
    assert max(passes.tokens) <= max(large.tokens) // 2
    assert alike(whole, notes)


@pytest.mark.parametrize(("method", "changes"), [("kto", {}), ("dpo", {"loss_type": ("aot",)})])
def test_a_loss_of_the_whole_batch_is_not_divided(method: str, changes: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match="cannot be divided"):
        trained(method, changes, room=32)


def test_a_row_is_as_many_sequences_as_its_method_compares() -> None:
    assert sequences(chosen("sft")) == (1, 64)
    assert sequences(chosen("dpo")) == sequences(chosen("kto")) == (2, 64)
    assert sequences(chosen("grpo")) == (4, 72)
    assert most_rows(chosen("dpo", max_length=1024), CPU, 16) == 16  # nothing is packed: no part of a fixed size
    assert most_rows(chosen("sft", max_length=1024), CPU, 16) == 2


def test_a_trial_has_all_sequences_of_its_rows() -> None:
    hero = small_hero()
    passes = Passes(hero.model)
    found = find_rows(hero.model, chosen("grpo"), allowed=2, limit=float("inf"), reserved=0)
    assert found == 2 and passes.tokens == [4 * 72, 2 * 4 * 72]


@pytest.mark.parametrize("method", ["dpo", "grpo"])
def test_an_automatic_batch_trains(method: str) -> None:
    given = chosen(method, per_device_train_batch_size="auto")
    engine = Engine.open(small_hero(), given, progress=Progress(), grade=short, fit=Fit("small", allowed_rows=2))
    assert engine.used.per_device_train_batch_size == 2
    notes = Notes()
    assert engine.train(ROWS[method], run="r", quest="a", hooks=notes).outcome == "completed"
