"""Real processes: started in order, restarted, given up on, stopped in reverse, never orphaned."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from realm.db import Database
from realm.errors import PortTaken, ServiceError
from realm.events import Events
from realm.weaver.ledger import ServiceLedger
from realm.weaver.service import RestartPolicy, Service, start_order
from realm.weaver.supervisor import Supervisor, require_port

QUICK = RestartPolicy(first_wait_seconds=0.01, factor=1.0, give_up_after=3)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def sleeper(name: str, log: Path, **more: object) -> Service:
    code = f"""
import signal, sys, time, pathlib
log = open({str(log)!r}, "a", buffering=1)
log.write("start {name}\\n")
def end(*_):
    log.write("stop {name}\\n"); sys.exit(0)
signal.signal(signal.SIGTERM, end)
while True: time.sleep(0.01)
"""
    return Service(name=name, command=python(code), **more)  # type: ignore[arg-type]


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        await asyncio.sleep(0.01)


def run(
    services: list[Service], db: Database, watch: Callable[[Supervisor], object], policy: RestartPolicy = QUICK
) -> Events:
    events = Events(db)

    async def play() -> None:
        supervisor = Supervisor(services, ServiceLedger(db), events, policy)
        stopping = asyncio.Event()
        running = asyncio.create_task(supervisor.run(stopping))
        try:
            await watch(supervisor)  # type: ignore[misc]
        finally:
            stopping.set()
            await running

    asyncio.run(play())
    return events


def kinds(events: Events) -> list[str]:
    return [r.kind for r in events.since()]


def test_starts_in_dependency_order_and_stops_in_reverse(db: Database, tmp_path: Path) -> None:
    log = tmp_path / "log"
    services = [sleeper("page", log, depends_on=["store"]), sleeper("store", log)]

    async def watch(_: Supervisor) -> None:
        await until(lambda: log.exists() and log.read_text().count("start") == 2)

    run(services, db, watch)
    assert log.read_text().split("\n")[:4] == ["start store", "start page", "stop page", "stop store"]


def test_a_killed_service_is_started_again(db: Database, tmp_path: Path) -> None:
    log = tmp_path / "log"
    ledger = ServiceLedger(db)

    async def watch(_: Supervisor) -> None:
        await until(lambda: bool(ledger.all()) and ledger.all()[0].pid is not None)
        pid = ledger.all()[0].pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        await until(lambda: log.read_text().count("start") == 2)

    events = run([sleeper("hero", log)], db, watch)
    assert "service_crashed" in kinds(events)
    assert ledger.all()[0].state == "stopped"


def test_a_crash_loop_is_given_up_and_said(db: Database, tmp_path: Path) -> None:
    service = Service(name="hero", command=python("raise SystemExit(3)"), health_url="http://127.0.0.1:9/health")

    async def watch(supervisor: Supervisor) -> None:
        await until(lambda: supervisor.gave_up == {"hero"})

    events = run([service], db, watch)
    assert kinds(events).count("service_crashed") == 2
    assert kinds(events).count("service_gave_up") == 1


def test_a_hung_service_is_restarted(db: Database, tmp_path: Path) -> None:
    beat, log = tmp_path / "beat", tmp_path / "log"
    beat.touch()
    service = sleeper("hero", log, beat=beat, beat_seconds=0.3, stop_seconds=5.0)

    async def watch(_: Supervisor) -> None:
        await until(lambda: log.exists() and log.read_text().count("start") >= 1)
        await until(lambda: log.read_text().count("start") >= 2, seconds=20)

    events = run([service], db, watch)
    assert "service_crashed" in kinds(events)


def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    child = f"import os, time, pathlib; pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid())); time.sleep(60)"
    parent = f"""
import asyncio, sys
from realm.weaver.process import spawn
from realm.weaver.service import Service
async def main():
    await spawn(Service(name="c", command=[sys.executable, "-c", {child!r}]))
    await asyncio.sleep(60)
asyncio.run(main())
"""
    process = subprocess.Popen(python(parent))
    asyncio.run(until(lambda: pid_file.exists() and pid_file.read_text() != ""))
    pid = int(pid_file.read_text())
    process.kill()
    process.wait()
    asyncio.run(until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE))


def test_only_its_own_children_are_touched(db: Database, tmp_path: Path) -> None:
    stranger = subprocess.Popen(python("import time; time.sleep(30)"))
    log = tmp_path / "log"

    async def watch(_: Supervisor) -> None:
        await until(lambda: log.exists() and "start" in log.read_text())

    try:
        run([sleeper("hero", log)], db, watch)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_backoff_grows_forgives_and_gives_up() -> None:
    policy = RestartPolicy(first_wait_seconds=1, factor=2, longest_wait_seconds=5, give_up_after=5, forgive_seconds=60)
    assert [policy.wait_seconds(n, 0) for n in range(1, 6)] == [1, 2, 4, 5, None]
    assert policy.wait_seconds(9, up_seconds=61) == 1


def test_order_refuses_circles_and_strangers() -> None:
    a, b = Service("a", [], depends_on=["b"]), Service("b", [], depends_on=["a"])
    with pytest.raises(ServiceError):
        start_order([a, b])
    with pytest.raises(ServiceError, match="not started"):
        start_order([a])


def test_a_taken_port_is_said() -> None:
    import socket

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        with pytest.raises(PortTaken, match="taken"):
            require_port("127.0.0.1", holder.getsockname()[1], setting="services.tavern_port")
