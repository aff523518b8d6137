"""What this machine has, found without torch, and the hardware profile that suits it. Trains nothing."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from realm.config.schema import HardwareProfile

GIB = 1024**3
NVIDIA_QUERY = ("nvidia-smi", "--query-gpu=name,memory.total,compute_cap", "--format=csv,noheader,nounits")
MPS_SHARE = 0.7
"""Share of a Mac's memory that Metal lets one process use, by default about this much."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One NVIDIA card."""

    name: str
    memory_gb: float
    compute_capability: str


@dataclass(frozen=True, slots=True)
class Machine:
    """What was found."""

    system: str
    cores: int
    """Cores that this process may use."""
    memory_gb: float
    gpus: tuple[Gpu, ...]

    @property
    def device(self) -> str:
        """cuda, mps or cpu: where tensors would live."""
        if self.gpus:
            return "cuda"
        return "mps" if self.system == "Darwin-arm64" else "cpu"

    @property
    def device_memory_gb(self) -> float:
        """Memory for a training on that device, in GiB."""
        if self.gpus:
            return max(gpu.memory_gb for gpu in self.gpus)
        return self.memory_gb * MPS_SHARE if self.device == "mps" else self.memory_gb


def detect() -> Machine:
    """Look at this machine. Takes some milliseconds, with an NVIDIA driver up to a second."""
    return Machine(
        system=f"{platform.system()}-{platform.machine()}",
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_gb=round(psutil.virtual_memory().total / GIB, 1),
        gpus=parse_nvidia(_nvidia_smi()),
    )


def suggest(machine: Machine, profiles: Mapping[str, HardwareProfile]) -> str | None:
    """The profile for a machine: one that names its card, else the largest that names none and that it can carry."""
    ours = {
        name: profile
        for name, profile in profiles.items()
        if profile.device == machine.device
        and profile.status == "available"
        and profile.processes <= max(1, len(machine.gpus))
        and profile.nodes == 1
    }
    cards = " ".join(gpu.name for gpu in machine.gpus)
    named = [name for name in ours if _models(name) & _models(cards)]
    general = [name for name in ours if not _models(name)]
    # a card reports less than what its box says: 15.0 GiB on a T4 of 16 GB, 79.6 on an H100 of 80
    carried = [n for n in named or general if ours[n].available_memory_gb <= machine.device_memory_gb * 1.08]
    smallest = min(ours, key=lambda name: ours[name].available_memory_gb, default=None)
    return max(carried, key=lambda name: (ours[name].available_memory_gb, ours[name].processes), default=smallest)


def parse_nvidia(text: str) -> tuple[Gpu, ...]:
    """Cards out of nvidia-smi's CSV; a line that is none (a message of the driver) is passed over."""
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines()]
    return tuple(
        Gpu(row[0], round(float(row[1]) / 1024, 1), row[2])
        for row in rows
        if len(row) == 3 and row[1].replace(".", "", 1).isdigit()
    )


def _models(name: str) -> set[str]:
    """Model numbers of cards in a name: `a100` in `cloud-a100-40gb` and in `NVIDIA A100-SXM4-40GB`."""
    return set(re.findall(r"\b(?:[a-z]\d{3}|\d{4})\b", name.lower()))


def _nvidia_smi() -> str:
    try:
        found = subprocess.run(NVIDIA_QUERY, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout if found.returncode == 0 else ""
