"""Looks for numbers that are not finite in a .safetensors file, block by block. Knows the file's layout, no model.

Layout: eight bytes with the length of a JSON header (little endian), the header, the tensors' bytes.
Source: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from realm.errors import CheckpointError

EXPONENTS = {
    "F64": ("<u8", 0x7FF0_0000_0000_0000), "F32": ("<u4", 0x7F80_0000), "BF16": ("<u2", 0x7F80), "F16": ("<u2", 0x7C00),
}  # fmt: skip
"""Width of a number, and the bits that are all set in NaN and in infinity and in no other number (IEEE 754)."""
BLOCK_BYTES = 1 << 24
LONGEST_HEADER = 100_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """What a file holds. `tensors` maps each one that is not finite to how many of its numbers are not."""

    numbers: int
    tensors: dict[str, int]


def not_finite(path: Path) -> Found:
    """Count the numbers of a file, and those of each tensor that are NaN or infinite. Raises CheckpointError."""
    bad: dict[str, int] = {}
    numbers = 0
    with open(path, "rb") as file:
        header, begin = _header(file, path)
        for name, entry in header.items():
            if name == "__metadata__" or entry["dtype"] not in EXPONENTS:
                continue
            start, end = entry["data_offsets"]
            width, bits = EXPONENTS[entry["dtype"]]
            seen, wrong = _count(_blocks(file, path, begin + start, end - start), width, bits)
            numbers += seen
            if wrong:
                bad[name] = wrong
    return Found(numbers, bad)


def _header(file: BinaryIO, path: Path) -> tuple[dict[str, Any], int]:
    """The header, and where the tensors begin."""
    start = file.read(8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else LONGEST_HEADER + 1
    if length > LONGEST_HEADER:
        raise _damaged(path)
    try:
        header = json.loads(file.read(length))
    except ValueError as error:
        raise _damaged(path) from error
    if not isinstance(header, dict):
        raise _damaged(path)
    return header, 8 + length


def _blocks(file: BinaryIO, path: Path, start: int, length: int) -> Iterator[bytes]:
    file.seek(start)
    while length > 0:
        block = file.read(min(BLOCK_BYTES, length))
        if not block:
            raise _damaged(path)
        length -= len(block)
        yield block


def _count(blocks: Iterator[bytes], width: str, bits: int) -> tuple[int, int]:
    import numpy as np  # noqa: PLC0415 - 100 ms that other checks need not pay

    seen = wrong = 0
    for block in blocks:
        values = np.frombuffer(block, dtype=width)
        seen += values.size
        wrong += int(np.count_nonzero((values & bits) == bits))
    return seen, wrong


def _damaged(path: Path) -> CheckpointError:
    return CheckpointError(f"{path.name} is cut off or no .safetensors file.", hint="Use an older checkpoint.")
