"""Greedy answers: batched equals one by one equals transformers' own, in the order asked."""

import pytest
import torch

from realm.heroes import load
from realm.heroes.chat import render_prompt
from realm.heroes.generation import answer, answer_ids, stop_ids
from realm.heroes.kv_cache import rows_at_once

PROMPTS = ["①", "①⓪ + ① = ?", "a much longer question than the others, " * 3, "⓪", "what?"]


@pytest.fixture(scope="module")
def hero():
    hero = load("hatchling", seed="spoken")
    # louder weights: at the initial scale all logits are near equal and rounding decides
    with torch.no_grad():
        for parameter in hero.model.parameters():
            parameter.mul_(4.0)
    return hero


def test_a_batch_answers_as_one_by_one(hero) -> None:
    ask = {"max_new_tokens": 12}
    together = answer(hero.model, hero.tokenizer, PROMPTS, batch_size=4, **ask)
    alone = [answer(hero.model, hero.tokenizer, [prompt], **ask)[0] for prompt in PROMPTS]
    assert together == alone


def test_the_same_as_generate(hero) -> None:
    asked = [render_prompt(hero.tokenizer, prompt) for prompt in PROMPTS]
    ours = answer_ids(hero.model, asked, stop_ids=stop_ids(hero.model, hero.tokenizer), max_new_tokens=12, batch_size=8)
    for ids, got in zip(asked, ours, strict=True):
        whole = hero.model.generate(
            torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), max_new_tokens=12, do_sample=False
        )
        theirs = [i for i in whole[0, len(ids) :].tolist() if i != hero.tokenizer.eos_token_id]
        assert got == theirs


def test_ended_rows_leave_and_the_others_go_on(hero) -> None:
    asked = [render_prompt(hero.tokenizer, prompt) for prompt in PROMPTS]
    free = answer_ids(hero.model, asked, stop_ids=frozenset(), max_new_tokens=10, batch_size=8)
    stops = frozenset({free[0][2], free[1][1], free[3][4]})
    stopped = answer_ids(hero.model, asked, stop_ids=stops, max_new_tokens=10, batch_size=8)
    for whole, got in zip(free, stopped, strict=True):
        end = next((at for at, token in enumerate(whole) if token in stops), len(whole))
        assert got == whole[:end]


def test_the_training_mode_is_kept(hero) -> None:
    hero.model.train()
    answer(hero.model, hero.tokenizer, ["①"], max_new_tokens=1)
    assert hero.model.training
    assert answer(hero.model, hero.tokenizer, [], max_new_tokens=1) == []


def test_a_batch_is_as_large_as_its_cache_may_be(hero) -> None:
    few, many = rows_at_once(hero.model, 4000), rows_at_once(hero.model, 400)
    assert 1 <= few * 9 <= many
    assert rows_at_once(hero.model, 10**12) == 1


def test_answering_leaves_the_number_of_threads_alone(hero) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        answer(hero.model, hero.tokenizer, PROMPTS[:2], max_new_tokens=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
