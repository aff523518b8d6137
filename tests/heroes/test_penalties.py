"""Penalties: an unwanted token is held back at the beginning and allowed later; without penalties nothing changes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from realm.config.layers import load, resolve_hero
from realm.config.schema import PenaltySettings
from realm.errors import ConfigError
from realm.heroes import load as load_hero
from realm.heroes.generation import answer_ids, stop_ids
from realm.heroes.penalties import TokenPenalty, compiled, share
from tests.heroes.test_generation import PROMPTS


@pytest.fixture(scope="module")
def hero() -> Any:
    hero = load_hero("hatchling", seed="spoken")
    with torch.no_grad():  # louder weights: at the initial scale rounding decides
        for parameter in hero.model.parameters():
            parameter.mul_(4.0)
    return hero


def ids(hero: Any, penalties: tuple[TokenPenalty, ...] = (), tokens: int = 10, batch_size: int = 8) -> list[list[int]]:
    from realm.heroes.chat import render_prompt

    asked = [render_prompt(hero.tokenizer, prompt) for prompt in PROMPTS]
    stops = stop_ids(hero.model, hero.tokenizer)
    return answer_ids(
        hero.model, asked, stop_ids=stops, max_new_tokens=tokens, batch_size=batch_size, penalties=penalties
    )


def test_a_token_is_held_back_at_the_beginning_and_allowed_later(hero: Any) -> None:
    """A penalty on the first token of an answer moves it away from the beginning, for as long as the schedule lasts."""
    free = ids(hero)
    unwanted = free[0][0]
    always = ids(hero, (TokenPenalty(((unwanted,),), 1e4, "constant", 1),))
    assert all(unwanted not in said for said in always)
    for_three = TokenPenalty(((unwanted,),), 1e4, "linear", 3)
    scores = torch.zeros(1, hero.model.config.vocab_size)
    processor, asked = for_three.processor(prompt_tokens=5), torch.zeros(1, 5, dtype=torch.long)
    taken = [float(-processor(torch.cat([asked, asked.new_zeros(1, n)], 1), scores)[0, unwanted]) for n in range(5)]
    assert taken == pytest.approx([1e4, 1e4 * 2 / 3, 1e4 / 3, 0, 0])
    one = ids(hero, (TokenPenalty(((unwanted,),), 1e4, "linear", 1),))
    assert one[0][0] != unwanted


def test_the_same_as_generate_with_the_same_processor(hero: Any) -> None:
    """Rows leave the batch as they end, and each is still looked at by its own tokens."""
    from transformers import LogitsProcessorList

    from realm.heroes.chat import render_prompt

    free = ids(hero)
    penalties = (TokenPenalty(((free[0][0],), tuple(free[1][:2])), 50.0, "exponential", 2),)
    ours = ids(hero, penalties)
    assert ours != free
    for prompt, got in zip(PROMPTS, ours, strict=True):
        asked = torch.tensor([render_prompt(hero.tokenizer, prompt)])
        held_back = LogitsProcessorList([p.processor(asked.shape[1]) for p in penalties])
        whole = hero.model.generate(
            asked, attention_mask=torch.ones_like(asked), max_new_tokens=10, do_sample=False,
            logits_processor=held_back,
        )  # fmt: skip
        assert got == [i for i in whole[0, asked.shape[1] :].tolist() if i != hero.tokenizer.eos_token_id]


def test_a_text_of_several_tokens_is_kept_from_being_completed(hero: Any) -> None:
    free = ids(hero)
    pair = tuple(free[0][:2])
    held_back = ids(hero, (TokenPenalty((pair,), 1e4, "constant", 1),))
    assert held_back[0][0] == pair[0], "its beginning alone is allowed"
    assert all(pair not in pairwise(said) for said in held_back)


def test_no_penalties_change_nothing(hero: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ids(hero, ()) == ids(hero) and hero.penalties == ()
    nothing = TokenPenalty(((1,),), 1e4, "linear", 1).processor(prompt_tokens=0)
    scores = torch.randn(2, 9)
    assert nothing(torch.zeros(2, 4, dtype=torch.long), scores) is scores, "a penalty that is over costs nothing"


def test_a_profile_compiles_its_penalties(hero: Any) -> None:
    penalties = 'heroes.hatchling.penalties=[{text = "<think>", penalty = 5, decay = "linear", decay_tokens = 8}]'
    profile = resolve_hero(load(overrides=[penalties], env={}), "hatchling")
    assert profile.penalties == (PenaltySettings(text="<think>", penalty=5, decay="linear", decay_tokens=8),)
    spoken = load_hero(profile)
    spelled = [spoken.tokenizer.decode(list(sequence)).strip() for sequence in spoken.penalties[0].sequences]
    assert spelled and set(spelled) == {"<think>"}
    assert spoken.answer(["①"], max_new_tokens=3) and spoken.form_hash != hero.form_hash
    with pytest.raises(ConfigError, match="penalty"):
        load(overrides=['heroes.hatchling.penalties=[{text = "a", penalty = -1}]'], env={})


def test_spellings_after_a_space_and_a_line_break(hero: Any) -> None:
    rule = compiled([PenaltySettings(text="=")], hero.tokenizer)[0]
    lead = [hero.tokenizer.decode(list(sequence)) for sequence in rule.sequences]
    assert "=" in lead and all(text.strip() == "=" for text in lead)


@given(st.integers(1, 500), st.integers(0, 5000))
def test_schedules_begin_whole_and_never_rise(tokens: int, generated: int) -> None:
    for decay in ("constant", "linear", "exponential"):
        assert share(decay, tokens, 0) == 1
        assert 0 <= share(decay, tokens, generated + 1) <= share(decay, tokens, generated)
    assert share("linear", tokens, tokens) == 0 and share("exponential", tokens, tokens) == 0.5
    assert share("constant", tokens, generated) == 1
