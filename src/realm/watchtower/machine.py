"""How busy the machine is: processors, memory, disk, and the devices of `gpu`. Reads; remembers only its last look."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from realm.watchtower import gpu
from realm.watchtower.gpu import Gpu


@dataclass(frozen=True, slots=True)
class Machine:
    """One reading."""

    cpu_ratio: float
    """Share of all processors' time that was used since the reading before, 0..1."""
    cpu_count: int
    ram_used_bytes: int
    ram_total_bytes: int
    disk_free_bytes: int
    """Room on the device that holds the workspace."""
    disk_total_bytes: int
    gpus: tuple[Gpu, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class MachineMeter:
    """Reads the machine that a folder lies on. Readings closer than half a second are the same one."""

    def __init__(
        self, folder: Path, *, nvml: Any = None, clock: Callable[[], float] = time.monotonic, fresh_seconds: float = 0.5
    ) -> None:
        self._folder, self._nvml, self._clock, self._fresh_seconds = folder, nvml, clock, fresh_seconds
        self._times = psutil.cpu_times()
        self._last: tuple[float, Machine] | None = None

    def read(self) -> Machine:
        """The machine now."""
        now = self._clock()
        if self._last is None or now - self._last[0] >= self._fresh_seconds:
            times = psutil.cpu_times()
            reading = read(self._folder, used_ratio(self._times, times), gpu.read(self._nvml))
            self._times, self._last = times, (now, reading)
        return self._last[1]


def read(folder: Path, cpu_ratio: float, gpus: tuple[Gpu, ...] = ()) -> Machine:
    """A reading of what needs no earlier one to compare with."""
    memory, disk = psutil.virtual_memory(), psutil.disk_usage(str(folder))
    return Machine(
        cpu_ratio=cpu_ratio,
        cpu_count=psutil.cpu_count() or 1,
        ram_used_bytes=memory.total - memory.available,
        ram_total_bytes=memory.total,
        disk_free_bytes=disk.free,
        disk_total_bytes=disk.total,
        gpus=gpus,
    )


def used_ratio(before: Any, after: Any) -> float:
    """The part of the processors' time between two `psutil.cpu_times()` that was not idle, 0..1."""
    counted = [field for field in after._fields if not field.startswith("guest")]  # guest time is in user time already
    spent = {field: max(0.0, getattr(after, field) - getattr(before, field)) for field in counted}
    total = sum(spent.values())
    idle = spent["idle"] + spent.get("iowait", 0.0)
    return (total - idle) / total if total else 0.0
