"""What NVIDIA's devices say of themselves, where there are any. Knows no torch; an absent driver is no error."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any


@dataclass(frozen=True, slots=True)
class Gpu:
    """One reading of one device."""

    index: int
    name: str
    used_ratio: float
    """Share of the last sample period in which a kernel ran, 0..1."""
    memory_used_bytes: int
    memory_total_bytes: int
    temperature_celsius: float | None
    power_watts: float | None


def driver() -> ModuleType | None:
    """NVML, started, or None where its package (`realm[gpu]`) or the driver is absent."""
    try:
        nvml = import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    return nvml


def read(nvml: Any) -> tuple[Gpu, ...]:
    """All devices now; none where `nvml` is None. A device that does not answer is left out."""
    if nvml is None:
        return ()
    found = (_device(nvml, index) for index in range(nvml.nvmlDeviceGetCount()))
    return tuple(gpu for gpu in found if gpu is not None)


def _device(nvml: Any, index: int) -> Gpu | None:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        name = nvml.nvmlDeviceGetName(handle)
    except nvml.NVMLError:
        return None  # lost, or a slice of a device that this user may not look at
    use = _ask(nvml, nvml.nvmlDeviceGetUtilizationRates, handle)
    milliwatts = _ask(nvml, nvml.nvmlDeviceGetPowerUsage, handle)
    return Gpu(
        index=index,
        name=name.decode() if isinstance(name, bytes) else name,  # bytes before NVML 11.5
        used_ratio=use.gpu / 100 if use is not None else 0.0,
        memory_used_bytes=memory.used,
        memory_total_bytes=memory.total,
        temperature_celsius=_ask(nvml, nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
        power_watts=milliwatts / 1000 if milliwatts is not None else None,
    )


def _ask(nvml: Any, question: Any, *arguments: Any) -> Any:
    """An answer that not every device can give."""
    try:
        return question(*arguments)
    except nvml.NVMLError:
        return None
