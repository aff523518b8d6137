"""The rule of token weights, and that a training without it is what it was."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from realm.arena import surprise
from realm.arena.batches import collate
from realm.arena.data import read
from realm.arena.engine import Engine
from realm.arena.methods.sft import SupervisedFineTuning, logits_at
from realm.arena.methods.weighting import TokenWeighting
from realm.arena.packing import Rows
from realm.errors import UsageError
from realm.heroes.hero import LoadedHero
from realm.records import Progress

from .arena_support import Notes, settings, small_hero, small_rows

KINDS = list(surprise.KINDS)
numbers = st.lists(st.floats(0, 5, width=32), min_size=1, max_size=60)


@given(numbers, st.floats(0.1, 10), st.floats(0.1, 1), st.floats(1, 10))
def test_weights_have_mean_one_keep_the_order_and_stay_within_bounds(
    found: list[float], temperature: float, lowest: float, highest: float
) -> None:
    scores = torch.tensor(found, requires_grad=True)
    given = surprise.weights(scores, temperature=temperature, lowest=lowest, highest=highest)
    assert not given.requires_grad and given.shape == scores.shape
    assert float(given.mean()) == pytest.approx(1, abs=1e-5)
    assert float(given.max() / given.min()) <= highest / lowest * (1 + 1e-5)
    order = torch.argsort(scores.detach(), stable=True)
    assert torch.all(given[order].diff() >= -1e-6)


@given(st.integers(1, 50), st.floats(0, 5, width=32))
def test_where_nothing_stands_out_every_weight_is_one(count: int, score: float) -> None:
    given = surprise.weights(torch.full((count,), score), temperature=1, lowest=0.5, highest=2)
    assert torch.equal(given, torch.ones(count))


@given(numbers, st.randoms(use_true_random=False))
def test_a_weight_does_not_depend_on_the_place_among_the_others(found: list[float], random: Any) -> None:
    order = list(range(len(found)))
    random.shuffle(order)
    scores = torch.tensor(found)
    shuffled = surprise.weights(scores[order], temperature=1, lowest=0.5, highest=2)
    assert torch.allclose(surprise.weights(scores, temperature=1, lowest=0.5, highest=2)[order], shuffled, atol=1e-5)


def test_the_scores_are_what_their_names_say() -> None:
    sure, torn = [9.0, 0.0, 0.0], [1.0, 1.0, -20.0]
    logits, targets = torch.tensor([sure, sure, torn]), torch.tensor([0, 1, 0])
    p = logits.softmax(-1)
    assert torch.allclose(surprise.scores(logits, targets, "surprise"), 1 - p[[0, 1, 2], targets])
    assert torch.allclose(surprise.scores(logits, targets, "entropy"), -(p * p.log()).sum(-1))
    margin = surprise.scores(logits, targets, "margin")
    assert margin[0] == margin[1] < 0.01 and margin[2] == pytest.approx(1)
    with pytest.raises(UsageError, match="nope"):
        surprise.scores(logits, targets, "nope")


@pytest.mark.parametrize("kind", KINDS)
@hypothesis_settings(max_examples=10)
@given(st.data())
def test_a_steps_weights_are_the_same_however_its_examples_are_laid_out(kind: str, data: st.DataObject) -> None:
    """One example a row with padding, or any packing over any parts: each token weighs what it weighs."""
    hero = HERO
    reading = read(small_rows(7), lambda rows: hero.family.render_all(hero.tokenizer, rows), max_length=64)
    ends = [*sorted(data.draw(st.sets(st.integers(1, 6)))), 7]
    members = np.array(data.draw(st.permutations(range(7))))
    parts_at = sorted({0, data.draw(st.integers(0, len(ends) - 1)), len(ends)})

    def weighed(layouts: list[Rows]) -> dict[int, list[float]]:
        parts = [collate(reading.train, rows, pad_id=0) for rows in layouts]
        weighting = TokenWeighting(settings(token_weighting=kind))
        weighting.weigh(parts, lambda part: logits_at(hero.model, hero.model.get_output_embeddings(), part))
        assert weighting.told["weight_mean"] == pytest.approx(1, abs=1e-5)
        found: dict[int, list[float]] = {}
        for part, rows in zip(parts, layouts, strict=True):
            given = part["weights"].tolist()
            for member in rows.members.tolist():
                first, last = reading.train.offsets[member : member + 2]
                count = int(reading.train.trained[first + 1 : last].sum())
                found[member], given = given[:count], given[count:]
            assert not given
        return found

    starts = np.array([0, *ends])
    packed = Rows(members, starts)
    halves = [packed.take(np.arange(a, b)) for a, b in pairwise(parts_at)]
    alone = weighed([Rows(np.arange(7), np.arange(8))])
    laid_out = weighed(halves)
    assert all(laid_out[member] == pytest.approx(alone[member], abs=1e-4) for member in range(7))


def _opinionated() -> LoadedHero:
    """A fresh hero finds everything alike; this one has strong views."""
    hero = small_hero()
    with torch.no_grad():
        for parameter in hero.model.parameters():
            parameter.mul_(4)
    return hero


HERO = _opinionated()


def weights(engine: Engine) -> list[torch.Tensor]:
    return [p.detach().clone() for p in engine.hero.model.parameters()]


def trained(**changes: Any) -> tuple[Engine, Notes]:
    engine, notes = Engine.open(small_hero(), settings(**changes), progress=Progress()), Notes()
    engine.train(small_rows(), run="r", quest="a", hooks=notes)
    return engine, notes


def test_switched_off_nothing_changes_and_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit the training by the plain sum of cross-entropies, whatever the other settings of weighting say."""
    plain, notes = trained()
    off, _ = trained(token_weighting="none", token_weighting_temperature=0.1, token_weighting_max=9.0)
    assert all(torch.equal(a, b) for a, b in zip(weights(plain), weights(off), strict=True))
    assert all(not m.measures for m in notes.steps)
    method = plain.method("sft")
    assert isinstance(method, SupervisedFineTuning) and method.trainer.weighting is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_weighted_training_learns_and_tells_its_weights(kind: str) -> None:
    engine, notes = trained(token_weighting=kind, num_train_epochs=2)
    told = [m.measures for m in notes.steps]
    assert all(m["weight_mean"] == pytest.approx(1, abs=1e-4) for m in told)
    assert all(0.25 <= m["weight_min"] < 1 < m["weight_max"] <= 4 and m["entropy"] > 0 for m in told)
    assert told[-1]["plain_loss"] < told[0]["plain_loss"] / 2
    plain, _ = trained(num_train_epochs=2)
    assert not all(torch.equal(a, b) for a, b in zip(weights(engine), weights(plain), strict=True))


def test_one_part_and_many_parts_train_alike() -> None:
    """A step of one part takes its weights from its own pass; the same step in parts from a pass ahead."""
    one, _ = trained(token_weighting="surprise", packing=False, per_device_train_batch_size=4, max_steps=5)
    hero = small_hero()
    engine = Engine.open(
        hero, settings(token_weighting="surprise", packing=False, per_device_train_batch_size=4, max_steps=5),
        progress=Progress(),
    )  # fmt: skip
    method = engine.method("sft")
    assert isinstance(method, SupervisedFineTuning)
    trainer = method.trainer
    ahead = trainer._get_num_items_in_batch

    def always(batches: list[Any], device: Any) -> int:
        assert trainer.weighting
        trainer.weighting.weigh([part for batch in batches for part in batch], trainer._logits_ahead)
        return ahead(batches, device)

    trainer._get_num_items_in_batch = always
    engine.train(small_rows(), run="r", quest="a", hooks=Notes())
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(weights(one), weights(engine), strict=True))
