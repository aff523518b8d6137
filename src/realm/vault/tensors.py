"""Reads tensors out of safetensors files as NumPy arrays, bfloat16 included, where torch is not installed.

The format: 8 bytes little-endian length, that many bytes of JSON (name -> dtype, shape, data_offsets), then the data.
Source: https://github.com/huggingface/safetensors#format. NumPy has no bfloat16, and safetensors' own reader for NumPy
refuses it, so the header is read here; a file that is not what it says is refused.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realm.errors import CheckpointError, MissingExtra

if TYPE_CHECKING:
    import numpy as np

MAX_HEADER_BYTES = 100_000_000
SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
NUMPY = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1",
         "BOOL": "u1"}  # fmt: skip
_WEIGHTS = re.compile(r"(model|adapter_model)([-.].*)?\.safetensors")


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a file, not yet read."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    offset: int
    """Of its first byte in the file."""

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    def chunks(self, values: int) -> Iterator[np.ndarray[Any, Any]]:
        """Its values as float64, flat, so many at a time: a tensor of any size takes little memory."""
        np = numpy()
        size = SIZES[self.dtype]
        with self.file.open("rb") as file:
            file.seek(self.offset)
            for start in range(0, self.count, values):
                raw = file.read(min(values, self.count - start) * size)
                if self.dtype == "BF16":  # the upper half of a float32
                    wide = np.frombuffer(raw, dtype="<u2").astype("<u4") << 16
                    yield wide.view("<f4").astype("f8")
                else:
                    yield np.frombuffer(raw, dtype=NUMPY[self.dtype]).astype("f8")


def weights(folder: Path) -> dict[str, Tensor]:
    """The weights of a checkpoint by name; what only a resume needs is not among them. Raises CheckpointError."""
    files = sorted(path for path in folder.iterdir() if _WEIGHTS.fullmatch(path.name))
    found = {tensor.name: tensor for path in files for tensor in read_header(path)}
    if not found:
        raise CheckpointError(f"{folder.name} holds no weights in safetensors.", hint="See: realm vault show")
    return found


def read_header(path: Path) -> list[Tensor]:
    """The tensors that a file names, each checked against the file's size. Raises CheckpointError."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(MAX_HEADER_BYTES, size - 8):
            raise _broken(path, "its header is longer than the file")
        try:
            header = json.loads(file.read(length))
        except ValueError as error:
            raise _broken(path, "its header is not JSON") from error
    if not isinstance(header, dict):
        raise _broken(path, "its header holds no object")
    return [
        _tensor(path, name, told, 8 + length, size) for name, told in sorted(header.items()) if name != "__metadata__"
    ]


def numpy() -> Any:
    """The package. Raises MissingExtra."""
    try:
        import numpy as np  # noqa: PLC0415 - only who looks into weights needs it
    except ImportError as error:
        raise MissingExtra(
            "Looking into weights needs the package 'numpy', which is not installed.",
            hint="Install it: pip install 'realm[train]', or pip install numpy",
        ) from error
    return np


def _tensor(path: Path, name: str, told: Any, begin: int, size: int) -> Tensor:
    try:
        dtype, shape = str(told["dtype"]), tuple(int(part) for part in told["shape"])
        start, end = (int(part) for part in told["data_offsets"])
    except (KeyError, TypeError, ValueError) as error:
        raise _broken(path, f"{name} is not described") from error
    if dtype not in SIZES:
        raise _broken(path, f"{name} has the type {dtype}, which is not read here")
    if min(shape, default=0) < 0 or start < 0 or begin + end > size or end - start != math.prod(shape) * SIZES[dtype]:
        raise _broken(path, f"{name} does not lie inside the file")
    return Tensor(name, dtype, shape, path, begin + start)


def _broken(path: Path, why: str) -> CheckpointError:
    return CheckpointError(f"{path.name} must not be used: {why}.", hint="See which are whole: realm vault verify")
