"""A batch looked at from inside: its rows are those that were trained, and a broken layer or row is found."""

from __future__ import annotations

import math
from typing import Any

import torch

from realm.arena.engine import Engine
from realm.arena.probe import probe
from realm.arena.rows_of_step import order_of, rows_of_step
from realm.records import Progress
from tests.arena.arena_support import Notes, settings, small_hero, small_rows


def test_the_rows_of_a_step_are_those_that_the_engine_trains() -> None:
    hero, chosen = small_hero(), settings(per_device_train_batch_size=2, num_train_epochs=2)
    engine = Engine.open(hero, chosen, progress=Progress())
    rows = small_rows(60)
    course: Any = engine.method("sft").course(rows, seed=order_of(chosen, "abc.2"))
    loader = course.batches()
    for step in (1, 2, course.steps):
        found = rows_of_step(
            rows, lambda some: hero.family.render_all(hero.tokenizer, some), chosen,
            order=order_of(chosen, "abc"), quest_step=step,
        )  # fmt: skip
        members = loader.plan.batch(step - 1).members.tolist()
        lengths = [len(r.token_ids) for r in hero.family.render_all(hero.tokenizer, [row for _, row in found])]
        assert lengths == [int(loader.examples.lengths[m]) for m in members]
        tokens = [hero.family.render(hero.tokenizer, row).token_ids for _, row in found]
        begins = loader.examples.offsets
        assert tokens == [loader.examples.tokens[begins[m] : begins[m + 1]].tolist() for m in members]
        assert all(rows[number - 1] == row for number, row in found)
    render = hero.family.render_all
    past = rows_of_step(rows, lambda s: render(hero.tokenizer, s), chosen, order="x", quest_step=course.steps + 1)
    assert past == []


def test_a_healthy_model_has_finite_layers_and_every_gradient() -> None:
    hero, rows = small_hero(), small_rows(6)
    before = [p.detach().clone() for p in hero.model.parameters()]
    found = probe(hero, rows, max_length=64)
    assert found.broken == "" and found.broken_row == -1
    assert len(found.losses) == 6 and all(math.isfinite(loss) and loss > 0 for loss in found.losses)
    layers = [name for name in found.gradients if "layers." in name]
    assert len(layers) == 2 and all(norm > 0 for norm in found.gradients.values())
    assert all(torch.equal(a, b) for a, b in zip(before, hero.model.parameters(), strict=True))
    assert all(p.grad is None for p in hero.model.parameters()), "nothing is left behind"


def test_the_first_layer_that_is_not_finite_is_named() -> None:
    hero = small_hero()
    weights = dict(hero.model.named_parameters())["model.layers.1.mlp.up_proj.weight"]
    with torch.no_grad():
        weights[0, 0] = float("nan")
    found = probe(hero, small_rows(3), max_length=64)
    assert found.broken == "model.layers.1.mlp.up_proj" and found.broken_row == 0
    assert any(not math.isfinite(loss) for loss in found.losses)


def test_the_strangest_row_has_the_highest_loss() -> None:
    hero = small_hero()
    rows = [{"prompt": "1 + 1 =", "completion": " 2"}] * 8
    engine = Engine.open(hero, settings(num_train_epochs=30, eval_fraction=0.0), progress=Progress())
    engine.train(rows, run="r", quest="q", hooks=Notes())
    found = probe(hero, [*rows[:3], {"prompt": "1 + 1 =", "completion": " zebra"}], max_length=64)
    assert max(range(4), key=lambda i: found.losses[i]) == 3
