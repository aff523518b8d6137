"""Starts services in order, watches them, restarts what crashes, stops in reverse. Only its own children, ever."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx

from realm.errors import PortTaken
from realm.events import Events, Fact, ServiceCrashed, ServiceGaveUp, ServiceStarted, ServiceStopped
from realm.weaver.ledger import ServiceLedger
from realm.weaver.process import beat_age, spawn, stop
from realm.weaver.service import RestartPolicy, Service, start_order

HEALTH_SECONDS = 2.0
MISSED_CHECKS = 3
START_SECONDS = 60.0


class Supervisor:
    """One task per service; each task owns its process from start to end."""

    def __init__(
        self, services: Sequence[Service], ledger: ServiceLedger, events: Events, policy: RestartPolicy | None = None
    ) -> None:
        self._services = start_order(services)
        self._ledger = ledger
        self._events = events
        self._policy = policy or RestartPolicy()
        self._ready = {s.name: asyncio.Event() for s in self._services}
        self._stops = {s.name: asyncio.Event() for s in self._services}
        self._gave_up: set[str] = set()

    async def run(self, stopping: asyncio.Event, on_up: Callable[[], None] | None = None) -> None:
        """Keep all services up until `stopping` is set, then stop them in reverse order."""
        tasks = {s.name: asyncio.create_task(self._keep(s), name=s.name) for s in self._services}
        everything: asyncio.Future[Any] = asyncio.gather(*tasks.values())
        up = asyncio.create_task(self._announce(on_up))
        waiting = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait([waiting, everything], return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            up.cancel()
            for service in reversed(self._services):
                self._stops[service.name].set()
                await asyncio.wait({tasks[service.name]})
        await everything

    async def _announce(self, on_up: Callable[[], None] | None) -> None:
        for service in self._services:
            if not service.optional:
                await self._ready[service.name].wait()
        if on_up and not self.gave_up:
            on_up()

    async def _keep(self, service: Service) -> None:
        """A service's life: start, watch, wait after a crash, start again."""
        halted = self._stops[service.name]
        await self._unless(halted, *(self._ready[name].wait() for name in service.depends_on))
        crashes = 0
        while not halted.is_set():
            started = time.monotonic()
            code = await self._live(service, crashes)
            if halted.is_set():
                break
            up_seconds = time.monotonic() - started
            crashes = 1 if up_seconds >= self._policy.forgive_seconds else crashes + 1
            wait = self._policy.wait_seconds(crashes, up_seconds)
            if wait is None:
                self._give_up(service, crashes)
                return
            crashed = ServiceCrashed(service=service.name, exit_code=code, restarts=crashes, wait_seconds=wait)
            self._say(service, "backing-off", crashes, crashed)
            await self._unless(halted, asyncio.sleep(wait))
        self._say(service, "stopped", crashes, ServiceStopped(service=service.name))

    async def _live(self, service: Service, crashes: int) -> int:
        """From spawn to exit; returns the exit code."""
        self._say(service, "starting", crashes)
        process = await spawn(service)
        ended = asyncio.create_task(process.wait())
        healthy = asyncio.create_task(self._watch(service, process, crashes))
        halt = asyncio.create_task(self._stops[service.name].wait())
        try:
            await asyncio.wait([ended, healthy, halt], return_when=asyncio.FIRST_COMPLETED)
        finally:
            healthy.cancel()
            halt.cancel()
            # A hung process gets no time to say goodbye.
            seconds = service.stop_seconds if self._stops[service.name].is_set() else 1.0
            code = await stop(process, seconds)
            await asyncio.gather(ended, healthy, halt, return_exceptions=True)
        return code

    async def _watch(self, service: Service, process: asyncio.subprocess.Process, crashes: int) -> None:
        """Returns when the service counts as hung."""
        born = time.time()
        misses = 0
        up = False
        async with httpx.AsyncClient(timeout=HEALTH_SECONDS, trust_env=False) as client:
            while misses < MISSED_CHECKS:
                healthy = await self._healthy(service, client, born)
                if healthy and not up:
                    up = True
                    self._say(
                        service, "up", crashes, ServiceStarted(service=service.name, pid=process.pid), process.pid
                    )
                    self._ready[service.name].set()
                late = up or time.time() - born > START_SECONDS
                misses = 0 if healthy else misses + late
                await asyncio.sleep(HEALTH_SECONDS if up else 0.1)

    async def _healthy(self, service: Service, client: httpx.AsyncClient, born: float) -> bool:
        if service.health_url:
            try:
                return (await client.get(service.health_url)).status_code == 200
            except httpx.HTTPError:
                return False
        if service.beat:
            age = beat_age(service.beat, time.time())
            last = born if age is None else max(born, time.time() - age)
            return age is not None and time.time() - last < service.beat_seconds
        return True

    def _give_up(self, service: Service, crashes: int) -> None:
        hint = f"See the end of {service.log}." if service.log else "Start it by hand to see why."
        self._gave_up.add(service.name)
        self._say(service, "gave-up", crashes, ServiceGaveUp(service=service.name, restarts=crashes, hint=hint))
        self._ready[service.name].set()  # what depends on it starts all the same and says what is missing

    def _say(
        self, service: Service, state: str, restarts: int, fact: Fact | None = None, pid: int | None = None
    ) -> None:
        self._ledger.write(service.name, state, pid=pid, port=service.port, restarts=restarts)
        if fact:
            self._events.append(fact)

    async def _unless(self, halted: asyncio.Event, *waits: Awaitable[Any]) -> None:
        """Wait for all of `waits`, or until the service is to stop."""
        tasks = [asyncio.ensure_future(w) for w in waits]
        halt = asyncio.create_task(halted.wait())
        done: asyncio.Future[Any] = asyncio.gather(*tasks)
        await asyncio.wait([done, halt], return_when=asyncio.FIRST_COMPLETED)
        done.cancel()
        halt.cancel()
        await asyncio.gather(done, halt, return_exceptions=True)

    @property
    def gave_up(self) -> frozenset[str]:
        """Names of services that crashed too often, without those that are optional."""
        return frozenset(s.name for s in self._services if s.name in self._gave_up and not s.optional)


def require_port(host: str, port: int, setting: str) -> None:
    """Raises PortTaken, with words, when somebody listens there already."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(
                f"Port {port} on {host} is taken by another program.",
                hint=f"Stop it, or choose another: realm config set {setting} {port + 1}",
            ) from error
