"""Numbers that are not finite are found in every format, and damaged files are said to be so."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from realm.errors import CheckpointError
from realm.temple import tensors
from realm.temple.tensors import not_finite
from tests.temple.small_realm import safetensors

NAN = {"F64": 0x7FF8 << 48, "F32": 0x7FC00000, "BF16": 0x7FC0, "F16": 0x7E00}
INF = {"F64": 0xFFF0 << 48, "F32": 0xFF800000, "BF16": 0xFF80, "F16": 0xFC00}
CODE = {"F64": "Q", "F32": "I", "BF16": "H", "F16": "H"}
FINITE = {"F64": 0x7FEF << 48, "F32": 0x7F7FFFFF, "BF16": 0x7F7F, "F16": 0x7BFF}


def file(path: Path, **named: tuple[str, list[int]]) -> Path:
    data, header, at = b"", {}, 0
    for name, (dtype, bits) in named.items():
        part = struct.pack(f"<{len(bits)}{CODE[dtype]}", *bits)
        header[name] = {"dtype": dtype, "shape": [len(bits)], "data_offsets": [at, at + len(part)]}
        data, at = data + part, at + len(part)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


@pytest.mark.parametrize("dtype", CODE)
def test_each_format(tmp_path: Path, dtype: str) -> None:
    good = (dtype, [0, 1, FINITE[dtype]])
    bad = (dtype, [0, NAN[dtype], INF[dtype], FINITE[dtype]])
    found = not_finite(file(tmp_path / "w.safetensors", good=good, bad=bad, other=good))
    assert found.numbers == 10 and found.tensors == {"bad": 2}


def test_whole_numbers_are_not_looked_at(tmp_path: Path) -> None:
    header = json.dumps({"ids": {"dtype": "I32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (tmp_path / "w").write_bytes(struct.pack("<Q", len(header)) + header + b"\xff\xff\xff\x7f")
    assert not_finite(tmp_path / "w").numbers == 0


def test_large_tensors_are_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "BLOCK_BYTES", 16)
    path = tmp_path / "w"
    path.write_bytes(safetensors([0.0] * 10 + [float("inf")] + [1.0] * 10))
    found = not_finite(path)
    assert (found.numbers, found.tensors) == (21, {"model.layers.0.weight": 1})


@pytest.mark.parametrize("content", [b"", b"\x01", b"\xff" * 8, struct.pack("<Q", 2) + b"[]",
                                     struct.pack("<Q", 3) + b"{x}", safetensors([1.0, 2.0])[:-4]])  # fmt: skip
def test_damaged_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"w\.safetensors is cut off"):
        not_finite(tmp_path / "w.safetensors")


def test_what_the_library_writes_is_read(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    named = {"a": torch.randn(7, 3), "b": torch.tensor([1.0, float("nan")]).bfloat16(), "c": torch.zeros(2).half()}
    save_file(named, tmp_path / "w.safetensors", metadata={"format": "pt"})
    found = not_finite(tmp_path / "w.safetensors")
    assert found.numbers == 25 and found.tensors == {"b": 1}
