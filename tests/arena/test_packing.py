from __future__ import annotations

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realm.arena.packing import Plan, mixed_batches, parts, spread

lengths = st.lists(st.integers(1, 40), min_size=1, max_size=120).map(lambda xs: np.array(xs, dtype=np.int64))


@settings(deadline=None)  # the machine may be busy
@given(lengths, st.integers(1, 4))
def test_each_example_is_in_one_row_and_no_row_overflows(sizes: np.ndarray, batch_rows: int) -> None:
    batches = mixed_batches(sizes, batch_rows=batch_rows, width=40)
    assert sorted(np.concatenate([rows.members for rows in batches]).tolist()) == list(range(len(sizes)))
    for rows in batches:
        assert 1 <= len(rows) <= batch_rows
        assert max(np.add.reduceat(sizes[rows.members], rows.starts[:-1])) <= 40


def test_packing_2000_examples_takes_well_under_100_ms_and_wastes_little() -> None:
    sizes = np.random.default_rng(0).integers(12, 90, 2000)
    began = time.process_time()
    batches = mixed_batches(sizes, batch_rows=4, width=256)
    assert time.process_time() - began < 0.1
    assert sizes.sum() / (sum(map(len, batches)) * 256) > 0.97


def test_a_packed_batch_is_a_sample_of_all_lengths() -> None:
    """Packed longest first, a batch would hold examples of one length, and those are of one kind."""
    sizes = np.random.default_rng(0).permutation(np.repeat([20, 120], [2000, 300]))
    plan = Plan(sizes, seed="a", batch_rows=2, max_length=512, packing=True)
    long_ones = [int((sizes[plan.batch(i).members] == 120).sum()) for i in range(plan.batches)]
    assert np.std(long_ones) < 2.5, "a fair draw of some four in each batch"


def test_batches_of_a_pass_are_about_even() -> None:
    sizes = np.random.default_rng(0).integers(12, 90, 500)
    held = [int(sizes[rows.members].sum()) for rows in mixed_batches(sizes, batch_rows=4, width=256)]
    assert min(held) > 0.8 * max(held)


def test_what_fits_nowhere_opens_the_next_batch() -> None:
    first, second = mixed_batches(np.array([30, 20, 20, 10]), batch_rows=1, width=40)
    assert (first.members.tolist(), second.members.tolist()) == ([0, 3], [1, 2])


@settings(deadline=None)  # the machine may be busy
@given(lengths, st.sampled_from([16, 100, 4096]))
def test_the_parts_of_a_batch_hold_each_example_once(sizes: np.ndarray, part_tokens: int) -> None:
    made = parts(sizes, max_width=40, part_tokens=part_tokens)
    assert sorted(np.concatenate([rows.members for rows in made]).tolist()) == list(range(len(sizes)))
    for rows in made:
        filled = np.add.reduceat(sizes[rows.members], rows.starts[:-1])
        assert filled.max() <= 40
        assert len(rows) == 1 or filled.max() * len(rows) <= part_tokens


def test_short_examples_are_laid_out_in_narrow_rows_beside_long_ones() -> None:
    sizes = np.concatenate([np.random.default_rng(0).integers(12, 60, 200), [400, 900]])
    made = parts(sizes, max_width=1024, part_tokens=2048)
    widths = [int(np.add.reduceat(sizes[rows.members], rows.starts[:-1]).max()) for rows in made]
    assert widths[0] > 900
    assert widths[-1] <= 128
    computed = sum(width * len(rows) for width, rows in zip(widths, made, strict=True))
    assert sizes.sum() / computed > 0.95


@settings(deadline=None)  # the machine may be busy
@given(lengths, st.booleans(), st.integers(1, 3), st.sampled_from([0.5, 1.0, 2.0, 2.5]))
def test_a_pass_gives_each_example_once_and_the_plan_keeps_its_promise(
    sizes: np.ndarray, packing: bool, accumulation: int, epochs: float
) -> None:
    plan = Plan(sizes, seed="s", batch_rows=2, max_length=40, packing=packing, accumulation=accumulation, epochs=epochs)
    drawn = [plan.batch(i).members.tolist() for i in range(plan.batches)]
    assert all(drawn)
    counts = np.bincount(np.concatenate(drawn), minlength=len(sizes))
    assert counts.max() - counts.min() <= 1
    if epochs == int(epochs):
        assert set(counts) == {int(epochs)}
    assert plan.steps == -(-plan.batches // accumulation)


@settings(deadline=None)  # the machine may be busy
@given(lengths, st.booleans(), st.integers(0, 5))
def test_the_batches_from_k_on_are_those_of_an_uninterrupted_run(sizes: np.ndarray, packing: bool, k: int) -> None:
    def plan() -> Plan:
        return Plan(sizes, seed="quest", batch_rows=2, max_length=40, packing=packing, epochs=2)

    whole, resumed = plan(), plan()
    k = min(k, whole.batches - 1)
    assert [whole.batch(i).members.tolist() for i in range(whole.batches)][k:] == [
        resumed.batch(i).members.tolist() for i in range(k, resumed.batches)
    ]


def test_another_seed_and_another_pass_give_another_order() -> None:
    sizes = np.full(64, 10)
    one = Plan(sizes, seed="a", batch_rows=1, max_length=40, packing=True, epochs=2)
    other = Plan(sizes, seed="b", batch_rows=1, max_length=40, packing=True, epochs=2)
    assert one.batch(0).members.tolist() != other.batch(0).members.tolist()
    assert one.batch(0).members.tolist() != one.batch(one.batches // 2).members.tolist()


def test_max_steps_ends_a_plan_early() -> None:
    plan = Plan(np.full(64, 10), seed="a", batch_rows=1, max_length=40, packing=False, accumulation=2, max_steps=3)
    assert (plan.steps, plan.batches, plan.first_batch(2)) == (3, 6, 4)


def test_many_passes_are_counted_only_as_far_as_max_steps_goes() -> None:
    plan = Plan(np.full(64, 10), seed="a", batch_rows=1, max_length=40, packing=True, epochs=1e9, max_steps=40)
    assert (plan.steps, plan.batches) == (40, 40)


def test_unpacked_batches_hold_examples_of_like_length() -> None:
    sizes = np.random.default_rng(0).integers(5, 500, 400)
    plan = Plan(sizes, seed="a", batch_rows=8, max_length=512, packing=False)
    spans = [np.ptp(sizes[plan.batch(i).members]) for i in range(plan.batches)]
    assert np.mean(spans) < 30


def test_spread_concatenates_ranges() -> None:
    assert spread(np.array([5, 0, 9]), np.array([2, 0, 3])).tolist() == [5, 6, 9, 10, 11]
