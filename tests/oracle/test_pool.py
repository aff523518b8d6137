"""Models come, answer, are swapped and go: no request is dropped, none is answered by two, memory has a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from realm.errors import Busy, ServiceError, UsageError
from realm.heroes.hero import LoadedHero
from realm.oracle.engine import Engine
from realm.oracle.pool import LOOK_SECONDS, Pool, PoolLimits
from tests.oracle.oracle_support import Shelf, shelf


class Clock:
    """Moves when a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def opened(catalogue: Shelf, *, memory: int = 10**9, idle: float = 60.0) -> tuple[Pool, Clock]:
    clock = Clock()

    def open_engine(hero: LoadedHero, _loop: asyncio.AbstractEventLoop) -> Engine:
        return Engine(hero)

    return Pool(catalogue, PoolLimits(memory, idle), open_engine, clock), clock


def run(story: Callable[[Pool, Clock], Any], catalogue: Shelf, **limits: Any) -> Any:
    async def told() -> Any:
        pool, clock = opened(catalogue, **limits)
        try:
            return await story(pool, clock)
        finally:
            await pool.close()

    return asyncio.run(told())


async def until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come true")


def test_many_who_ask_at_once_wait_for_one_loading() -> None:
    catalogue = shelf("a")
    catalogue.load_seconds = 0.05

    async def story(pool: Pool, _clock: Clock) -> None:
        slots = await asyncio.gather(*(pool.take("a") for _ in range(20)))
        assert len(set(map(id, slots))) == 1 and slots[0].users == 20
        for slot in slots:
            pool.give_back(slot)

    run(story, catalogue)
    assert catalogue.loads == ["weights-a"]


def test_a_name_answers_with_the_old_model_until_the_new_one_is_there() -> None:
    catalogue = shelf("best")

    async def story(pool: Pool, clock: Clock) -> None:
        begun = await pool.take("best")
        catalogue.names["best"], catalogue.load_seconds = "weights-new", 0.1
        clock.now += LOOK_SECONDS
        async with pool.lease("best") as meanwhile:
            assert meanwhile is begun, "nobody waits for the new one"
        await until(lambda: pool.swaps == 1)
        async with pool.lease("best") as now:
            assert now.model.id == "weights-new"
        assert begun in pool.slots() and begun.leaving, "its request goes on"
        pool.give_back(begun)
        assert [slot.model.id for slot in pool.slots()] == ["weights-new"]

    run(story, catalogue)


def test_a_swap_needs_no_request_to_begin() -> None:
    catalogue = shelf("best")

    async def story(pool: Pool, clock: Clock) -> None:
        await pool.load("best")
        catalogue.names["best"] = "weights-new"
        clock.now += LOOK_SECONDS
        await pool.tend()
        await until(lambda: [slot.model.id for slot in pool.slots()] == ["weights-new"])

    run(story, catalogue)


def test_a_new_model_that_cannot_be_loaded_leaves_the_old_one_answering() -> None:
    catalogue = shelf("best")
    catalogue.broken = {"weights-new"}

    async def story(pool: Pool, clock: Clock) -> None:
        await pool.load("best")
        catalogue.names["best"] = "weights-new"
        for _ in range(3):
            clock.now += LOOK_SECONDS
            async with pool.lease("best") as slot:
                assert slot.model.id == "weights-best"
            await asyncio.sleep(0.02)
        clock.now += 40
        catalogue.broken = set()
        await pool.tend()
        await until(lambda: pool.swaps == 1)

    run(story, catalogue)


def test_what_nobody_asks_for_is_unloaded_and_loaded_again() -> None:
    catalogue = shelf("a")

    async def story(pool: Pool, clock: Clock) -> None:
        held = await pool.take("a")
        clock.now += 100
        await pool.tend()
        assert pool.slots() == [held], "it is in use"
        pool.give_back(held)
        clock.now += 61
        await pool.tend()
        assert pool.slots() == []
        await pool.load("a")

    run(story, catalogue)
    assert len(catalogue.loads) == 2


def test_the_longest_unused_goes_when_memory_is_short() -> None:
    catalogue = shelf("a", "b", "c", "huge")
    size = sum(p.numel() * 4 for p in catalogue.load("weights-a").model.parameters())
    catalogue.sizes = {f"weights-{name}": size for name in "abc"} | {"weights-huge": 10 * size}

    async def story(pool: Pool, clock: Clock) -> None:
        for name in ("a", "b", "a", "c"):
            clock.now += 1
            async with pool.lease(name):
                pass
        assert sorted(slot.model.id for slot in pool.slots()) == ["weights-a", "weights-c"]
        async with AsyncExitStack() as both:
            for name in ("a", "c"):
                await both.enter_async_context(pool.lease(name))
            with pytest.raises(Busy):
                await pool.take("b")
        with pytest.raises(ServiceError, match="all models together"):
            await pool.take("huge")

    run(story, catalogue, memory=int(2.5 * size))


def test_a_model_may_be_let_go_by_hand_when_its_requests_have_finished() -> None:
    catalogue = shelf("a")

    async def story(pool: Pool, _clock: Clock) -> None:
        held = await pool.take("a")
        assert await pool.unload("a") and pool.slots() == [held]
        pool.give_back(held)
        assert pool.slots() == [] and not await pool.unload("a")
        with pytest.raises(UsageError, match="no model"):
            await pool.take("nobody")

    run(story, catalogue)
