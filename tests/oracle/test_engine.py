"""Many answers at once are the answers that each alone would have been."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.cache_utils import DynamicCache

from realm.errors import Busy, ServiceError, UsageError
from realm.heroes.chat import render_prompt
from realm.heroes.generation import answer_ids
from realm.heroes.hero import LoadedHero
from realm.oracle.columns import Columns
from realm.oracle.engine import Engine, Limits, answers
from realm.oracle.request import Piece, Request, Sampling
from tests.arena.arena_support import small_hero
from tests.oracle.oracle_support import talkative


def nobody(_: Piece) -> None:
    """Listens to nothing."""


@pytest.fixture(scope="module")
def hero() -> LoadedHero:
    return talkative(small_hero())


@pytest.fixture(scope="module")
def engine(hero: LoadedHero) -> Iterator[Engine]:
    opened = Engine(hero, Limits(rows=5))
    yield opened
    opened.close()


def ids(hero: LoadedHero, text: str) -> list[int]:
    return render_prompt(hero.tokenizer, text)


def ask(engine: Engine, *requests: Request) -> list[list[Piece]]:
    return list(answers(engine, requests))


def test_answers_that_join_and_leave_are_those_of_each_prompt_alone(hero: LoadedHero, engine: Engine) -> None:
    draw = random.Random("rows")
    prompts = [ids(hero, "word " * draw.randint(1, 40) + str(i)) for i in range(24)]
    lengths = [draw.randint(1, 60) for _ in prompts]
    alone = [
        answer_ids(hero.model, [prompt], stop_ids=frozenset(), max_new_tokens=length, batch_size=1)[0]
        for prompt, length in zip(prompts, lengths, strict=True)
    ]
    got = {i: Piece(0) for i in range(len(prompts))}
    done = [threading.Event() for _ in prompts]

    def listener(i: int) -> Request:
        def deliver(piece: Piece) -> None:
            got[i].add(piece)
            if piece.finish:
                done[i].set()

        return Request(prompts[i], lengths[i], deliver, stream=i % 2 == 0, ignore_eos=True)

    for i in range(len(prompts)):
        engine.submit(listener(i))
        done[max(0, i - 7)].wait(30)  # some begin while others are written, some while none is
    assert all(event.wait(30) for event in done)
    assert [got[i].text for i in got] == [hero.tokenizer.decode(a, skip_special_tokens=True) for a in alone]
    assert [got[i].tokens for i in got] == lengths


def test_a_seed_names_its_draws_whatever_else_is_asked(hero: LoadedHero, engine: Engine) -> None:
    prompt = ids(hero, "say something")

    def drawn(seed: str, count: int = 1) -> list[str]:
        hot = Sampling(temperature=1.0, top_p=0.95, seed=seed)
        return [p.text for p in ask(engine, Request(prompt, 16, nobody, hot, count=count, ignore_eos=True))[0]]

    first = drawn("7")
    for other in range(3):
        engine.submit(Request(ids(hero, f"noise {other}"), 30, nobody, ignore_eos=True))
    assert drawn("7") == first
    assert drawn("8") != first
    three = drawn("7", 3)
    assert three[0] == first[0] and len(set(three)) == 3


def test_log_probabilities_are_those_of_the_model(hero: LoadedHero, engine: Engine) -> None:
    prompt = ids(hero, "1 + 1 =")
    told = ask(engine, Request(prompt, 4, nobody, Sampling(top_logprobs=3), ignore_eos=True))[0][0].logprobs
    with torch.inference_mode():
        logits = hero.model(torch.tensor([[*prompt, *(t.token for t in told)]])).logits[0]
    likely = logits.log_softmax(-1)
    for place, one in enumerate(told):
        row = likely[len(prompt) - 1 + place]
        assert one.logprob == pytest.approx(float(row[one.token]), abs=1e-4)
        assert one.top[0][0] == one.token and len(one.top) == 3, "greedy takes the likeliest"


def test_a_bias_and_penalties_change_what_is_chosen(hero: LoadedHero, engine: Engine) -> None:
    prompt = ids(hero, "again and again")

    def written(sampling: Sampling) -> list[int]:
        told = Request(prompt, 12, nobody, replace(sampling, top_logprobs=0), ignore_eos=True)
        return [one.token for one in ask(engine, told)[0][0].logprobs]

    plain = written(Sampling())
    assert plain[0] not in written(Sampling(bias={plain[0]: -100.0}))
    assert set(written(Sampling(bias={5: 100.0}))) == {5}
    never_twice = written(Sampling(presence_penalty=2.0, frequency_penalty=2.0, bias=dict.fromkeys(range(20), 30.0)))
    assert len(set(never_twice)) > 6


def test_an_answer_ends_before_a_stop_text_and_streams_none_of_it(hero: LoadedHero, engine: Engine) -> None:
    prompt = ids(hero, "tell me")
    hot = Sampling(temperature=1.0, seed="stop")
    whole = ask(engine, Request(prompt, 40, nobody, hot))[0][0].text
    middle = len(whole) // 2
    stop = whole[middle : middle + 3]
    for stream in (True, False):
        request = Request(prompt, 40, nobody, hot, stops=(stop,), stream=stream)
        found = ask(engine, request)[0][0]
        assert found.text == whole[: whole.index(stop)] and found.finish == "stop"


def test_the_model_s_own_end_ends_an_answer(hero: LoadedHero, engine: Engine) -> None:
    end = hero.tokenizer.eos_token_id
    found = ask(engine, Request(ids(hero, "x"), 9, nobody, Sampling(bias={end: 100.0})))[0][0]
    assert (found.text, found.finish, found.tokens) == ("", "stop", 1)


def test_a_prompt_that_cannot_be_answered_is_refused_in_words(hero: LoadedHero, engine: Engine) -> None:
    with pytest.raises(UsageError, match="context"):
        engine.submit(Request([1] * engine.context_tokens, 1, nobody))
    with pytest.raises(UsageError, match="empty"):
        engine.submit(Request([], 1, nobody))
    with pytest.raises(UsageError, match="6 answers at once"):
        engine.submit(Request([1], 1, nobody, count=6))


def test_a_full_queue_says_when_to_come_again(hero: LoadedHero) -> None:
    engine = Engine(hero, Limits(rows=1, queue=2))
    try:
        held = [Request(ids(hero, "x"), 400, nobody, ignore_eos=True) for _ in range(8)]
        with pytest.raises(Busy) as refused:
            for request in held:
                engine.submit(request)
        assert 1 <= refused.value.retry_after_seconds <= 60
        for request in held:
            request.cancelled.set()
        assert ask(engine, Request(ids(hero, "y"), 2, nobody, ignore_eos=True))[0][0].tokens == 2
    finally:
        engine.close()


def test_what_is_cancelled_gives_its_place_to_others(hero: LoadedHero) -> None:
    engine = Engine(hero, Limits(rows=2))
    try:
        begun = threading.Event()
        endless = [Request(ids(hero, "x"), 400, lambda _: begun.set(), ignore_eos=True) for _ in range(2)]
        for request in endless:
            engine.submit(request)
        assert begun.wait(20)
        for request in endless:
            request.cancelled.set()
        before = engine.load().tokens
        assert ask(engine, Request(ids(hero, "y"), 3, nobody, ignore_eos=True))[0][0].tokens == 3
        assert engine.load().tokens - before < 100 and engine.load().rows == 0
    finally:
        engine.close()


def test_what_breaks_a_step_breaks_its_requests_and_not_the_engine(hero: LoadedHero) -> None:
    engine = Engine(hero)
    try:
        broken = ask(engine, Request([10**7], 3, nobody))[0][0]
        assert isinstance(broken.error, ServiceError)
        assert ask(engine, Request(ids(hero, "y"), 3, nobody, ignore_eos=True))[0][0].finish == "length"
    finally:
        engine.close()


def test_a_closed_engine_tells_what_it_did_not_answer(hero: LoadedHero) -> None:
    engine = Engine(hero)
    told: list[Piece] = []
    engine.submit(Request(ids(hero, "x"), 400, told.append, ignore_eos=True))
    engine.close()
    assert isinstance(told[-1].error, ServiceError)
    with pytest.raises(ServiceError, match="unloaded"):
        engine.submit(Request([1], 1, nobody))


TURNS = st.tuples(st.lists(st.integers(1, 9), max_size=3), st.integers(0, 40), st.sets(st.integers(0, 8)))


@given(st.lists(TURNS, max_size=8))
def test_columns_keep_each_row_s_own_keys(turns: Sequence[tuple[list[int], int, set[int]]]) -> None:
    """Rows join, are written on and leave in any order; what a row sees is always what it wrote."""
    columns, number = Columns(1), 0
    mine: list[list[float]] = []
    for joining, steps, gone in turns:
        for length in joining:
            number += 1
            states = torch.full((1, 1, length, 2), float(number))
            prompt = DynamicCache()
            prompt.update(states, states, 0)
            columns.join(prompt, 0, length)
            mine.append([float(number)] * length)
        for step in range(steps if mine else 0):
            mask, positions = columns.next_inputs("cpu")
            assert positions[:, 0].tolist() == [len(row) for row in mine]
            new = torch.tensor([[[[row[0] * 100 + step] * 2]] for row in mine])
            keys, _ = columns.cache.layers[0].update(new, new)
            assert keys.shape[-2] == mask.shape[1]
            for at, row in enumerate(mine):
                row.append(row[0] * 100 + step)
                assert keys[at, 0, mask[at], 0].tolist() == row
            columns.advance()
        leaving = [at for at in gone if at < len(mine)]
        mine = [mine[was] for was in columns.leave(leaving)]
