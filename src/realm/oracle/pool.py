"""The models that are loaded: by name, within a memory limit, swapped without dropping a request. Knows no HTTP.

A name that comes to stand for another model goes on answering with the old one until the new one is loaded beside it.
Requests begun on the old one finish there; it goes when the last has.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from realm.errors import Busy, RealmError, ServiceError
from realm.oracle.catalogue import Catalogue, Model

if TYPE_CHECKING:
    from realm.heroes.hero import LoadedHero
    from realm.oracle.engine import Engine

log = logging.getLogger(__name__)
LOOK_SECONDS = 0.2
"""How long what a name stands for is taken for true."""
REFUSED_SECONDS = 30.0
"""How long a model that could not be loaded is not tried again in place of one that answers."""
TRIES = 3


@dataclass(eq=False, slots=True)
class Slot:
    """A loaded model."""

    model: Model
    engine: Engine
    size_bytes: int
    last_used: float
    users: int = 0
    leaving: bool = False
    """It goes as soon as nobody uses it."""
    rendering: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Its tokenizer serves one at a time."""


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How much may be loaded, for how long."""

    memory_bytes: int
    idle_seconds: float


class Pool:
    """Lives in one event loop; loading and looking up happen in threads."""

    def __init__(
        self,
        catalogue: Catalogue,
        limits: PoolLimits,
        open_engine: Callable[[LoadedHero, asyncio.AbstractEventLoop], Engine],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`open_engine` is called in a thread; its engine's news belong into the loop."""
        self._catalogue, self._limits, self._open, self._clock = catalogue, limits, open_engine, clock
        self._slots: dict[str, Slot] = {}
        self._answers: dict[str, str] = {}
        self._looked: dict[str, tuple[float, Model]] = {}
        self._loading: dict[str, asyncio.Task[Slot]] = {}
        self._refused: dict[str, float] = {}
        self._one_load = asyncio.Lock()
        self.swaps = 0

    @asynccontextmanager
    async def lease(self, name: str) -> AsyncIterator[Slot]:
        """The loaded model that answers to a name; it stays for as long as the block runs.

        Raises what the catalogue raises for the name, what loading raises, Busy when there is no room for it now.
        """
        slot = await self.take(name)
        try:
            yield slot
        finally:
            self.give_back(slot)

    async def take(self, name: str) -> Slot:
        """As `lease`; to be given back."""
        for _ in range(TRIES):
            slot = await self._slot(name)
            if self._slots.get(slot.model.id) is slot:
                slot.users, slot.last_used = slot.users + 1, self._clock()
                return slot
        raise ServiceError("This model was unloaded again and again.", hint="Raise oracle.memory_bytes.")

    def give_back(self, slot: Slot) -> None:
        """A user has finished."""
        slot.users, slot.last_used = slot.users - 1, self._clock()
        if slot.leaving and not slot.users:
            self._close(slot)

    def slots(self) -> list[Slot]:
        return list(self._slots.values())

    async def load(self, name: str) -> Slot:
        """Load a model before it is asked for."""
        return await self._loaded(name, await self._found(name))

    async def unload(self, name: str) -> bool:
        """Let a model go, once its requests have finished. Returns whether it was loaded."""
        model = await self._found(name)
        slot = self._slots.get(self._answers.get(name, model.id)) or self._slots.get(model.id)
        if slot is not None:
            self._dismiss(slot)
        return slot is not None

    async def tend(self) -> None:
        """Once in a while: swap what stands for something else now, let go what nobody has asked for."""
        for name in list(self._answers):
            with suppress(RealmError):  # a name that is gone goes on answering until it is idle
                model = await self._found(name)
                if model.id not in self._slots:
                    self._begin(name, model)
                else:
                    self._point(name, model.id)
        now = self._clock()
        for slot in self.slots():
            if not slot.users and now - slot.last_used > self._limits.idle_seconds:
                self._close(slot)

    async def close(self) -> None:
        """Let everything go."""
        for task in self._loading.values():
            task.cancel()
        for slot in self.slots():
            self._forget(slot)
            await asyncio.to_thread(slot.engine.close)

    # -- from a name to a slot -------------------------------------------------------------------------------
    async def _slot(self, name: str) -> Slot:
        model = await self._found(name)
        if slot := self._slots.get(model.id):
            self._point(name, model.id)
            return slot
        if stand_in := self._slots.get(self._answers.get(name, "")):
            self._begin(name, model)
            return stand_in
        return await self._loaded(name, model)

    async def _found(self, name: str) -> Model:
        until, model = self._looked.get(name, (0.0, None))
        if model is None or self._clock() >= until:
            model = await asyncio.to_thread(self._catalogue.find, name)
            if len(self._looked) > 1000:
                self._looked.clear()
            self._looked[name] = self._clock() + LOOK_SECONDS, model
        return model

    def _point(self, name: str, model: str) -> None:
        """From now on the name is answered by that model; what it left behind goes when nobody stands for it."""
        before = self._answers.get(name)
        self._answers[name] = model
        if (now := self._slots.get(model)) is not None:
            now.leaving = False
        if before is None or before == model:
            return
        self.swaps += 1
        log.info("%s is answered by %s now, no longer by %s", name, model, before)
        old = self._slots.get(before)
        if old is not None and now is not None and not now.users:
            now.last_used = old.last_used  # a swap is no use: what nobody asks for is still unloaded in time
        if old is not None and before not in self._answers.values():
            self._dismiss(old)

    def _begin(self, name: str, model: Model) -> None:
        """Load the model beside the one that answers; the name moves when it is there."""
        if model.id in self._loading or self._refused.get(model.id, 0.0) > self._clock():
            return

        def told(task: asyncio.Task[Slot]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                self._refused[model.id] = self._clock() + REFUSED_SECONDS
                log.warning("%s goes on with the model it had: %s", name, error)
            elif not task.cancelled():
                self._point(name, model.id)

        self._task(model).add_done_callback(told)

    async def _loaded(self, name: str, model: Model) -> Slot:
        slot = self._slots.get(model.id)
        if slot is None:
            slot = await asyncio.shield(self._task(model))
        self._point(name, model.id)
        return slot

    def _task(self, model: Model) -> asyncio.Task[Slot]:
        """The one loading of a model, however many wait for it."""
        if model.id not in self._loading:
            task = asyncio.create_task(self._load(model), name=f"load-{model.id}")
            self._loading[model.id] = task
            task.add_done_callback(lambda done: self._ended(model, done))
        return self._loading[model.id]

    def _ended(self, model: Model, task: asyncio.Task[Slot]) -> None:
        self._loading.pop(model.id, None)
        if not task.cancelled():
            task.exception()  # whoever waited may have left: then nobody else asks for it

    async def _load(self, model: Model) -> Slot:
        async with self._one_load:
            self._make_room(model)
            began = time.perf_counter()
            loop = asyncio.get_running_loop()
            engine = await asyncio.to_thread(lambda: self._open(model.load(), loop))
            size = sum(p.numel() * p.element_size() for p in engine.hero.model.parameters())
            slot = Slot(model, engine, size, self._clock())
            self._slots[model.id] = slot
            log.info("%s is loaded: %d bytes in %.1f s", model.id, size, time.perf_counter() - began)
            return slot

    # -- room ------------------------------------------------------------------------------------------------
    def _make_room(self, model: Model) -> None:
        """Let go of what was not used for longest until the model fits."""
        limit = self._limits.memory_bytes
        if model.size_bytes > limit:
            raise ServiceError(
                f"{model.id} takes {model.size_bytes:,} bytes; all models together may take {limit:,}.",
                hint="Raise oracle.memory_bytes in realm.toml.",
            )
        for slot in sorted(self.slots(), key=lambda slot: slot.last_used):
            if sum(s.size_bytes for s in self.slots()) + model.size_bytes <= limit:
                return
            if not slot.users:
                self._close(slot)
        if sum(s.size_bytes for s in self.slots()) + model.size_bytes > limit:
            raise Busy(
                f"The models in use leave no room for {model.id}.",
                retry_after_seconds=5,
                hint="Send the request again a little later, or raise oracle.memory_bytes.",
            )

    def _dismiss(self, slot: Slot) -> None:
        slot.leaving = True
        if not slot.users:
            self._close(slot)

    def _close(self, slot: Slot) -> None:
        """Nobody uses it: forget it, and end its thread beside the loop."""
        self._forget(slot)
        log.info("%s is unloaded", slot.model.id)
        asyncio.get_running_loop().run_in_executor(None, slot.engine.close)

    def _forget(self, slot: Slot) -> None:
        if self._slots.get(slot.model.id) is slot:
            del self._slots[slot.model.id]
        self._answers = {name: model for name, model in self._answers.items() if model != slot.model.id}
