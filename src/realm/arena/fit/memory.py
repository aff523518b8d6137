"""How much memory a device has, and how much this process has taken at most. Knows no model."""

from __future__ import annotations

import gc
import resource
import sys
from pathlib import Path
from typing import Any

import psutil
import torch
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_SAID_BY_CPU = ("not enough memory", "can't allocate memory", "bad_alloc", "could not create a memory")
CUDA_SHARE = 0.92
"""Share of a card that one process plans with: the rest is its context and what fragments."""


def is_shortage(error: BaseException) -> bool:
    """Whether an error says that memory ran out, of a card or of the machine."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if not isinstance(error, RuntimeError):
        return False
    return should_reduce_batch_size(error) or any(words in str(error) for words in _SAID_BY_CPU)


def give_back() -> None:
    """Collect what an aborted step left, and return a card's cache to it."""
    gc.collect()
    clear_device_cache()


def device_name(device: torch.device) -> str:
    """`cpu`, `mps`, or the card's own name: memory found on one says nothing of another."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def card_name() -> str:
    """The name of this machine's card; empty without one."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""


def begin_peak(device: torch.device) -> None:
    """Forget the peak so far. Where the system cannot, the peak stays that of the whole process."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif _CLEAR.exists():
        _CLEAR.write_text("5", encoding="ascii")


def peak_bytes(device: torch.device) -> int:
    """The most that was taken since: memory of the card that torch reserved, else resident memory of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    if _STATUS.exists():
        lines = _STATUS.read_text(encoding="ascii").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def taken_bytes(device: torch.device) -> int:
    """What this process takes now."""
    return torch.cuda.memory_reserved(device) if device.type == "cuda" else psutil.Process().memory_info().rss


def room_bytes(device: torch.device) -> float:
    """What this process may take in all: what it has, and what is free on the device."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return min(CUDA_SHARE * total, free + torch.cuda.memory_reserved(device))
    return float(psutil.virtual_memory().available + taken_bytes(device))


def bytes_of(tensors: Any) -> int:
    """Bytes of some tensors."""
    return sum(t.numel() * t.element_size() for t in tensors)
