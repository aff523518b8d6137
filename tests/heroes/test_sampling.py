"""Sampled answers: decided by weights, seed and prompt alone, drawn as the model's probabilities say."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from realm.heroes.chat import render_prompt
from realm.heroes.generation import _sampling, sample, sample_ids, stop_ids
from realm.heroes.hero import LoadedHero
from tests.arena.arena_support import small_hero

PROMPTS = ["①", "①⓪ + ① = ?", "a much longer question than the others, " * 3, "⓪"]


@pytest.fixture(scope="module")
def hero() -> LoadedHero:
    return small_hero()


def drawn(hero: LoadedHero, prompts: list[str], **changes: Any) -> list[list[list[int]]]:
    asked = [render_prompt(hero.tokenizer, prompt) for prompt in prompts]
    given: dict[str, Any] = {"count": 3, "temperature": 1.0, "top_p": 1.0, "max_new_tokens": 12, "seed": "a"}
    stops = stop_ids(hero.model, hero.tokenizer)
    return sample_ids(hero.model, asked, stop_ids=stops, **{**given, **changes})


def test_a_prompt_draws_the_same_whatever_else_is_asked(hero: LoadedHero) -> None:
    together = drawn(hero, PROMPTS, batch_size=5)
    torch.rand(7)  # nobody's generator is used
    alone = [drawn(hero, [prompt])[0] for prompt in reversed(PROMPTS)]
    assert together == alone[::-1]
    assert drawn(hero, PROMPTS, seed="b") != together


def test_the_first_samples_stay_when_more_are_asked_for(hero: LoadedHero) -> None:
    assert [answers[:3] for answers in drawn(hero, PROMPTS, count=5)] == drawn(hero, PROMPTS)


def test_a_prompt_that_stands_there_twice_draws_anew(hero: LoadedHero) -> None:
    first, second = drawn(hero, ["①", "①"])
    assert first != second and first == drawn(hero, ["①"])[0]


def test_an_answer_keeps_the_token_that_ends_it_and_nothing_after(hero: LoadedHero) -> None:
    asked = [render_prompt(hero.tokenizer, "①")]
    common = {"count": 40, "temperature": 1.0, "top_p": 1.0, "seed": "a"}
    free = sample_ids(hero.model, asked, stop_ids=frozenset(), max_new_tokens=10, **common)[0]
    stop = Counter(token for ids in free for token in ids[2:6]).most_common(1)[0][0]
    ended = sample_ids(hero.model, asked, stop_ids=frozenset({stop}), max_new_tokens=10, **common)[0]
    for whole, got in zip(free, ended, strict=True):
        assert got == (whole[: whole.index(stop) + 1] if stop in whole else whole)
    assert any(stop in whole for whole in free)


def test_text_comes_without_the_end_token(hero: LoadedHero) -> None:
    texts = sample(hero.model, hero.tokenizer, PROMPTS, count=2, temperature=1.0, top_p=0.9, max_new_tokens=8, seed="a")
    assert [len(answers) for answers in texts] == [2] * len(PROMPTS)
    assert all(hero.tokenizer.eos_token not in text for answers in texts for text in answers)
    family = hero.family.sample(
        hero.model, hero.tokenizer, PROMPTS, count=2, temperature=1.0, top_p=0.9, max_new_tokens=8, seed="a"
    )
    assert family == texts


def test_the_training_mode_is_kept(hero: LoadedHero) -> None:
    hero.model.train()
    drawn(hero, ["①"])
    assert hero.model.training
    assert drawn(hero, []) == []


@pytest.mark.parametrize("wrong", [{"count": 0}, {"temperature": 0.0}, {"top_p": 0.0}, {"top_p": 1.5}])
def test_nonsense_is_refused(hero: LoadedHero, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        drawn(hero, ["①"], **wrong)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_come_as_often_as_their_probability_says(temperature: float) -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    draws = (torch.arange(10_000, dtype=torch.float64)[:, None] + 0.5) / 10_000  # every draw once
    chosen = _sampling(draws, temperature, 1.0)(logits.expand(10_000, -1), range(10_000), 0)
    found = torch.bincount(chosen, minlength=4) / 10_000
    assert torch.allclose(found, (logits[0] / temperature).softmax(-1), atol=2e-4)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=9), st.floats(0.05, 0.99), st.floats(0, 1, exclude_max=True))
def test_top_p_draws_from_the_smallest_likely_set(scores: list[float], top_p: float, draw: float) -> None:
    logits = torch.tensor([scores])
    chosen = int(_sampling(torch.tensor([[draw]], dtype=torch.float64), 1.0, top_p)(logits, [0], 0))
    shares = logits[0].softmax(-1).double()
    more_likely = float(shares[shares > shares[chosen]].sum())
    assert more_likely < top_p + 1e-6  # the tokens before it do not have that much yet
