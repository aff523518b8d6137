from __future__ import annotations

import torch

from realm.arena.engine import Engine
from realm.arena.methods.sft import summed_loss
from realm.arena.precision import ATTENTION, multiplies_bfloat16
from realm.records import Progress
from tests.arena.arena_support import Notes, settings, small_hero, small_rows


def test_products_in_bfloat16_keep_weights_and_answers_in_float32() -> None:
    hero = small_hero()
    engine = Engine.open(hero, settings(bf16=True), progress=Progress())
    result = engine.train(small_rows(40), run="r", quest="q", hooks=Notes())
    assert result.outcome == "completed" and result.loss_last < result.loss_first
    assert {p.dtype for p in hero.model.parameters()} == {torch.float32}
    token = torch.tensor([[1, 2, 3]])
    assert hero.model(input_ids=token).logits.dtype == torch.float32


def test_it_is_the_trained_step_that_takes_products_in_bfloat16() -> None:
    losses = {}
    for bf16 in (False, True):
        engine = Engine.open(small_hero(), settings(bf16=bf16), progress=Progress())
        losses[bf16] = engine.train(small_rows(40), run="r", quest="q", hooks=Notes()).loss_first
    assert losses[False] != losses[True]
    assert abs(losses[False] - losses[True]) < 0.02


def test_auto_asks_the_processor() -> None:
    hero = small_hero()
    Engine.open(hero, settings(bf16="auto"), progress=Progress())
    assert (hero.model.config._attn_implementation == ATTENTION) is multiplies_bfloat16(torch.device("cpu"))


def test_attention_in_float32_hears_what_the_usual_one_hears() -> None:
    usual, other = small_hero(), small_hero()
    other.model.set_attn_implementation(ATTENTION)
    ids = torch.tensor([[1, 2, 3, 1, 2]])
    places = torch.tensor([[0, 1, 2, 0, 1]])
    part = {"input_ids": ids, "position_ids": places, "trained_at": torch.arange(5), "targets": ids[0]}
    a, b = (summed_loss(h.model, h.model.get_output_embeddings(), part) for h in (usual, other))
    assert torch.equal(a, b)
