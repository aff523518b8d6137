"""The meters of this machine as the page shows them: processor, memory, GPU, disk. Reads nothing itself."""

from __future__ import annotations

from realm.tavern.pages import percent, size
from realm.tavern.shown import Meter
from realm.watchtower.gpu import Gpu
from realm.watchtower.machine import Machine

TRAINING_USES_ALL = (1.01, 1.02)
"""A busy processor is what training looks like: never coloured as trouble."""


def meters(machine: Machine) -> list[Meter]:
    """One meter for each thing that can run out. Without a GPU there is one that says so."""
    disk_used = 1 - machine.disk_free_bytes / machine.disk_total_bytes
    cores = f"{machine.cpu_count} core{'s' if machine.cpu_count != 1 else ''}"
    return [
        Meter("cpu", "CPU", machine.cpu_ratio, percent(machine.cpu_ratio), cores, TRAINING_USES_ALL),
        Meter("ram", "Memory", machine.ram_used_bytes / machine.ram_total_bytes, size(machine.ram_used_bytes),
              f"of {size(machine.ram_total_bytes)}"),
        *(meter for gpu in machine.gpus for meter in _gpu(gpu)),
        *([] if machine.gpus else [Meter("gpu", "GPU", None, "none", "The hero trains on the CPU.")]),
        Meter("disk", "Disk", disk_used, f"{size(machine.disk_free_bytes)} free",
              f"of {size(machine.disk_total_bytes)}"),
    ]  # fmt: skip


def _gpu(gpu: Gpu) -> list[Meter]:
    heat = f"{gpu.temperature_celsius:.0f} °C" if gpu.temperature_celsius is not None else ""
    power = f"{gpu.power_watts:.0f} W" if gpu.power_watts is not None else ""
    detail = " · ".join(part for part in (gpu.name, heat, power) if part)
    memory = gpu.memory_used_bytes / max(1, gpu.memory_total_bytes)
    return [
        Meter(f"gpu-{gpu.index}", "GPU", gpu.used_ratio, percent(gpu.used_ratio), detail, TRAINING_USES_ALL),
        Meter(f"vram-{gpu.index}", "GPU memory", memory, size(gpu.memory_used_bytes),
              f"of {size(gpu.memory_total_bytes)}"),
    ]  # fmt: skip
