"""One child process that never outlives its parent. Knows no policy."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

from realm.weaver.service import Service

PR_SET_PDEATHSIG = 1
PARENT_VARIABLE = "REALM_PARENT_PID"


async def spawn(service: Service) -> asyncio.subprocess.Process:
    """Start the process; its output goes to its log. On Linux the kernel kills it when we die."""
    environment = {**os.environ, **service.environment, PARENT_VARIABLE: str(os.getpid())}
    if service.log:
        service.log.parent.mkdir(parents=True, exist_ok=True)
    output = open(service.log, "ab") if service.log else None  # noqa: SIM115 - closed below, the child has its own copy
    try:
        return await asyncio.create_subprocess_exec(
            *service.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches us alone; children are stopped in order
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
    finally:
        if output:
            output.close()


async def stop(process: asyncio.subprocess.Process, seconds: float) -> int:
    """Ask it to end, then insist. Only ever the process we started. Returns its exit code."""
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            process.kill()
    return await process.wait()


def watch_parent(poll_seconds: float = 1.0) -> None:
    """Called by a child: end when the parent is gone. Needed where the kernel has no parent-death signal."""
    parent = int(os.environ.get(PARENT_VARIABLE, "0"))
    if not parent:
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(poll_seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="watch-parent", daemon=True).start()


def beat_age(path: Path, now: float) -> float | None:
    """Seconds since the file was touched, or None if it does not exist."""
    try:
        return now - path.stat().st_mtime
    except FileNotFoundError:
        return None


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
